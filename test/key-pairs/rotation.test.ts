import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { KeyPairStore } from "../../src/index.js";
import { readHead, readHeadPair } from "../../src/key-pairs/head.js";
import { KeyTrust } from "../../src/key-pairs/key-trust.js";
import { nextKeyChange } from "../../src/key-pairs/schedule.js";
import { TrustAnchor } from "../../src/kms/trust-anchor.js";
import { overridden } from "../support/setup.js";
import { accountId, configuration, day, homeRegion, kmsKeyAliasArn, minute, organizationId, turns, world } from "./world.js";

const away = () => Promise.reject(new Error("no route to store"));
const hour = 60 * minute;

describe("the records of a new pair", () => {
  it("chain it to the one before; a change keeps the schedule's anchor, a configuration begins a new one", async () => {
    const { clock, configured } = world();
    const start = clock.now();
    const { rotation, pair: first } = await configured();
    expect(first.birth).toMatchObject({ organizationId, sequence: 1, spec: "X25519", createdAt: start, scheduleAnchor: start, kmsKeyAliasArn, periodicKeyChange: "daily", purpose: "key-pair" });
    expect(first.birth).not.toHaveProperty("previousDigest");
    clock.advance(hour);
    const second = await rotation.change({});
    expect(second.birth).toMatchObject({ sequence: 2, createdAt: start + hour, scheduleAnchor: start, previousDigest: first.digest, periodicKeyChange: "daily" });
    clock.advance(hour);
    const third = await rotation.change({ configuration: { ...configuration, periodicKeyChange: "never", contextKeyName: "org" } });
    expect(third.birth).toMatchObject({ sequence: 3, scheduleAnchor: start + 2 * hour, previousDigest: second.digest, periodicKeyChange: "never", contextKeyName: "org" });
    expect((await rotation.change({})).birth).toMatchObject({ sequence: 4, periodicKeyChange: "never", contextKeyName: "org" });
  });

  it("are written once KMS has opened them: the pair, then the head, and nothing else", async () => {
    const { store, worker, keyArn, kms } = world();
    const written: string[] = [];
    const watching = overridden(store, {
      createKeyPair: (...args) => (written.push("pair"), store.createKeyPair(...args)),
      swapHead: (...args) => (written.push("head"), store.swapHead(...args)),
      writeStatus: (...args) => (written.push("status"), store.writeStatus(...args)),
    });
    const { rotation, active, told } = worker({ store: watching });
    const pair = await rotation.change({ configuration });
    expect(written).toEqual(["pair", "head"]);
    expect(kms.journal.calls().map(({ operation }) => operation)).toEqual(["Encrypt", "Encrypt", "Decrypt"]);
    expect([pair.wrapping.kmsKeyArn, pair.attestation.kmsKeyArn]).toEqual([keyArn, keyArn]);
    expect(active.current).toMatchObject({ pair, confirmation: "confirmed" });
    expect(told()).toEqual(["keyPairChanged", "keyPairConfirmed"]);
  });

  it("without a configuration are none", async () => {
    const { worker, kms } = world();
    const { rotation, told, context } = worker();
    await expect(rotation.change({})).rejects.toMatchObject({ code: "ERR_NOT_CONFIGURED", message: "no KMS key is configured for this organization: call configure() first" });
    expect([kms.journal.count(), told(), context.health.trouble]).toEqual([0, ["keyChangeFailed"], undefined]);
  });
});

