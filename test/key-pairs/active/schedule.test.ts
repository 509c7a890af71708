import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  isDueForScheduler,
  isFromFuture,
  isRotationDue,
  jitter,
  jitterWindow,
  nextRotation,
  slotTime,
} from "../../../src/key-pairs/active/schedule.js";
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
  reason: "on-demand" as const,
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

  it("leaves out the slot of the next quarter of an hour where the schedule has made the pair", () => {
    const anchor = at("2026-01-01T12:00");
    const slotAfter = (createdAt: string, reason: "schedule" | "on-demand") =>
      iso(nextRotation({ ...pair(at(createdAt), anchor, "daily"), reason })! - offset);
    expect(slotAfter("2026-01-05T11:44", "schedule")).toBe("2026-01-05T12:00");
    expect(slotAfter("2026-01-05T11:45", "schedule")).toBe("2026-01-06T12:00");
    expect(slotAfter("2026-01-05T11:45", "on-demand")).toBe("2026-01-05T12:00");
    expect(slotAfter("2026-01-05T12:01", "schedule")).toBe("2026-01-06T12:00");
  });

  it("is due at its time and no millisecond before", () => {
    const made = pair(at("2026-01-05T11:45"), at("2026-01-01T12:00"), "daily");
    const due = nextRotation(made)!;
    expect([isRotationDue(made, due - 1), isRotationDue(made, due)]).toEqual([false, true]);
    expect(isRotationDue(pair(0, 0, "never"), at("2100-01-01T00:00"))).toBe(false);
  });

  it("is due at once where the maker's clock was more than a day ahead", () => {
    const now = at("2026-01-05T00:00");
    const day = 86_400_000;
    const ahead = (ms: number) => pair(now + ms, now, "yearly");
    expect([isFromFuture(ahead(day), now), isFromFuture(ahead(day + 1), now)]).toEqual([false, true]);
    expect([nextRotation(ahead(day + 1), now), isRotationDue(ahead(day + 1), now)]).toEqual([now, true]);
  });

  it("is due for a scheduler a quarter of an hour before a whole period has passed, whatever the slot", () => {
    const made = at("2026-01-05T18:00");
    const before = (minutes: number, change: "daily" | "weekly" = "daily") =>
      isDueForScheduler(pair(made, at("2025-12-29T17:50"), change), slotTime(made, change, 1) - minutes * 60_000);
    expect([before(15), before(14), before(16)]).toEqual([true, true, false]);
    expect([before(15, "weekly"), before(16, "weekly")]).toEqual([true, false]);
    expect(isDueForScheduler(pair(made, made, "never"), made + 400 * 86_400_000)).toBe(false);
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
