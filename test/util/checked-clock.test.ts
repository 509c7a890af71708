import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock, type Clock } from "../../src/clock.js";
import { checkedClock } from "../../src/util/checked-clock.js";

const start = Date.UTC(2026, 0, 1);

/** A clock whose readings are set. */
function settable(now: unknown = start, monotonic: unknown = 0) {
  const read = { now, monotonic };
  const clock = { now: () => read.now, monotonic: () => read.monotonic } as Clock;
  return { read, clock, checked: checkedClock(clock) };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance", "Date"], now: Date.UTC(2030, 0, 1) });
  vi.spyOn(process, "emitWarning").mockReturnValue(undefined);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("a checked clock", () => {
  it("is one for each clock, and the system's own for none", () => {
    const { clock, checked } = settable();
    expect(checkedClock(clock)).toBe(checked);
    expect(checkedClock(checked)).toBe(checked);
    expect(checkedClock(settable().clock)).not.toBe(checked);
    expect(checkedClock(undefined)).toBe(systemClock);
    expect(checkedClock(systemClock)).toBe(systemClock);
  });

  it("drops fractions of the wall time", () => {
    expect(settable(start + 0.999).checked.now()).toBe(start);
  });

  it("goes on from the latest reading by the system's time, and heals", () => {
    const { read, checked } = settable(start, 70);
    expect([checked.now(), checked.monotonic()]).toEqual([start, 0]);
    read.now = read.monotonic = NaN;
    vi.advanceTimersByTime(1_000);
    expect([checked.now(), checked.monotonic()]).toEqual([start + 1_000, 1_000]);
    vi.advanceTimersByTime(1_000);
    expect([checked.now(), checked.monotonic()]).toEqual([start + 2_000, 2_000]);
    Object.assign(read, { now: start + 5_000, monotonic: 5_070 });
    expect([checked.now(), checked.monotonic()]).toEqual([start + 5_000, 5_000]);
  });

  it("shows the system's time before there is a reading", () => {
    const { checked } = settable("noon", "noon");
    const before = checked.monotonic();
    vi.advanceTimersByTime(1_000);
    expect([checked.now(), checked.monotonic() - before]).toEqual([Date.UTC(2030, 0, 1) + 1_000, 1_000]);
  });

  it.each([-1, Date.UTC(10_000, 0, 1), 8.64e15, Number.MAX_VALUE])("takes %d for no wall time", (now) => {
    expect(settable(now).checked.now()).toBe(Date.UTC(2030, 0, 1));
  });

  it.each([0, Date.UTC(10_000, 0, 1) - 1])("takes %d for a wall time", (now) => {
    expect(settable(now).checked.now()).toBe(now);
  });

  it("lets monotonic time pass on after a step back, which counts as none", () => {
    const { read, checked } = settable(start, 1_000_000);
    const shown = [1_000_000, 1_000_500, 20, 520, -3_000_000, -2_999_000].map((monotonic) => {
      read.monotonic = monotonic;
      return checked.monotonic();
    });
    expect(shown).toEqual([0, 500, 500, 1_000, 1_000, 2_000]);
  });

  it("lets the wall time be set back", () => {
    const { read, checked } = settable();
    read.now = start - 5_000;
    expect(checked.now()).toBe(start - 5_000);
  });
});
