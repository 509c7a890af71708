import { expect, it } from "vitest";
import { Maintenance } from "../../../src/key-store/maintenance.js";
import { TestClock } from "../../../src/testing/index.js";

/** One organization whose next turn is asked for in so many milliseconds. */
function upkept(dueIn: number | undefined) {
  const clock = new TestClock();
  const kept = { dueIn, turns: 0, maintain: async () => void (kept.turns += 1) };
  return { clock, kept, upkeep: new Maintenance(kept, clock) };
}

it("newcomers have their first turn some time within a minute, and not all in its beginning", () => {
  const newcomers = Array.from({ length: 600 }, () => upkept(0));
  const dueAfter = (ms: number) => {
    for (const { clock } of newcomers) clock.advance(ms);
    return newcomers.filter(({ upkeep }) => upkeep.isDue()).length;
  };
  expect(dueAfter(0)).toBe(0);
  const inTenSeconds = dueAfter(10_000);
  expect(inTenSeconds).toBeGreaterThan(20);
  expect(inTenSeconds).toBeLessThan(250);
  expect(dueAfter(50_000)).toBe(600);
});

it("a turn is followed by a pause, also if it changed nothing, and by none of another while it goes on", async () => {
  const { clock, kept, upkeep } = upkept(0);
  clock.advance(60_000);
  const turn = upkeep.run();
  expect(upkeep.isDue()).toBe(false);
  await turn;
  clock.advance(14_999);
  expect(upkeep.isDue()).toBe(false);
  clock.advance(1_502);
  expect(upkeep.isDue()).toBe(true);
  expect(kept.turns).toBe(1);
});

it.each([
  { dueIn: 900_000, from: 900_000, to: 990_000 },
  { dueIn: Infinity, from: 3_600_000, to: 3_960_000 },
  { dueIn: undefined, from: 3_600_000, to: 3_960_000 },
])("what is due in $dueIn ms is looked at again then, or up to a tenth later", ({ dueIn, from, to }) => {
  const { clock, kept, upkeep } = upkept(dueIn);
  clock.advance(60_000);
  expect(upkeep.isDue()).toBe(false);
  kept.dueIn = 0; // due, if it is asked
  clock.advance(from - 1);
  expect(upkeep.isDue()).toBe(false);
  clock.advance(to - from + 1);
  expect(upkeep.isDue()).toBe(true);
});
