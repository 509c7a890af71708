import { describe, expect, it, vi } from "vitest";
import { claimDuration } from "../../../src/key-pairs/active/change-claims.js";
import { DueChangeTurn } from "../../../src/key-pairs/active/due-change-turn.js";
import { fleetSecret, minute, world, type WorkerOptions } from "../world.js";

const away = () => Promise.reject(new Error("no route to store"));

/** Workers of a fleet that meet the due change of one pair, of which the first has its turn. */
async function due(options: WorkerOptions = {}) {
  const parts = world();
  const { pair, rotation, fleet } = await parts.configured(options);
  const turnOf = (more: WorkerOptions = {}) => {
    const { context, records } = parts.worker({ ...options, ...more });
    return { turn: new DueChangeTurn(context), fleet: context.fleet, records };
  };
  const first = turnOf();
  expect(await first.turn.take(pair)).toBe(true);
  return { ...parts, pair, rotation, fleet, turnOf, first: first.turn };
}

describe("the turn to make a due change", () => {
  it("is one worker's, and another knows for how long", async () => {
    const { pair, first, turnOf, clock } = await due();
    expect([first.left, first.wasAnothers]).toEqual([-Infinity, false]);
    const { turn: other } = turnOf();
    expect(await other.take(pair)).toBe(false);
    clock.advance(1_000);
    expect([other.left, other.wasAnothers]).toEqual([claimDuration - 1_000, true]);
    clock.advance(claimDuration - 1_000);
    expect(other.left).toBe(0);
    expect(await other.take(pair)).toBe(true);
    expect([other.left, other.wasAnothers]).toEqual([-Infinity, false]);
  });

  it("is not waited for where it is this worker's", async () => {
    const { pair, first, turnOf } = await due();
    await first.giveUp();
    const { turn, records } = turnOf();
    const reads = vi.spyOn(records, "readHead");
    await turn.wait(pair);
    expect(reads).not.toHaveBeenCalled();
  });

  it("is waited for until the claim is over by the key store's clock", async () => {
    const { pair, turnOf, clock } = await due();
    const { turn, records } = turnOf();
    let looks = 0;
    vi.spyOn(records, "readHead").mockImplementation(async () => {
      looks += 1;
      clock.advance(claimDuration / 2);
      return undefined;
    });
    await turn.wait(pair);
    expect(looks).toBe(2);
    expect(await turnOf().turn.take(pair)).toBe(false);
  });

  it("is over once another has made the change, at the next look without a secret", async () => {
    const { pair, turnOf, rotation } = await due();
    const { turn, records } = turnOf();
    await rotation.rotate({});
    const reads = vi.spyOn(records, "readHead");
    await turn.wait(pair);
    expect(reads).toHaveBeenCalledTimes(1);
  });

  it("is over once the fleet vouches for the new pair, and is looked for five times at most", async () => {
    const { pair, turnOf, rotation, fleet, clock } = await due({ fleetSecret: fleetSecret() });
    const next = await rotation.rotate({});
    const told = turnOf();
    const looks = vi.spyOn(told.records, "readHead");
    await fleet.tell(next, { confirmedAt: clock.now() }, { force: true });
    await told.turn.wait(pair);
    expect(looks).toHaveBeenCalledTimes(1);
    const untold = turnOf();
    vi.spyOn(untold.fleet, "word").mockResolvedValue(undefined);
    const more = vi.spyOn(untold.records, "readHead");
    await untold.turn.wait(pair);
    expect(more).toHaveBeenCalledTimes(5);
  });

  it("is waited for while the store is away, and by nobody who has left", async () => {
    const { pair, turnOf, store, clock } = await due();
    const { turn } = turnOf();
    const controller = new AbortController();
    const reads = vi.spyOn(store, "readHead").mockImplementation(() => {
      if (reads.mock.calls.length === 2) clock.advance(minute);
      return away();
    });
    await turn.wait(pair);
    expect(reads).toHaveBeenCalledTimes(2);

    const { turn: leaving } = turnOf();
    await turn.take(pair);
    const left = new Error("left");
    reads.mockImplementation(() => (controller.abort(left), away()));
    await expect(leaving.wait(pair, controller.signal)).rejects.toBe(left);
    reads.mockRestore();

    const bug = new TypeError("a bug");
    const broken = turnOf();
    vi.spyOn(broken.records, "readHead").mockRejectedValue(bug);
    await expect(broken.turn.wait(pair)).rejects.toBe(bug);
  });
});
