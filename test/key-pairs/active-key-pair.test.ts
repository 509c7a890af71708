import { afterEach, describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreError, type KeyPairStore } from "../../src/index.js";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import { ConfirmedMemory } from "../../src/key-pairs/confirmed-memory.js";
import { KeyTrust } from "../../src/key-pairs/key-trust.js";
import { day, kmsKeyAliasArn, minute, organizationId, times, turns, world } from "./world.js";

const away = () => Promise.reject(new Error("no route to store"));
const second = 1_000;
/** Of workers that don't wait long for a KMS or store that hangs. */
const impatient = { times: { ...times, confirmTimeout: 30 } };
afterEach(() => void vi.restoreAllMocks());

/** An organization with one pair, and a worker that has not looked yet. */
async function fresh(more: Parameters<ReturnType<typeof world>["worker"]>[0] = {}) {
  const parts = world();
  const first = await parts.configured();
  parts.kms.journal.clear();
  return { ...parts, first, ...parts.worker(more) };
}

const count = (store: KeyPairStore, name: "readHead" | "readKeyPair" | "readStatus" | "writeStatus") => vi.spyOn(store, name as "readHead");

describe("the first use", () => {
  it("reads the head and its pair, has KMS confirm it, and says so", async () => {
    const { active, clock, told, kms, first, lastConfirmed } = await fresh();
    expect([active.current, active.usesLastKnownKey, active.refusal]).toEqual([undefined, false, undefined]);
    const held = await active.acquire(false);
    expect(held).toEqual({ pair: expect.anything() as unknown, confirmation: "confirmed", confirmedAt: clock.now() });
    expect(held.pair.digest).toEqual(first.pair.digest);
    expect(active.current).toBe(held);
    expect([told(), kms.journal.count("Decrypt"), active.usesLastKnownKey]).toEqual([["keyPairChanged", "keyPairConfirmed"], 1, false]);
    expect(await lastConfirmed.load(organizationId)).toBeDefined();
  });

  it.each([true, false])("is refused without a configuration (background: %s), which is no trouble and no refusal of a pair", async (background) => {
    const { worker } = world();
    const { active, told, context } = worker();
    await expect(active.acquire(background)).rejects.toMatchObject({ code: "ERR_NOT_CONFIGURED", message: "no KMS key is configured for this organization: call configure() first" });
    expect([told(), active.refusal, context.health.trouble, active.usesLastKnownKey]).toEqual([[], undefined, undefined, false]);
  });

  it("while KMS is away takes the pair unconfirmed, and says so once", async () => {
    const { active, clock, events, kms, context, first } = await fresh();
    kms.faults.outage();
    const held = await active.acquire(false);
    expect(held).toEqual({ pair: held.pair, confirmation: "unconfirmed" });
    const { keyPairId, sequence } = first.pair.birth;
    const error = expect.objectContaining({ kind: "unreachable" }) as unknown;
    expect(events.splice(0)).toEqual([
      ["lastKnownKeyInUse", { since: clock.now(), days: 0, error }],
      ["keyPairUnconfirmed", { keyPairId, sequence, error }],
    ]);
    expect(context.health.trouble).toMatchObject({ task: "confirm" });
    kms.faults.heal();
    await active.confirm();
    expect(active.current).toMatchObject({ confirmation: "confirmed", confirmedAt: clock.now() });
    expect(events.map(([name]) => name)).toEqual(["lastKnownKeyEnded", "keyPairConfirmed"]);
  });

  it("waits for a KMS that does not answer no longer than confirmTimeout", async () => {
    const { active, kms } = await fresh(impatient);
    kms.faults.hang();
    expect((await active.acquire(true)).confirmation).toBe("unconfirmed");
    expect(active.usesLastKnownKey).toBe(true);
    expect(await active.acquire(true).then(({ confirmation }) => confirmation)).toBe("unconfirmed");
  });

  it("shows how long it has waited", async () => {
    const { active, kms, context } = await fresh(impatient);
    kms.faults.hang();
    await active.refresh();
    expect(context.health.trouble?.error).toMatchObject({ code: "ERR_KMS_UNAVAILABLE", message: "KMS did not answer within 30 ms", retryable: true });
  });

  it("fails for a store that is away, and works once it is back", async () => {
    const { active, store, context } = await fresh();
    const read = vi.spyOn(store, "readHead").mockImplementationOnce(away);
    await expect(active.acquire(true)).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    expect(context.health.trouble?.task).toBe("read-store");
    expect(active.refusal).toBeUndefined();
    await active.acquire(true);
    expect([context.health.trouble, read.mock.calls.length]).toEqual([undefined, 2]);
  });

  it("lets go of who leaves, and of nobody else", async () => {
    const { active, store } = await fresh();
    const read = count(store, "readHead");
    const leaving = new AbortController();
    const [first, other] = [active.acquire(true, leaving.signal), active.acquire(true)];
    leaving.abort(new Error("left"));
    await expect(first).rejects.toThrow("left");
    await other;
    expect(read).toHaveBeenCalledTimes(1);
  });

  it("fails as it is for what is no failure of store or KMS", async () => {
    const broken = new TypeError("a bug");
    const { active, told } = await fresh({ decryptionUnder: () => () => Promise.reject(broken) });
    await expect(active.acquire(true)).rejects.toBe(broken);
    expect(told()).toEqual([]);
  });
});

