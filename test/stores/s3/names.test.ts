import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareListPositions } from "../../../src/stores/input.js";
import {
  historyFolder,
  maxPrefixLength,
  organizationName,
  placeName,
  placeOf,
  wrappingName,
  wrappingsFolder,
} from "../../../src/stores/s3/names.js";

const recordId = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);

describe("the name of an organization", () => {
  it("is its id where that has only letters, digits, - and _", () => {
    expect(organizationName("Org-47_11")).toBe("Org-47_11");
    expect(organizationName("a.b/é\0")).toBe("a.2eb.2f.c3.a9.00");
  });

  it("tells any two ids apart, and needs no escape in a URL", () => {
    const hostile = fc
      .array(fc.constantFrom(".", "..", "/", ".h", ".2e", "2e", "\0", "%2f", "é", "e\u0301", "🔑"), { minLength: 1 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 })), (id) => {
        const name = organizationName(id);
        expect(name).toMatch(/^(?:[\w-]|\.[\da-f]{2}|\.h[\da-f]{64}$)+$/);
        if (name.startsWith(".h")) return;
        const bytes = name.replace(/\.([\da-f]{2})|([\w-])/g, (_, hex: string | undefined, kept: string) =>
          hex === undefined ? Buffer.from(kept).toString("hex") : hex,
        );
        expect(Buffer.from(bytes, "hex").toString()).toBe(id);
      }),
    );
  });

  it("is a hash where it would be too long, and the longest key fits into S3's 1,024 bytes", () => {
    const names = ["\0", "🔑", "x"].map((unit) => organizationName(unit.repeat(512 / Buffer.byteLength(unit))));
    for (const name of names) expect(name).toMatch(/^\.h[\da-f]{64}$/);
    expect(new Set(names).size).toBe(3);
    expect(organizationName("x".repeat(200))).toBe("x".repeat(200));
    const longest = wrappingName("x".repeat(200), "p".repeat(64), "w".repeat(64));
    expect(maxPrefixLength + 1 + longest.length).toBeLessThanOrEqual(1_024);
  });
});

describe("the places of pairs", () => {
  const sequence = fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.maxSafeInteger().filter((number) => number >= 1),
  );
  const place = fc.record({ sequence, keyPairId: recordId });

  it("are in the order of the history, byte by byte, and can be read back", () => {
    fc.assert(
      fc.property(place, place, (one, other) => {
        const [a, b] = [one, other].map((at) => Buffer.from(placeName("org", at)));
        expect(Math.sign(Buffer.compare(a!, b!))).toBe(Math.sign(compareListPositions(one, other)));
        expect(placeOf(placeName("org", one).slice(historyFolder("org").length))).toEqual(one);
      }),
    );
  });

  it("are not what others have put among them", () => {
    for (const name of ["", ".DS_Store", "9007199254740990", "9007199254740991-p", "9999999999999999-p", "1-p"])
      expect(placeOf(name), name).toBeUndefined();
    expect(placeOf("9007199254740990-p\n")).toBeUndefined();
    expect(placeOf("9007199254740990-p/q")).toBeUndefined();
  });
});

it("no wrapping is found in another pair's folder", () => {
  fc.assert(
    fc.property(recordId, recordId, recordId, (pair, other, wrapping) => {
      fc.pre(pair !== other);
      expect(wrappingName("org", pair, wrapping).startsWith(wrappingsFolder("org", other))).toBe(false);
    }),
  );
});
