import { describe, expect, it, vi } from "vitest";
import { fleetSecret, minute, turns, world } from "../world.js";

describe("a worker that is due to ask about a pair that the fleet has left", () => {
  it("takes up the fleet's newer pair instead of asking KMS about the old one", async () => {
    const { clock, kms, worker, configured } = world();
    const maker = await configured({ fleetSecret: fleetSecret() });
    const lagging = worker({ fleetSecret: fleetSecret() });
    await lagging.active.acquire(true);
    vi.spyOn(Math, "random").mockReturnValue(0); // due as early as may be, after 13.5 minutes
    clock.advance(13 * minute);
    await lagging.active.acquire(true); // reads the head, for a minute
    await lagging.active.settled();
    clock.advance(50_000);
    const newer = await maker.rotation.rotate({});
    const before = kms.journal.count();
    await lagging.active.acquire(true);
    await lagging.active.settled();
    await turns();
    expect({ calls: kms.journal.count() - before, holds: lagging.active.current?.pair.birth.keyPairId }).toEqual({
      calls: 0,
      holds: newer.birth.keyPairId,
    });
  });
});