describe("a due change", () => {
  afterEach(() => void vi.restoreAllMocks());

  it("is left for a while to whoever is quicker, by each worker for another while", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const { clock, configured } = world();
    const { rotation, pair } = await configured();
    const due = nextKeyChange(pair.birth)!;
    clock.set(due + 4_999);
    expect([rotation.isDue(), rotation.isDue(5_000), rotation.changeIn]).toEqual([true, false, 1]);
    rotation.startWhenDue();
    expect(rotation.isRunning).toBe(false);
    clock.advance(1);
    expect([rotation.isDue(5_000), rotation.changeIn]).toEqual([true, 0]);
    rotation.startWhenDue();
    expect(rotation.isRunning).toBe(true);
    await rotation.settled();
  });

  it("falls due at its slot and not before; what never changes is never due", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const { clock, configured, worker } = world();
    const idle = worker();
    expect([idle.rotation.isDue(), idle.rotation.changeIn]).toEqual([false, Infinity]);
    const { rotation, pair } = await configured();
    const due = nextKeyChange(pair.birth)!;
    expect(rotation.changeIn).toBe(due - clock.now());
    clock.set(due - 1);
    expect([rotation.isDue(), rotation.changeIn]).toEqual([false, 1]);
    clock.set(due);
    expect([rotation.isDue(), rotation.changeIn]).toEqual([true, 0]);
    await rotation.change({ configuration: { ...configuration, periodicKeyChange: "never" } });
    clock.advance(1_000 * day);
    expect([rotation.isDue(), rotation.changeIn]).toEqual([false, Infinity]);
  });

  it("is started in the background once, and what the store says meanwhile is waited for by those who ask", async () => {
    const { clock, configured, store, kms } = world();
    const { rotation, active } = await configured();
    rotation.startWhenDue();
    expect(rotation.isRunning).toBe(false);
    clock.advance(2 * day);
    kms.journal.clear();
    rotation.startWhenDue();
    rotation.startWhenDue();
    expect(rotation.isRunning).toBe(true);
    await rotation.settled();
    expect(rotation.isRunning).toBe(false);
    expect([active.current?.pair.birth.sequence, kms.journal.count("Encrypt")]).toEqual([2, 2]);
    expect(await store.listKeyPairs(organizationId, { limit: 9 })).toHaveLength(2);
  });

  it("that fails is tried again after pauses that grow from a minute to an hour; a success ends them", async () => {
    const { clock, configured, kms } = world();
    const { rotation, events } = await configured();
    clock.advance(2 * day);
    kms.faults.accessDenied({ operation: "Encrypt" });
    const pauses: number[] = [];
    for (let failure = 0; failure < 9; failure += 1) {
      rotation.startWhenDue();
      await rotation.settled();
      expect(events.splice(0)).toContainEqual(["keyChangeFailed", { error: expect.objectContaining({ kind: "access-denied" }) as unknown }]);
      const pause = rotation.changeIn;
      pauses.push(pause / minute);
      clock.advance(pause - 1);
      rotation.startWhenDue();
      expect(rotation.isRunning).toBe(false);
      clock.advance(1);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    kms.faults.heal();
    rotation.startWhenDue();
    await rotation.settled();
    kms.faults.accessDenied({ operation: "Encrypt" });
    clock.advance(2 * day);
    rotation.startWhenDue();
    await rotation.settled();
    expect(rotation.changeIn).toBe(minute);
  });

  it("is content with what another worker has made meanwhile, and asks KMS for nothing new", async () => {
    const { clock, configured, worker, kms } = world();
    const { rotation } = await configured();
    const other = worker();
    await other.active.refresh();
    clock.advance(2 * day);
    const made = await other.rotation.change({ takeAnyWinner: true });
    kms.journal.clear();
    expect((await rotation.change({ takeAnyWinner: true })).digest).toEqual(made.digest);
    expect(kms.journal.count("Encrypt")).toBe(0);
  });

  it("is made when what another worker has made is due again too", async () => {
    const { clock, configured, worker } = world();
    const { rotation } = await configured();
    const other = worker();
    clock.advance(2 * day);
    await other.rotation.change({});
    clock.advance(2 * day);
    expect((await rotation.change({ takeAnyWinner: true })).birth.sequence).toBe(3);
  });
});

describe("a change that fails", () => {
  it("for KMS is trouble, on demand too, and no trouble while there is no pair to go on with", async () => {
    const { kms, worker, configured } = world();
    kms.faults.outage();
    const first = worker();
    await expect(first.rotation.change({ configuration })).rejects.toMatchObject({ kind: "unreachable" });
    expect([first.told(), first.context.health.trouble]).toEqual([["keyChangeFailed"], undefined]);
    kms.faults.heal();
    const { rotation, context, told } = await configured();
    kms.faults.outage();
    await expect(rotation.change({})).rejects.toMatchObject({ kind: "unreachable" });
    expect([told(), context.health.trouble?.task]).toEqual([["keyChangeFailed", "lastKnownKeyInUse"], "rotate"]);
    kms.faults.heal();
    await rotation.change({});
    expect(context.health.trouble).toBeUndefined();
  });

  it("for the store is trouble only when it was due", async () => {
    const { clock, store, configured } = world();
    const { rotation, context } = await configured();
    const swapHead = store.swapHead.bind(store);
    store.swapHead = away;
    await expect(rotation.change({})).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    expect(context.health.trouble).toBeUndefined();
    clock.advance(2 * day);
    await expect(rotation.change({ takeAnyWinner: true })).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    expect(context.health.trouble).toMatchObject({ task: "rotate", error: { code: "ERR_STORE_UNAVAILABLE" } });
    store.swapHead = swapHead;
    await rotation.change({ takeAnyWinner: true });
    expect(context.health.trouble).toBeUndefined();
  });

  it("because its caller left is no failure: no event, no pause, no trouble", async () => {
    const { clock, configured } = world();
    const { rotation, context, told } = await configured();
    clock.advance(2 * day);
    const left = new Error("left");
    await expect(rotation.change({ signal: AbortSignal.abort(left) })).rejects.toBe(left);
    expect([told(), context.health.trouble]).toEqual([[], undefined]);
    expect(rotation.changeIn).toBeLessThan(0);
  });

  it("because KMS opens another private key than it was given is not trusted, and leaves nothing in the store", async () => {
    const { store, worker, kms } = world();
    const { rotation, active } = worker({ decryptionUnder: () => async () => randomBytes(32) });
    await expect(rotation.change({ configuration })).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED", message: "KMS unwrapped another private key than the one it was given" });
    expect([await store.listKeyPairs(organizationId, { limit: 9 }), active.current, kms.journal.count("Encrypt")]).toEqual([[], undefined, 2]);
  });
});

