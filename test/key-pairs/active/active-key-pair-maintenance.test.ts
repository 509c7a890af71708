import { afterEach, describe, expect, it, vi } from "vitest";
import { held as gate } from "../verdicts.js";
import { fresh, minute, second, turns, world } from "../world.js";

afterEach(() => void vi.restoreAllMocks());

describe("maintenance", () => {
  it("is due at once, then with the schedule of what was found", async () => {
    const { worker, clock, kms, configured } = world();
    const { active } = worker();
    expect({ due: active.confirmIn, quiet: active.isIdle }).toEqual({ due: 0, quiet: true });
    await active.acquire(true).catch(() => undefined);
    clock.advance(minute);
    expect(active.confirmIn).toBe(14 * minute);
    await configured();
    const outage = kms.faults.outage();
    await active.acquire(false);
    expect({ due: active.confirmIn, quiet: active.isIdle }).toEqual({ due: 30 * second, quiet: false });
    clock.advance(10 * second);
    expect(active.confirmIn).toBe(20 * second);
    outage.remove();
    await active.confirm();
    expect({ due: active.confirmIn, quiet: active.isIdle }).toEqual({ due: 15 * minute, quiet: true });
    kms.faults.outage();
    await active.confirm();
    expect(active.confirmIn).toBe(30 * second);
  });

  it("is not over while something is under way, or a pair is refused", async () => {
    const { active, store, clock } = await fresh();
    const quietAfter = async (work: Promise<unknown>) => {
      expect(active.isIdle).toBe(false);
      await work;
      return active.isIdle;
    };
    expect(await quietAfter(active.refresh())).toBe(true);
    expect(await quietAfter(active.confirm())).toBe(true);
    clock.advance(15 * minute);
    await active.acquire(true);
    expect(await quietAfter(active.settled())).toBe(true);
    vi.spyOn(store, "readHead").mockResolvedValue(undefined);
    await active.refresh();
    expect(active.isIdle).toBe(false);
  });

  it("asks KMS when that is due, waits for what is under way, and is left by who leaves", async () => {
    const { active, kms, clock, calls } = await fresh();
    await active.acquire(true);
    kms.journal.clear();
    await active.confirmDue();
    expect(kms.journal.count()).toBe(0);
    clock.advance(15 * minute);
    const { waiting, release } = gate();
    const ask = vi.spyOn(calls, "attests").mockImplementation(async () => (await waiting, true));
    let over = false;
    const both = Promise.all([active.confirmDue(), active.confirmDue()]).then(() => (over = true));
    await expect(active.confirmDue(AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
    await turns();
    expect({ over, asked: ask.mock.calls.length }).toEqual({ over: false, asked: 1 });
    release();
    await both;
    expect(active.vouched?.confirmedAt).toBe(clock.now());
  });
});
