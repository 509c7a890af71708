import { afterEach, describe, expect, it, vi } from "vitest";
import { MemoryLastConfirmedStore } from "../../../src/testing/index.js";
import { held as gate } from "../verdicts.js";
import { fleetSecret, fresh, minute, organizationId, world } from "../world.js";
import { ProcessLastConfirmedStore } from "../../../src/stores/last-confirmed-store.js";

const away = () => Promise.reject(new Error("no route to store"));
/** Of workers that don't wait long for a KMS or store that hangs. */
const impatient = { times: { confirmTimeout: 30 } };
afterEach(() => void vi.restoreAllMocks());

describe("a restart of this host", () => {
  it("brings back what was confirmed, of which KMS is asked once, also with store and KMS away", async () => {
    const { first, worker, kms, store, clock } = await fresh();
    clock.advance(minute);
    const restarted = () => worker({ lastConfirmed: first.lastConfirmed });
    const one = restarted();
    await one.active.acquire(false);
    expect({ asked: kms.journal.count("Decrypt"), told: one.told() }).toEqual({ asked: 1, told: ["keyPairConfirmed"] });
    clock.advance(minute);
    await one.active.acquire(false);
    expect(kms.journal.count("Decrypt")).toBe(1);
    const confirmedAt = clock.now() - minute;
    kms.faults.outage();
    vi.spyOn(store, "readHead").mockImplementation(away);
    const two = restarted();
    expect(await two.active.acquire(false)).toMatchObject({
      confirmation: "confirmed",
      vouchedBy: "host",
      confirmedAt,
      pair: { digest: first.pair.digest },
    });
    expect(two.health.trouble?.task).toBe("read-store");
  });

  it("asks nobody when this very process had the pair confirmed", async () => {
    const { clock, worker, configured, kms } = world();
    const processLastConfirmed = new ProcessLastConfirmedStore(clock);
    await configured({ processLastConfirmed });
    clock.advance(5 * minute);
    kms.journal.clear();
    const { active } = worker({ processLastConfirmed });
    await active.acquire(true);
    await active.settled();
    expect({ asked: kms.journal.count(), due: active.confirmIn, by: active.vouched?.vouchedBy }).toEqual({
      asked: 0,
      due: 10 * minute,
      by: "host",
    });
  });

  it("does not take a pair further back than was confirmed", async () => {
    const { first, worker, store } = await fresh();
    const old = await store.readHead(organizationId);
    await first.rotation.rotate({});
    vi.spyOn(store, "readHead").mockResolvedValue(old);
    const { active } = worker({ lastConfirmed: first.lastConfirmed });
    expect((await active.acquire(false)).pair.birth.sequence).toBe(2);
    expect(active.refusal).toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    await expect(active.rotationBase()).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
  });

  it.each([true, false])(
    "waits for a KMS or a store that hangs no longer than confirmTimeout (background: %s)",
    async (background) => {
      const { first, worker, kms, store } = await fresh();
      const restarted = worker({ ...impatient, lastConfirmed: first.lastConfirmed });
      const hang = kms.faults.hang();
      expect(await restarted.active.acquire(background)).toMatchObject({
        confirmation: "confirmed",
        vouchedBy: "host",
      });
      await restarted.active.settled();
      const error = { code: "ERR_KMS_UNAVAILABLE", message: "KMS did not answer within 30 ms", retryable: true };
      expect(restarted.events[0]).toMatchObject(["lastKnownKeyInUse", { error }]);
      hang.remove();
      vi.spyOn(store, "readHead").mockImplementation(() => new Promise(() => undefined));
      const other = worker({ ...impatient, storeTimeout: 60, lastConfirmed: first.lastConfirmed });
      expect(await other.active.acquire(background)).toMatchObject({ vouchedBy: "host" });
    },
  );

  it("serves at once in the background, long before a store that hangs is given up", async () => {
    const { first, worker, store } = await fresh();
    const { waiting, release } = gate();
    const genuine = store.readHead.bind(store);
    vi.spyOn(store, "readHead").mockImplementation(async (...args) => (await waiting, genuine(...args)));
    const { active } = worker({ ...impatient, storeTimeout: 60_000, lastConfirmed: first.lastConfirmed });
    expect(await active.acquire(true)).toMatchObject({ vouchedBy: "host" });
    release();
    await active.settled();
    expect(active.vouched?.vouchedBy).toBe("kms");
  });

  it("is not waited for by who has left", async () => {
    const { active, lastConfirmed } = await fresh({ storeTimeout: 50 });
    vi.spyOn(lastConfirmed, "load").mockImplementation(() => new Promise(() => undefined));
    const gone = AbortSignal.abort(new Error("left"));
    for (const waits of [active.acquire(true, gone), active.loadLastConfirmed(gone), active.rotationBase(gone)]) {
      await expect(waits).rejects.toThrow("left");
    }
  });
});

