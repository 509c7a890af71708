import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jitter, jitterWindow, nextRotation, slotTime } from "../../../src/key-pairs/active/schedule.js";
import { keyPairSpecs } from "../../../src/format/vocabulary.js";
import { effort } from "../../support/effort.js";

const at = (text: string) => Date.parse(`${text}Z`);
const iso = (time: number) => new Date(time).toISOString().slice(0, 16);

describe("slots are counted from the anchor, in UTC", () => {
  it.each([
    ["monthly", "2026-01-31T10:00", ["2026-02-28T10:00", "2026-03-31T10:00", "2026-04-30T10:00"]],
    ["monthly", "2027-12-31T23:59", ["2028-01-31T23:59", "2028-02-29T23:59", "2028-03-31T23:59"]],
    ["yearly", "2028-02-29T00:00", ["2029-02-28T00:00", "2030-02-28T00:00", "2031-02-28T00:00", "2032-02-29T00:00"]],
    ["weekly", "2026-03-25T01:30", ["2026-04-01T01:30", "2026-04-08T01:30"]],
    ["daily", "2026-03-28T02:30", ["2026-03-29T02:30", "2026-03-30T02:30"]],
  ] as const)("%s from %s", (change, anchor, expected) => {
    expect(expected.map((_, index) => iso(slotTime(at(anchor), change, index + 1)))).toEqual(expected);
  });
});

const pair = (
  createdAt: number,
  scheduleAnchor: number,
  periodicKeyChange: "daily" | "weekly" | "monthly" | "yearly" | "never",
) => ({
  organizationId: "org-1",
  spec: "X25519" as const,
  createdAt,
  scheduleAnchor,
  periodicKeyChange,
});

describe("the next change", () => {
  const offset = jitter("org-1", "X25519");

  it("is never for never", () => expect(nextRotation(pair(0, 0, "never"))).toBeUndefined());

  it("keeps the anchor after a rotation on demand", () => {
    const anchor = at("2026-01-10T00:00");
    expect(nextRotation(pair(at("2026-01-25T07:00"), anchor, "monthly"))).toBe(at("2026-02-10T00:00") + offset);
  });

  it("makes one rotation of many missed slots", () => {
    const anchor = at("2026-01-01T00:00");
    expect(nextRotation(pair(at("2026-07-15T00:00"), anchor, "daily"))).toBe(at("2026-07-16T00:00") + offset);
  });

  it("is the first slot after the pair was made, whatever the anchor", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: at("2100-01-01T00:00") }),
        fc.integer({ min: 0, max: 40 * 366 * 86_400_000 }),
        fc.constantFrom("daily" as const, "weekly" as const, "monthly" as const, "yearly" as const),
        (anchor, age, change) => {
          const next = nextRotation(pair(anchor + age, anchor, change)) ?? 0;
          const slot = next - offset;
          expect(slot).toBeGreaterThan(anchor + age);
          let index = 1;
          while (slotTime(anchor, change, index) <= anchor + age) index += 1;
          expect(slot).toBe(slotTime(anchor, change, index));
        },
      ),
      { numRuns: effort(60, 25) },
    );
  });
});

describe("jitter", () => {
  it.each(keyPairSpecs)("spreads 10,000 organizations of %s within KMS's quota", (spec) => {
    const quota = { X25519: 1_000, RSA_2048: 20, RSA_3072: 4, RSA_4096: 1 }[spec];
    const buckets = new Map<number, number>();
    const ten = 10_000; // ten-second buckets even out the luck of hashing
    for (let index = 0; index < 10_000; index += 1) {
      const offset = jitter(`organization-${index}`, spec);
      expect(offset).toBeLessThan(jitterWindow(spec));
      buckets.set(Math.floor(offset / ten), (buckets.get(Math.floor(offset / ten)) ?? 0) + 1);
    }
    const busy = [...buckets.values()].filter((count) => count > quota * 10).length;
    expect(busy / buckets.size).toBeLessThan(0.02);
  });
});
