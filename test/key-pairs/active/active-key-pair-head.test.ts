import { afterEach, describe, expect, it, vi } from "vitest";
import { encodeDocument } from "../../../src/key-pairs/documents.js";
import { held as gate } from "../verdicts.js";
import { fresh, minute, organizationId, pointAsWriter, turns } from "../world.js";

const away = () => Promise.reject(new Error("no route to store"));
/** Of workers that don't wait long for a KMS or store that hangs. */
const impatient = { times: { confirmTimeout: 30 } };
/** Waits for longer than such a worker does. */
const later = () => new Promise((resolve) => setTimeout(resolve, 60));
afterEach(() => void vi.restoreAllMocks());

describe("the head is read again", () => {
  it.each([true, false])("when it is older than headTtl, and not before (background: %s)", async (background) => {
    const { active, store, clock } = await fresh();
    await active.acquire(false);
    const read = vi.spyOn(store, "readHead");
    clock.advance(minute - 1);
    await active.acquire(background);
    expect(read).toHaveBeenCalledTimes(0);
    clock.advance(1);
    await active.acquire(background);
    await active.settled();
    await active.acquire(background);
    expect(read).toHaveBeenCalledTimes(1);
  });

  it("and followed to a new pair, which KMS must confirm", async () => {
    const { active, clock, first, told, kms } = await fresh();
    await active.acquire(false);
    const next = await first.rotation.rotate({});
    clock.advance(minute);
    told();
    kms.journal.clear();
    expect(await active.acquire(false)).toMatchObject({ pair: { digest: next.digest }, vouchedBy: "kms" });
    expect({ told: told(), asked: kms.journal.count("Decrypt") }).toEqual({
      told: ["keyPairChanged", "keyPairConfirmed"],
      asked: 1,
    });
  });

  it("in the background unwaited for, and after a long pause waited for confirmTimeout at most", async () => {
    const { active, clock, first, store } = await fresh(impatient);
    const before = await active.acquire(true);
    const next = await first.rotation.rotate({});
    const genuine = store.readHead.bind(store);
    const { waiting, release } = gate();
    const read = vi.spyOn(store, "readHead").mockImplementation(async (...args) => (await waiting, genuine(...args)));
    clock.advance(2 * minute - 1);
    let settled = false;
    const timers = vi.spyOn(globalThis, "setTimeout");
    const waits = () => timers.mock.calls.filter(([, ms]) => ms === impatient.times.confirmTimeout).length;
    expect((await active.acquire(true)).pair).toBe(before.pair);
    expect(waits()).toBe(0);
    clock.advance(2 * minute);
    expect((await active.acquire(true)).pair).toBe(before.pair);
    expect(waits()).toBe(1);
    const leaving = new AbortController();
    const left = active.acquire(true, leaving.signal);
    leaving.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    const settling = active.settled().then(() => (settled = true));
    await turns();
    expect(settled).toBe(false);
    release();
    await settling;
    expect((await active.acquire(true)).pair.digest).toEqual(next.digest);
    expect(read).toHaveBeenCalledTimes(1);
  });

  it("and the pair before serves on while the store is away; who leaves hears so", async () => {
    const { active, clock, store, health } = await fresh();
    const before = await active.acquire(false);
    vi.spyOn(store, "readHead").mockImplementation(away);
    clock.advance(minute);
    expect(await active.acquire(false)).toBe(before);
    expect({ task: health.trouble?.task, flagged: active.usesLastKnownKey, refusal: active.refusal }).toEqual({
      task: "read-store",
      flagged: true,
      refusal: undefined,
    });
    clock.advance(minute);
    await expect(active.acquire(false, AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
    await active.settled();
    vi.restoreAllMocks();
    clock.advance(minute);
    await active.acquire(false);
    expect({ trouble: health.trouble, flagged: active.usesLastKnownKey }).toEqual({
      trouble: undefined,
      flagged: false,
    });
  });
});

describe("what the store may not say", () => {
  const gone =
    "the store has no configuration any more; if the store was restored on purpose, call acceptRestoredStore()";

  it("that there is no configuration any more", async () => {
    const { active, clock, store, events } = await fresh();
    const before = await active.acquire(false);
    events.splice(0);
    const read = vi.spyOn(store, "readHead").mockResolvedValue(undefined);
    for (let look = 0; look < 3; look += 1) {
      clock.advance(minute);
      expect((await active.acquire(false)).pair).toBe(before.pair);
    }
    const error = expect.objectContaining({ code: "ERR_STORE_ROLLED_BACK", message: gone }) as unknown;
    expect(events).toEqual([["keyPairUntrusted", { error }]]);
    expect({ flagged: active.usesLastKnownKey, refusal: active.refusal?.message }).toEqual({
      flagged: true,
      refusal: gone,
    });
    read.mockRestore();
    clock.advance(minute);
    await active.acquire(false);
    expect({ flagged: active.usesLastKnownKey, refusal: active.refusal }).toEqual({
      flagged: false,
      refusal: undefined,
    });
  });

  it("that an earlier pair is the newest", async () => {
    const { active, first, clock, store } = await fresh();
    const next = await first.rotation.rotate({});
    await active.acquire(false);
    await pointAsWriter(store, first.pair);
    clock.advance(minute);
    expect((await active.acquire(false)).pair.digest).toEqual(next.digest);
    const message = expect.stringContaining("the store's head is at key pair 1, and this host has seen 2") as string;
    expect(active.refusal).toMatchObject({ code: "ERR_STORE_ROLLED_BACK", message });
  });

  it("anything of another organization, and each thing it says is told of once", async () => {
    const { active, first, clock, store, told, events } = await fresh();
    await active.acquire(false);
    told();
    const { keyPairId, sequence } = first.pair.birth;
    const genuine = { organizationId, keyPairId, sequence, digest: first.pair.digest };
    const says = (change: Partial<typeof genuine>) =>
      vi
        .spyOn(store, "readHead")
        .mockResolvedValue({ revision: "9", document: encodeDocument("head", { ...genuine, ...change }) });
    const looks = async () => {
      for (let look = 0; look < 2; look += 1) {
        clock.advance(minute);
        await active.acquire(false);
      }
      return events.splice(0).map(([name, event]) => ({ name, message: (event as { error: Error }).error.message }));
    };
    const toldOnce = (message: string) => [{ name: "keyPairUntrusted", message }];
    says({ organizationId: "org-2" });
    expect(await looks()).toEqual(toldOnce("the store's head belongs to another organization"));
    says({ sequence: 2, digest: Buffer.alloc(32) });
    expect(await looks()).toEqual(toldOnce(`key pair ${keyPairId} is not the one that the store's head names`));
    says({ sequence: 2, digest: Buffer.alloc(32), keyPairId: "none" });
    expect(await looks()).toEqual(toldOnce("the store's head names key pair none, which the store does not have"));
  });
});

describe("a slow KMS", () => {
  /** A worker that holds a vouched pair, a newer one at the head, and a KMS that answers when the test says so. */
  async function slow() {
    const parts = await fresh(impatient);
    const before = await parts.active.acquire(false);
    const next = await parts.first.rotation.rotate({});
    const { waiting, release } = gate();
    const genuine = parts.calls.attests.bind(parts.calls);
    const asked = vi
      .spyOn(parts.calls, "attests")
      .mockImplementation(async (...args) => (await waiting, genuine(...args)));
    parts.told();
    parts.clock.advance(minute);
    return { ...parts, before, next, release, asked };
  }

  it("holds up nobody with a vouched pair; the head's is taken up when the late answer comes", async () => {
    const { active, before, next, release, health, told, clock } = await slow();
    expect(await active.acquire(false)).toBe(before);
    const error = { code: "ERR_KMS_UNAVAILABLE", message: "KMS did not answer within 30 ms", retryable: true };
    expect(health.trouble).toMatchObject({ task: "confirm", error });
    expect({ flagged: active.usesLastKnownKey, refusal: active.refusal, quiet: active.isIdle }).toEqual({
      flagged: true,
      refusal: undefined,
      quiet: false,
    });
    clock.advance(10_000);
    expect(active.confirmIn).toBe(20_000);
    release();
    await active.settled();
    expect(active.vouched).toMatchObject({ pair: { digest: next.digest }, vouchedBy: "kms", confirmedAt: clock.now() });
    expect({ flagged: active.usesLastKnownKey, quiet: active.isIdle, told: told() }).toEqual({
      flagged: false,
      quiet: true,
      told: ["lastKnownKeyInUse", "keyPairChanged", "lastKnownKeyEnded", "keyPairConfirmed"],
    });
  });

  it("that disowns the head's pair late is heard, and says so", async () => {
    const { active, before, release, told, calls } = await slow();
    vi.spyOn(calls, "attests").mockImplementationOnce(async () => (await later(), false));
    expect(await active.acquire(false)).toBe(before);
    release();
    await active.settled();
    expect(active.current).toBe(before);
    expect(active.refusal).toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect(told()).toEqual(["lastKnownKeyInUse", "keyPairUntrusted"]);
  });

  it.each(["moved on", "away"])(
    "is not heard late of a head that is %s by then, which is left to the next read",
    async (how) => {
      const { active, before, release, store, first, told } = await slow();
      await active.acquire(false);
      if (how === "moved on") await pointAsWriter(store, first.pair);
      else vi.spyOn(store, "readHead").mockImplementation(away);
      release();
      await active.settled();
      expect({ current: active.current, refusal: active.refusal, told: told() }).toEqual({
        current: before,
        refusal: undefined,
        told: ["lastKnownKeyInUse"],
      });
    },
  );

  it("is asked one question at a time about a pair, however often the head is read", async () => {
    const { active, clock, asked, release, next } = await slow();
    for (let look = 0; look < 3; look += 1) {
      await active.acquire(false);
      clock.advance(minute);
    }
    expect(asked).toHaveBeenCalledTimes(1);
    release();
    await active.settled();
    expect(active.current?.pair.digest).toEqual(next.digest);
  });

  it("whose late answer breaks something leaves the pair in use", async () => {
    const { active, before, release, calls, told } = await slow();
    vi.spyOn(calls, "attests").mockImplementationOnce(async () => {
      await later();
      throw new TypeError("a bug");
    });
    await active.acquire(false);
    release();
    await active.settled();
    expect({ current: active.current, refusal: active.refusal, told: told() }).toEqual({
      current: before,
      refusal: undefined,
      told: ["lastKnownKeyInUse"],
    });
  });

  it("does not bring back a pair that a rotation has overtaken", async () => {
    const { active, release, rotation, first } = await slow();
    await active.acquire(false);
    await first.rotation.rotate({});
    await first.rotation.rotate({});
    await active.adopt(first.active.vouched!);
    release();
    await active.settled();
    expect(active.current?.pair.birth.sequence).toBe(4);
    expect(rotation.isRunning).toBe(false);
  });
});