describe("the head is read again", () => {
  it("when it is older than headTtl, and not before", async () => {
    const { active, store, clock } = await fresh();
    await active.acquire(false);
    const read = count(store, "readHead");
    clock.advance(minute - 1);
    for (const background of [true, false]) await active.acquire(background);
    expect(read).toHaveBeenCalledTimes(0);
    clock.advance(1);
    await active.acquire(false);
    await active.acquire(false);
    expect(read).toHaveBeenCalledTimes(1);
  });

  it("and followed to a new pair, which KMS must confirm", async () => {
    const { active, clock, first, told, kms } = await fresh();
    await active.acquire(false);
    const next = await first.rotation.change({});
    clock.advance(minute);
    told();
    kms.journal.clear();
    expect((await active.acquire(false)).pair.digest).toEqual(next.digest);
    expect([told(), kms.journal.count("Decrypt")]).toEqual([["keyPairChanged", "keyPairConfirmed"], 1]);
  });

  it("in the background without being waited for, but after a long pause for confirmTimeout at most", async () => {
    const { active, clock, first, store } = await fresh(impatient);
    const before = await active.acquire(true);
    const next = await first.rotation.change({});
    const genuine = store.readHead.bind(store);
    let answer!: () => void;
    const slow = new Promise<void>((resolve) => (answer = resolve));
    const read = vi.spyOn(store, "readHead").mockImplementation(async (...args) => (await slow, genuine(...args)));
    clock.advance(2 * minute - 1);
    const timers = vi.spyOn(globalThis, "setTimeout");
    const waits = () => timers.mock.calls.filter(([, ms]) => ms === impatient.times.confirmTimeout).length;
    expect((await active.acquire(true)).pair).toBe(before.pair);
    expect(waits()).toBe(0);
    clock.advance(1);
    expect((await active.acquire(true)).pair).toBe(before.pair);
    expect(waits()).toBe(1);
    const leaving = new AbortController();
    const left = active.acquire(true, leaving.signal);
    leaving.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    answer();
    expect((await active.acquire(true)).pair.digest).toEqual(next.digest);
    expect(read).toHaveBeenCalledTimes(1);
  });

  it("and the pair before serves on when the store is away; without background a caller who leaves hears so", async () => {
    const { active, clock, store, context } = await fresh();
    const before = await active.acquire(false);
    vi.spyOn(store, "readHead").mockImplementation(away);
    clock.advance(minute);
    expect(await active.acquire(false)).toBe(before);
    expect([context.health.trouble?.task, active.usesLastKnownKey, active.refusal]).toEqual(["read-store", true, undefined]);
    clock.advance(minute);
    await expect(active.acquire(false, AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });
});

describe("what the store may not say", () => {
  const gone = "the store has no configuration any more; if the store was restored on purpose, call acceptRestoredStore()";

  it("that there is no configuration any more", async () => {
    const { active, clock, store, events } = await fresh();
    const before = await active.acquire(false);
    events.splice(0);
    const read = vi.spyOn(store, "readHead").mockResolvedValue(undefined);
    for (let look = 0; look < 3; look += 1) {
      clock.advance(minute);
      expect((await active.acquire(false)).pair).toBe(before.pair);
    }
    expect(events).toEqual([["keyPairUntrusted", { error: expect.objectContaining({ code: "ERR_STORE_ROLLED_BACK", message: gone }) as unknown }]]);
    expect([active.usesLastKnownKey, active.refusal?.message]).toEqual([true, gone]);
    read.mockRestore();
    clock.advance(minute);
    await active.acquire(false);
    expect([active.usesLastKnownKey, active.refusal]).toEqual([false, undefined]);
  });

  it.each([
    ["an earlier pair", 1, true, "the store's head is at key pair 1, and this host has seen 2"],
    ["another pair of the same place", 2, false, "the store's head is at key pair 2, and this host has seen 2"],
  ])("that %s is the newest", async (_, sequence, genuine, message) => {
    const { active, first, clock, store } = await fresh();
    const next = await first.rotation.change({});
    await active.acquire(false);
    const { keyPairId, digest } = genuine ? { keyPairId: first.pair.birth.keyPairId, digest: first.pair.digest } : { keyPairId: next.birth.keyPairId, digest: Buffer.alloc(32) };
    vi.spyOn(store, "readHead").mockResolvedValue({ revision: "9", document: encodeDocument("head", { organizationId, keyPairId, sequence, digest }) });
    clock.advance(minute);
    expect((await active.acquire(false)).pair.digest).toEqual(next.digest);
    expect(active.refusal).toMatchObject({ code: "ERR_STORE_ROLLED_BACK", message: expect.stringContaining(message) as string });
  });

  it("anything of another organization, and each thing it says is told of once", async () => {
    const { active, first, clock, store, told, events } = await fresh();
    await active.acquire(false);
    told();
    const { keyPairId, sequence } = first.pair.birth;
    const says = (change: Partial<{ organizationId: string; keyPairId: string; sequence: number; digest: Buffer }>) =>
      vi.spyOn(store, "readHead").mockResolvedValue({ revision: "9", document: encodeDocument("head", { organizationId, keyPairId, sequence, digest: first.pair.digest, ...change }) });
    const looks = async () => {
      for (let look = 0; look < 2; look += 1) {
        clock.advance(minute);
        await active.acquire(false);
      }
      return events.splice(0).map(([name, event]) => [name, (event as { error: Error }).error.message]);
    };
    says({ organizationId: "org-2" });
    expect(await looks()).toEqual([["keyPairUntrusted", "the store's head belongs to another organization"]]);
    says({ sequence: 2, digest: Buffer.alloc(32) });
    expect(await looks()).toEqual([["keyPairUntrusted", `key pair ${keyPairId} is not the one that the store's head names`]]);
    says({ sequence: 2 });
    says({ sequence: 2, digest: Buffer.alloc(32), keyPairId: "none" });
    expect(await looks()).toEqual([["keyPairUntrusted", "the store's head names key pair none, which the store does not have"]]);
  });

  it("that a pair with another place in the history is the one", async () => {
    const { active, first, store } = await fresh();
    const { keyPairId } = first.pair.birth;
    vi.spyOn(store, "readHead").mockResolvedValue({ revision: "9", document: encodeDocument("head", { organizationId, keyPairId, sequence: 2, digest: first.pair.digest }) });
    await expect(active.acquire(false)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED", message: `key pair ${keyPairId} is not the one that the store's head names` });
    await expect(active.acquire(true)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  });
});

describe("a head that moves while KMS is away", () => {
  it("leaves the confirmed pair in use; it is followed once KMS answers", async () => {
    const { active, first, clock, kms, context, told } = await fresh();
    const before = await active.acquire(false);
    const next = await first.rotation.change({});
    told();
    kms.faults.outage();
    clock.advance(minute);
    expect(await active.acquire(false)).toBe(before);
    expect([active.refusal, context.health.trouble?.task, told()]).toEqual([undefined, "confirm", ["lastKnownKeyInUse"]]);
    kms.faults.heal();
    clock.advance(minute);
    expect((await active.acquire(false)).pair.digest).toEqual(next.digest);
    expect(active.usesLastKnownKey).toBe(false);
  });

  it("is followed to another unconfirmed pair where none was ever confirmed", async () => {
    const { active, first, clock, kms } = await fresh();
    kms.faults.outage();
    await active.acquire(false);
    kms.faults.heal();
    const next = await first.rotation.change({});
    kms.faults.outage();
    clock.advance(minute);
    expect(await active.acquire(false)).toMatchObject({ confirmation: "unconfirmed", pair: { digest: next.digest } });
  });
});

describe("asking KMS again", () => {
  /** A worker in use, and whether it asks KMS when used after so long. */
  async function used() {
    const parts = await fresh();
    await parts.active.acquire(true);
    const asks = async (after: number) => {
      parts.kms.journal.clear();
      parts.clock.advance(after);
      await parts.active.acquire(true);
      await turns();
      await parts.active.settled();
      return parts.kms.journal.count("Decrypt");
    };
    return { ...parts, asks };
  }

  it.each([
    ["a tenth earlier", 0, 13.5 * minute],
    ["just in time", 1, 15 * minute],
  ])("is due after confirmEvery, or by luck up to a tenth earlier: %s", async (_, luck, due) => {
    vi.spyOn(Math, "random").mockReturnValue(luck);
    const { asks } = await used();
    expect([await asks(due - 1), await asks(1), await asks(1)]).toEqual([0, 1, 0]);
  });

  it("in trouble is due after 30 seconds, and not put off by what another worker found", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { asks, kms, first, active, context } = await used();
    kms.faults.outage();
    expect(await asks(15 * minute)).toBe(1);
    expect(context.health.trouble?.task).toBe("confirm");
    kms.faults.heal();
    await first.active.confirm(); // tells all workers that it is well
    expect([await asks(30 * second - 1), await asks(1)]).toEqual([0, 1]);
    expect(active.usesLastKnownKey).toBe(false);
  });

  it("is spared a worker whose pair another one has had confirmed lately", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { asks, first, clock, active } = await used();
    clock.advance(10 * minute);
    await first.active.confirm();
    expect([await asks(5 * minute), await asks(10 * minute)]).toEqual([0, 0]);
    expect(active.current?.confirmedAt).toBe(clock.now() - 25 * minute);
    expect(await asks(5 * minute)).toBe(1);
    expect(active.current?.confirmedAt).toBe(clock.now());
  });

  it("is not spared a worker that holds the pair unconfirmed", async () => {
    const { active, kms, first, clock } = await fresh();
    kms.faults.outage();
    await active.acquire(true);
    kms.faults.heal();
    await first.active.confirm();
    clock.advance(30 * second);
    await active.acquire(true);
    await turns();
    await active.settled();
    expect(active.current?.confirmation).toBe("confirmed");
  });

  it("is done once for all who ask at once, and by nobody who has left", async () => {
    const { active, kms } = await used();
    kms.journal.clear();
    await Promise.all([active.confirm(), active.confirm(), active.confirm()]);
    expect(kms.journal.count("Decrypt")).toBe(1);
    await expect(active.confirm(AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });

  it("about no pair asks nobody", async () => {
    const { active, kms, told } = await fresh();
    await active.confirm();
    expect([kms.journal.count(), told()]).toEqual([0, []]);
  });

  it("says nothing of a pair that is no more in use when the answer comes", async () => {
    const { active, rotation, kms, told, context } = await used();
    const genuine = context.decryptionUnder;
    told();
    let answer!: () => void;
    const slow = new Promise<void>((resolve) => (answer = resolve));
    const held = vi.fn(genuine).mockImplementationOnce((arn) => async (...args) => (await slow, genuine(arn)(...args)));
    Object.assign(context, { decryptionUnder: held });
    const asking = active.confirm();
    const next = await rotation.change({});
    told();
    kms.faults.outage();
    answer();
    await asking;
    expect([told(), context.health.trouble, active.current?.pair.digest]).toEqual([[], undefined, next.digest]);
  });

  it("tells all workers what came of it, and forgets the private key when KMS refuses it", async () => {
    const { active, kms, keyArn, context, first, store } = await used();
    const { digest } = first.pair;
    const ref = { organizationId, digest };
    const unwrap = vi.fn(async () => ({ publicKey: Buffer.alloc(32), unwrap: () => Buffer.alloc(32) }));
    const opens = async () => {
      await context.custody.open(ref, minute, unwrap);
      return unwrap.mock.calls.length;
    };
    await active.confirm();
    expect(await first.active.shared.read(digest)).not.toHaveProperty("failure");
    expect([await opens(), await opens()]).toEqual([1, 1]);
    const fault = kms.faults.throttling();
    await active.confirm();
    await turns();
    expect((await first.active.shared.read(digest))?.failure).toMatchObject({ kind: "throttled", operation: "Decrypt" });
    expect(await opens()).toBe(1);
    fault.remove();
    kms.disableKey(keyArn);
    await active.confirm();
    await turns();
    expect((await first.active.shared.read(digest))?.failure).toMatchObject({ kind: "key-disabled" });
    expect(await opens()).toBe(2);
    vi.spyOn(store, "writeStatus").mockImplementation(away);
    await active.confirm();
    kms.enableKey(keyArn);
    await active.confirm();
    expect(active.usesLastKnownKey).toBe(false);
  });

  it("about a pair that KMS disowns: one confirmed before serves on, one that nobody vouched for does not", async () => {
    const { active, context, events, kms, worker } = await used();
    events.splice(0);
    const disowned = async () => Buffer.alloc(32);
    const genuine = context.decryptionUnder;
    const before = active.current;
    Object.assign(context, { decryptionUnder: () => disowned });
    await active.confirm();
    const told = expect.objectContaining({ code: "ERR_KEY_PAIR_UNTRUSTED", message: expect.stringContaining("KMS attests another public key than the one stored") as string }) as unknown;
    expect(events.map(([name]) => name)).toEqual(["lastKnownKeyInUse", "keyPairUntrusted"]);
    expect(events[1]?.[1]).toEqual({ error: told });
    expect([active.current, active.refusal]).toEqual([before, undefined]);
    Object.assign(context, { decryptionUnder: genuine });

    kms.faults.outage();
    const other = worker();
    await other.active.acquire(false);
    kms.faults.heal();
    Object.assign(other.context, { decryptionUnder: () => disowned });
    await other.active.confirm();
    expect([other.active.current, other.active.refusal]).toEqual([undefined, told]);
    expect(other.told()).toEqual(["lastKnownKeyInUse", "keyPairUnconfirmed", "keyPairUntrusted"]);
    await expect(other.active.acquire(false)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  });
});

describe("upkeep", () => {
  it("is due at once, then with the schedule of what was found", async () => {
    const { worker, clock, kms, configured } = world();
    const { active } = worker();
    expect([active.confirmIn, active.isQuiet]).toEqual([0, true]);
    await active.acquire(true).catch(() => undefined);
    clock.advance(minute);
    expect(active.confirmIn).toBe(14 * minute);
    await configured();
    kms.faults.outage();
    await active.acquire(false);
    expect([active.confirmIn, active.isQuiet]).toEqual([30 * second, false]);
    clock.advance(10 * second);
    expect(active.confirmIn).toBe(20 * second);
    kms.faults.heal();
    await active.confirm();
    expect([active.confirmIn, active.isQuiet]).toEqual([15 * minute, true]);
    kms.faults.outage();
    await active.confirm();
    expect(active.confirmIn).toBe(30 * second);
  });

  it("in trouble is not rarer than without", async () => {
    const { configured, kms } = world();
    const { active } = await configured({ times: { ...times, confirmEvery: 10 * second } });
    expect(active.confirmIn).toBe(10 * second);
    kms.faults.outage();
    await active.confirm();
    expect(active.confirmIn).toBe(10 * second);
  });

  it("is not over while something is under way, or a pair is refused", async () => {
    const { active, store, clock } = await fresh();
    const reading = active.refresh();
    expect(active.isQuiet).toBe(false);
    await reading;
    expect(active.isQuiet).toBe(true);
    const asking = active.confirm();
    expect(active.isQuiet).toBe(false);
    await asking;
    expect(active.isQuiet).toBe(true);
    clock.advance(15 * minute);
    await active.acquire(true);
    expect(active.isQuiet).toBe(false);
    await active.settled();
    expect(active.isQuiet).toBe(true);
    vi.spyOn(store, "readHead").mockResolvedValue(undefined);
    await active.refresh();
    expect(active.isQuiet).toBe(false);
  });
});

describe("a restart of this host", () => {
  it("brings back what was confirmed, has KMS asked once about it, and serves while store and KMS are away", async () => {
    const { first, worker, kms, store, clock } = await fresh();
    clock.advance(minute);
    const restarted = () => worker({ lastConfirmed: first.lastConfirmed });
    const one = restarted();
    await one.active.acquire(false);
    expect([kms.journal.count("Decrypt"), one.told()]).toEqual([1, ["keyPairConfirmed"]]);
    clock.advance(minute);
    await one.active.acquire(false);
    expect(kms.journal.count("Decrypt")).toBe(1);
    const confirmedAt = clock.now() - minute;
    kms.faults.outage();
    vi.spyOn(store, "readHead").mockImplementation(away);
    const two = restarted();
    expect(await two.active.acquire(false)).toMatchObject({ confirmation: "confirmed", confirmedAt, pair: { digest: first.pair.digest } });
    expect(two.context.health.trouble?.task).toBe("read-store");
  });

  it("asks nobody when this very process had the pair confirmed", async () => {
    const { clock, worker, configured, kms } = world();
    const memory = new ConfirmedMemory(clock);
    await configured({ lastConfirmed: memory.before(undefined) });
    clock.advance(5 * minute);
    kms.journal.clear();
    const { active } = worker({ lastConfirmed: memory.before(undefined) });
    await active.acquire(true);
    await active.settled();
    expect([kms.journal.count(), active.confirmIn, active.current?.confirmation]).toEqual([0, 10 * minute, "confirmed"]);
  });

  it("does not take a pair further back than was confirmed", async () => {
    const { first, worker, store } = await fresh();
    const old = await store.readHead(organizationId);
    await first.rotation.change({});
    vi.spyOn(store, "readHead").mockResolvedValue(old);
    const { active } = worker({ lastConfirmed: first.lastConfirmed });
    expect((await active.acquire(false)).pair.birth.sequence).toBe(2);
    expect(active.refusal).toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
  });
});

describe("a store restored on purpose", () => {
  it("is taken, with a pair that KMS vouches for", async () => {
    const { first, active, store, told } = await fresh();
    const old = await store.readHead(organizationId);
    await first.rotation.change({});
    await active.acquire(false);
    vi.spyOn(store, "readHead").mockResolvedValue(old);
    await active.refresh();
    told();
    await active.acceptRestored();
    expect([active.current?.pair.birth.sequence, active.refusal, told()]).toEqual([1, undefined, ["keyPairChanged", "keyPairConfirmed"]]);
  });

  it("that can't be read changes nothing: neither the pair in use nor how far back a head may be", async () => {
    const { first, active, store } = await fresh();
    const old = await store.readHead(organizationId);
    await first.rotation.change({});
    const before = await active.acquire(false);
    const read = vi.spyOn(store, "readHead").mockImplementation(away);
    await expect(active.acceptRestored()).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    expect(active.current).toBe(before);
    read.mockResolvedValue(old);
    await active.refresh();
    expect(active.refusal).toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    expect(active.current).toBe(before);
  });

  it("is taken by a host that knew the newer pair only from its earlier life", async () => {
    const { first, worker, store } = await fresh();
    const old = await store.readHead(organizationId);
    await first.rotation.change({});
    vi.spyOn(store, "readHead").mockResolvedValue(old);
    const { active } = worker({ lastConfirmed: first.lastConfirmed });
    await active.acceptRestored();
    expect(active.current?.pair.birth.sequence).toBe(1);
  });

  it("that names no pair at all leaves a host that has none without", async () => {
    const { worker } = world();
    const { active } = worker();
    await expect(active.acceptRestored()).rejects.toMatchObject({ code: "ERR_NOT_CONFIGURED" });
    expect(active.current).toBeUndefined();
  });
});

describe("trust on first use", () => {
  it("is given to the alias of the first pair that is used, confirmed or not, and not to one that KMS disowns", async () => {
    const trust = () => new KeyTrust(undefined);
    const confirmed = await fresh({ trust: trust() });
    await confirmed.active.acquire(false);
    expect(confirmed.context.trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn });
    const unconfirmed = await fresh({ trust: trust() });
    unconfirmed.kms.faults.outage();
    await unconfirmed.active.acquire(false);
    expect(unconfirmed.context.trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn });
    const disowned = await fresh({ trust: trust(), decryptionUnder: () => async () => Buffer.alloc(32) });
    await expect(disowned.active.acquire(false)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect(disowned.context.trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn: undefined });
  });
});

it("a slow answer about an earlier pair does not undo a change", async () => {
  const { first, active } = await fresh();
  const next = await first.rotation.change({});
  await active.acquire(false);
  await active.adoptConfirmed(first.pair);
  expect(active.current?.pair.digest).toEqual(next.digest);
  await active.adoptConfirmed(next);
  expect(active.current?.pair.digest).toEqual(next.digest);
});

it("how the active pair fares with KMS is told of that pair alone", async () => {
  const { first, active, context, clock } = await fresh();
  await active.acquire(false);
  expect(context.health.activeDigest).toEqual(first.pair.digest);
  clock.advance(2 * day);
  const error = new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", "away");
  context.health.failed("rotate", error);
  await active.confirm();
  expect(context.health.trouble?.task).toBe("rotate"); // still due
});