describe("what host and fleet had confirmed last", () => {
  const secret = { fleetSecret: fleetSecret() };

  it("is loaded without asking KMS or reading the head, the host's first", async () => {
    const { first, worker, store, kms, clock } = await fresh();
    const next = await first.rotation.rotate({});
    await worker(secret).fleet.tell(next, { confirmedAt: clock.now() });
    kms.journal.clear();
    const read = vi.spyOn(store, "readHead");
    const [byHost, byFleet] = [worker({ ...secret, lastConfirmed: first.lastConfirmed }), worker(secret)];
    const nobody = worker();
    for (const { active } of [byHost, byFleet, nobody]) await active.loadLastConfirmed();
    expect({
      host: byHost.active.vouched?.vouchedBy,
      fleet: byFleet.active.vouched?.vouchedBy,
      nobody: nobody.active.vouched,
    }).toEqual({
      host: "host",
      fleet: "fleet",
      nobody: undefined,
    });
    expect({ head: read.mock.calls, kms: kms.journal.count() }).toEqual({ head: [], kms: 0 });
  });

  it.each(["reading the head", "loading"])(
    "is the newer of both, where the fleet is ahead of this host: by %s",
    async (how) => {
      const { first, worker, clock, store, kms } = await fresh();
      const lastConfirmed = new MemoryLastConfirmedStore();
      await lastConfirmed.save(organizationId, (await first.lastConfirmed.load(organizationId))!);
      const old = await store.readHead(organizationId);
      const next = await first.rotation.rotate({});
      await worker(secret).fleet.tell(next, { confirmedAt: clock.now() });
      kms.faults.outage();
      vi.spyOn(store, "readHead").mockResolvedValue(old);
      const { active } = worker({ ...secret, lastConfirmed });
      if (how === "reading the head") await active.refresh();
      else await active.loadLastConfirmed();
      expect(active.vouched).toMatchObject({ pair: { digest: next.digest }, vouchedBy: "fleet" });
      await expect(active.rotationBase()).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    },
  );

  it("is not asked for again once the head was read", async () => {
    const { worker, store, clock } = await fresh();
    const { active } = worker(secret);
    await active.acquire(false);
    const read = vi.spyOn(store, "readStatus");
    await active.loadLastConfirmed();
    clock.advance(minute);
    await active.acquire(false);
    expect(read).not.toHaveBeenCalled();
  });

  it("bars a rotation that would build upon a head from before it", async () => {
    const { first, worker, store, clock } = await fresh();
    const old = await store.readHead(organizationId);
    const next = await first.rotation.rotate({});
    await worker(secret).fleet.tell(next, { confirmedAt: clock.now() });
    const read = vi.spyOn(store, "readHead").mockResolvedValue(old);
    await expect(worker(secret).active.rotationBase()).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    read.mockResolvedValue(undefined);
    const gone =
      "the store has no configuration any more; if the store was restored on purpose, call acceptRestoredStore()";
    await expect(worker(secret).active.rotationBase()).rejects.toMatchObject({
      code: "ERR_STORE_ROLLED_BACK",
      message: gone,
    });
  });
});