describe("a caller who may leave", () => {
  it("is heard by every call to store and KMS but the swap, which is never left half known", async () => {
    const { store, worker, provider } = world();
    const heard: [name: string, signal: unknown][] = [];
    const listening = <T extends object>(target: T, names: readonly (keyof T & string)[]) =>
      new Proxy(target, {
        get: (_, name) => {
          const value = Reflect.get(target, name) as unknown;
          if (typeof value !== "function") return value;
          return (...args: unknown[]) => {
            if (names.includes(name as never)) heard.push([name as string, (args.at(-1) as { signal?: AbortSignal } | undefined)?.signal]);
            return (value as (...args: unknown[]) => unknown).apply(target, args);
          };
        },
      });
    const { rotation } = worker({
      store: listening<KeyPairStore>(store, ["readHead", "readKeyPair", "createKeyPair", "swapHead"]),
      kms: listening(provider, ["encrypt", "decrypt"]),
    });
    await rotation.change({ configuration });
    heard.splice(0);
    const { signal } = new AbortController();
    await rotation.change({ signal });
    const calls = ["readHead", "readKeyPair", "encrypt", "encrypt", "decrypt", "createKeyPair"].map((name) => [name, signal]);
    expect(heard).toEqual([...calls, ["swapHead", undefined]]);
  });
});

describe("losing against another worker", () => {
  /** A store in which somebody else is quicker: `before` runs once before a swap. */
  function race(store: KeyPairStore, before: () => Promise<unknown>, times = 1) {
    let left = times;
    return overridden(store, {
      swapHead: async (...args) => {
        if (left > 0) {
          left -= 1;
          await before();
        }
        return store.swapHead(...args);
      },
    });
  }

  it("a change on demand takes the winner's pair if it is under the key to which the alias resolves now", async () => {
    const { store, configured, worker } = world();
    await configured();
    const other = worker();
    const loser = worker({ store: race(store, () => other.rotation.change({})) });
    const taken = await loser.rotation.change({});
    expect(taken.digest).toEqual(other.active.current?.pair.digest);
    expect(taken.birth.sequence).toBe(2);
    expect(loser.active.current?.pair.digest).toEqual(taken.digest);
  });

  it("and makes its own behind it if not", async () => {
    const { store, configured, worker, kms, keyArn } = world();
    await configured();
    const other = worker();
    const newKey = kms.createKey({ region: homeRegion });
    const loser = worker({
      store: race(store, async () => {
        kms.pointAlias(kmsKeyAliasArn, keyArn); // the other's pair was made before the alias was moved
        await other.rotation.change({});
        kms.pointAlias(kmsKeyAliasArn, newKey);
      }),
    });
    kms.pointAlias(kmsKeyAliasArn, newKey);
    const made = await loser.rotation.change({});
    expect([made.birth.sequence, made.wrapping.kmsKeyArn]).toEqual([3, newKey]);
  });

  it("a scheduled change takes any winner's", async () => {
    const { store, configured, worker, kms, clock } = world();
    await configured();
    const other = worker();
    const otherAlias = kms.createAlias("alias/other", kms.createKey({ region: homeRegion }));
    const loser = worker({ store: race(store, () => other.rotation.change({ configuration: { ...configuration, kmsKeyAliasArn: otherAlias } })) });
    await loser.active.refresh();
    clock.advance(2 * day);
    expect((await loser.rotation.change({ takeAnyWinner: true })).birth).toMatchObject({ sequence: 2, kmsKeyAliasArn: otherAlias });
  });

  it("configure() tries again until its settings are the organization's", async () => {
    const { store, configured, worker } = world();
    await configured();
    const other = worker();
    const loser = worker({ store: race(store, () => other.rotation.change({}), 3) });
    const made = await loser.rotation.change({ configuration: { ...configuration, periodicKeyChange: "yearly" } });
    expect(made.birth).toMatchObject({ sequence: 5, periodicKeyChange: "yearly" });
  });

  it("gives up after eight times, and may be tried again", async () => {
    const { store, configured, worker } = world();
    await configured();
    const other = worker();
    const loser = worker({ store: race(store, () => other.rotation.change({}), 8) });
    await expect(loser.rotation.change({ configuration })).rejects.toMatchObject({
      code: "ERR_STORE_CONFLICT",
      retryable: true,
      message: "other workers changed the key 8 times in a row while this one tried",
    });
    expect((await loser.rotation.change({ configuration })).birth.sequence).toBe(10);
  });

  it("is not taken from a winner that the anchor does not cover", async () => {
    const { store, configured, worker, kms } = world();
    await configured();
    const foreign = "444455556666";
    const policy = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:*", Resource: "*" }] };
    const elsewhere = kms.createKey({ accountId: foreign, region: homeRegion, policy, alias: "alias/elsewhere" }).replace(/key\/.*/, "alias/elsewhere");
    const other = worker({ trust: new KeyTrust(new TrustAnchor([accountId, foreign])) });
    const loser = worker({ store: race(store, () => other.rotation.change({ configuration: { ...configuration, kmsKeyAliasArn: elsewhere } })) });
    await expect(loser.rotation.change({})).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED", message: expect.stringContaining(elsewhere) as string });
    // Nor is it built upon, but for an administrator who names a key that is.
    await expect(loser.rotation.change({})).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect((await loser.rotation.change({ configuration })).birth).toMatchObject({ sequence: 3, kmsKeyAliasArn });
  });
});

