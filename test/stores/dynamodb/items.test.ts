import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pairKey, partitionOf, positionOf, wrappingKey, wrappingPrefix } from "../../../src/stores/dynamodb/items.js";
import { compareListPositions } from "../../../src/stores/input.js";

const organizationId = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
const hostile = fc.array(fc.constantFrom("%", "%2", "25", "00", "\0", "\u0085", "%85", "é", "e\u0301", "🔑"), {
  minLength: 1,
  maxLength: 6,
});
const recordId = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);

describe("the partition of an organization", () => {
  it("is its id where that has neither % nor control characters", () => {
    for (const id of ["org-4711", "Ünïcode 🔑", "a b", "a#b/..\\"]) expect(partitionOf(id)).toBe(id);
  });

  it("tells any two ids apart, and holds no control character", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          organizationId,
          hostile.map((parts) => parts.join("")),
        ),
        (id) => {
          const partition = partitionOf(id);
          expect(partition).not.toMatch(/\p{Cc}/u);
          const back = partition.replace(/%([\da-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
          expect(back).toBe(id);
        },
      ),
    );
  });

  it("fits into 2,048 bytes for every id of 512", () => {
    for (const unit of ["\0", "%", "\u0085", "🔑", "x"]) {
      const longest = unit.repeat(Math.floor(512 / Buffer.byteLength(unit)));
      expect(Buffer.byteLength(partitionOf(longest))).toBeLessThanOrEqual(1_536);
    }
  });
});

it("the positions of pairs are in the order of the history, byte by byte", () => {
  const sequence = fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.maxSafeInteger().filter((number) => number >= 1),
  );
  const place = fc.record({ sequence, keyPairId: recordId });
  fc.assert(
    fc.property(place, place, (one, other) => {
      const [a, b] = [one, other].map((at) => Buffer.from(positionOf(at)));
      expect(Math.sign(Buffer.compare(a!, b!))).toBe(Math.sign(compareListPositions(one, other)));
    }),
  );
});

it("no wrapping is found under another pair's prefix", () => {
  fc.assert(
    fc.property(recordId, recordId, recordId, (pair, other, wrapping) => {
      fc.pre(pair !== other);
      expect(wrappingKey("org", pair, wrapping).sk.S.startsWith(wrappingPrefix(other))).toBe(false);
    }),
  );
  expect(pairKey("org", "a").sk.S.startsWith("wrap#")).toBe(false);
});