describe("an answer of the store that got lost", () => {
  it("counts as done when the head has moved to the pair", async () => {
    const { store, configured, worker } = world();
    await configured();
    const lossy = overridden(store, { swapHead: async (...args) => (await store.swapHead(...args), away()) });
    expect((await worker({ store: lossy }).rotation.change({})).birth.sequence).toBe(2);
    const forgetful = overridden(store, { swapHead: async (...args) => (await store.swapHead(...args), undefined) });
    expect((await worker({ store: forgetful }).rotation.change({})).birth.sequence).toBe(3);
  });

  it.each([
    ["the head has not moved", (store: KeyPairStore) => store.readHead.bind(store)],
    ["nobody can tell", () => away],
    ["the head is gone", () => () => Promise.resolve(undefined)],
  ])("is a failure when %s", async (_, read) => {
    const { store, configured, worker } = world();
    await configured();
    const broken = overridden(store, {
      swapHead: () => {
        reading = read(store);
        return away();
      },
      readHead: (...args) => reading(...args),
    });
    let reading: KeyPairStore["readHead"] = store.readHead.bind(store);
    await expect(worker({ store: broken }).rotation.change({})).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE", message: "the key pair store failed", retryable: true });
  });

  it("is corruption when the store refuses to swap what it then does not have", async () => {
    const { store, worker } = world();
    const odd = overridden(store, { swapHead: () => Promise.resolve(undefined) });
    await expect(worker({ store: odd }).rotation.change({ configuration })).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT", message: "the store refused to swap a head that it does not have" });
  });
});

describe("trust on first use", () => {
  it("moves to the alias that configure() names once the head has moved, and to none by a change", async () => {
    const { worker, kms, store } = world();
    const trust = new KeyTrust(undefined);
    const { rotation, context } = worker({ trust });
    await rotation.change({ configuration });
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn });
    const foreign = "444455556666";
    const policy = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:*", Resource: "*" }] };
    const elsewhere = kms.createKey({ accountId: foreign, region: homeRegion, policy, alias: "alias/elsewhere" }).replace(/key\/.*/, "alias/elsewhere");
    await rotation.change({ configuration: { ...configuration, kmsKeyAliasArn: elsewhere } });
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn: elsewhere });
    await rotation.change({});
    const head = await readHead(context);
    expect((await readHeadPair(context, head!)).birth).toMatchObject({ sequence: 3, kmsKeyAliasArn: elsewhere });
    expect(await store.listKeyPairs(organizationId, { limit: 9 })).toHaveLength(3);
  });
});

it("a head that went backwards is not built upon", async () => {
  const { store, configured, kms } = world();
  const { rotation } = await configured();
  const old = await store.readHead(organizationId);
  await rotation.change({});
  await rotation.change({});
  store.readHead = () => Promise.resolve(old);
  kms.journal.clear();
  await expect(rotation.change({})).rejects.toMatchObject({
    code: "ERR_STORE_ROLLED_BACK",
    message: "the store's head is at key pair 1, and this host has seen 3; if the store was restored on purpose, call acceptRestoredStore()",
  });
  await expect(rotation.change({ configuration })).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
  expect(kms.journal.count()).toBe(0);
});

it("nothing of a change is left running", async () => {
  const { clock, configured, store } = world();
  const { rotation } = await configured();
  clock.advance(2 * day);
  const read = vi.spyOn(store, "readHead").mockImplementation(away);
  rotation.startWhenDue();
  await turns();
  expect([rotation.isRunning, read.mock.calls.length]).toEqual([false, 1]);
});
