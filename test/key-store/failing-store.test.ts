import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { KeyPairStore } from "../../src/index.js";
import type { LastConfirmedStore } from "../../src/stores/index.js";
import { MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { configured, kmsKeyAliasArn, overridden } from "../support/setup.js";
import { atLength } from "../support/effort.js";
import { storeMethods } from "../support/store-methods.js";

const audio = randomBytes(1_000);
const recording = { recordingId: "r" };
const storeTimeout = 20;
const minute = 60_000;

type Method = (typeof storeMethods)[number] | "headChanges";

/** How other people's code can fail. */
const failures: { name: string; fail: () => Promise<never> }[] = [
  { name: "hangs", fail: () => new Promise(() => undefined) },
  { name: "rejects", fail: () => Promise.reject(new Error("no route to store")) },
  {
    name: "throws at once, and no error",
    fail: () => {
      throw "no route to store";
    },
  },
  { name: "gives nonsense", fail: () => Promise.resolve({ surprise: 7 } as never) },
];
/** What hangs is what is bounded by time; the others take the way of a rejection. */
const tried = atLength(failures, [failures[0]!, failures[3]!]);
const cases = storeMethods.flatMap((method) => tried.map(({ name, fail }) => ({ method, name, fail })));
const hang = failures[0]!.fail;

/** Has one of the store's storeMethods fail, for all who share it; gives the way back. */
function breakStore(store: KeyPairStore, method: Method, fail: () => Promise<never>): () => void {
  const whole = store[method];
  Object.assign(store, { [method]: fail });
  return () => void Object.assign(store, { [method]: whole });
}

/** Lets what was begun in the background come to its end. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 3 * storeTimeout));

describe("encryption goes on", () => {
  it.each(cases)("in a process that knows the key, where $method $name", async ({ method, fail }) => {
    const { keyStore, store, clock } = await configured({ storeTimeout });
    const { keyPairId } = await keyStore.encryptRecording(audio, recording);
    const mend = breakStore(store, method, fail);
    for (const pause of [0, 61_000, 16 * minute]) {
      clock.advance(pause);
      expect(await keyStore.encryptRecording(audio, recording)).toMatchObject({ keyPairId, confirmation: "confirmed" });
      await settle();
    }
    const during = await keyStore.encryptRecording(audio, recording);
    expect(during).toMatchObject({ usedLastKnownKey: method === "readHead" });
    mend();
    clock.advance(61_000);
    await keyStore.encryptRecording(audio, recording);
    await settle();
    const after = await keyStore.encryptRecording(audio, recording);
    expect(after).toMatchObject({ keyPairId, usedLastKnownKey: false });
    expect(await keyStore.rotate()).toMatchObject({ sequence: 2 });
  });

  it.each(cases)("on a host that has restarted, where $method $name", async ({ method, fail }) => {
    const lastConfirmed = new MemoryLastConfirmedStore();
    const { keyStore, keyStoreWith, store } = await configured({ storeTimeout, lastConfirmed });
    const { keyPairId } = await keyStore.encryptRecording(audio, recording);
    const mend = breakStore(store, method, fail);
    const restarted = keyStoreWith();
    const during = await restarted.encryptRecording(audio, recording);
    expect(during).toMatchObject({ keyPairId, confirmation: "confirmed", usedLastKnownKey: method === "readHead" });
    expect(await restarted.status()).toMatchObject({ configured: true, activeKeyPair: { keyPairId } });
    mend();
    expect(await restarted.rotate()).toMatchObject({ sequence: 2 });
  });

  it("while store and KMS hang at once", async () => {
    const lastConfirmed = new MemoryLastConfirmedStore();
    const { keyStore, keyStoreWith, store, kms, clock } = await configured({ storeTimeout, lastConfirmed });
    for (const method of [...storeMethods, "headChanges"] as const) breakStore(store, method, hang);
    kms.faults.hang();
    clock.advance(16 * minute);
    for (const worker of [keyStore, keyStoreWith()]) {
      const result = await worker.encryptRecording(audio, recording);
      expect(result).toMatchObject({ confirmation: "confirmed", usedLastKnownKey: true });
      await worker.close();
    }
  });
});

describe("a store that hangs counts as away", () => {
  const away = { code: "ERR_STORE_UNAVAILABLE", retryable: true };

  it.each(["readHead", "readKeyPair"] as const)("for a host that needs it to know the key: %s", async (method) => {
    const { keyStoreWith, store } = await configured({ storeTimeout });
    const mend = breakStore(store, method, hang);
    const fresh = keyStoreWith();
    await expect(fresh.encryptRecording(audio, recording)).rejects.toMatchObject(away);
    mend();
    expect(await fresh.encryptRecording(audio, recording)).toMatchObject({ confirmation: "confirmed" });
  });

  it("for a recording whose pair it holds", async () => {
    const { keyStore, keyStoreWith, store } = await configured({ storeTimeout });
    const { body } = await keyStore.encryptRecording(audio, recording);
    const mend = breakStore(store, "readKeyPair", hang);
    const fresh = keyStoreWith();
    await expect(fresh.decryptRecording(body, recording)).rejects.toMatchObject(away);
    mend();
    expect(audio.equals((await fresh.decryptRecording(body, recording)).body)).toBe(true);
  });

  it.each<[Method, "keyPairs" | "rewrapKeyPairs" | "removeOrphanedKeyPairs"]>([
    ["listKeyPairs", "keyPairs"],
    ["listKeyPairs", "rewrapKeyPairs"],
    ["listKeyPairs", "removeOrphanedKeyPairs"],
    ["readHead", "rewrapKeyPairs"],
    ["readHead", "removeOrphanedKeyPairs"],
  ])("for an administrator: %s in %s()", async (method, call) => {
    const { keyStore, store } = await configured({ storeTimeout });
    const mend = breakStore(store, method, hang);
    await expect(keyStore[call]()).rejects.toMatchObject(away);
    mend();
    await expect(keyStore[call]()).resolves.toBeDefined();
  });

  it("for status(), which tells so instead of failing", async () => {
    const { keyStoreWith, store } = await configured({ storeTimeout });
    for (const method of [...storeMethods, "headChanges"] as const) breakStore(store, method, hang);
    expect(await keyStoreWith().status()).toMatchObject({ configured: false, storeError: away });
  });

  it("to a caller who leaves sooner", async () => {
    const { keyStoreWith, store } = await configured();
    breakStore(store, "readHead", hang);
    const reason = new Error("left");
    const leaving = new AbortController();
    const encrypting = keyStoreWith().encryptRecording(audio, { ...recording, signal: leaving.signal });
    leaving.abort(reason);
    await expect(encrypting).rejects.toBe(reason);
  });
});

describe("a change of key that the store fails", () => {
  const changes = cases.filter(({ method }) => ["readHead", "createKeyPair", "swapHead"].includes(method));

  it.each(changes)("leaves the pair before in use, for every worker, where $method $name", async ({ method, fail }) => {
    const { keyStore, keyStoreWith, store } = await configured({ storeTimeout, background: false });
    const { keyPairId } = await keyStore.encryptRecording(audio, recording);
    const mend = breakStore(store, method, fail);
    const failed = { code: expect.stringMatching(/^ERR_STORE_(UNAVAILABLE|CORRUPT)$/) };
    await expect(keyStore.rotate()).rejects.toMatchObject(failed);
    await expect(keyStore.configure({ kmsKeyAliasArn })).rejects.toMatchObject(failed);
    mend();
    for (const worker of [keyStore, keyStoreWith()]) {
      expect(await worker.encryptRecording(audio, recording)).toMatchObject({ keyPairId });
    }
    expect(await keyStore.rotate()).toMatchObject({ sequence: 2 });
  });
});

describe("what a store does too late", () => {
  /** A store whose method does its work when it is told to, and hears no signal. */
  function late(store: KeyPairStore, method: "createKeyPair" | "swapHead") {
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    let done: Promise<unknown> = Promise.resolve();
    const original = store[method].bind(store) as (...args: unknown[]) => Promise<unknown>;
    const slow = (...args: unknown[]) => (done = begun.then(() => original(...args.slice(0, -1))));
    const finish = async () => {
      begin();
      await done;
    };
    return { slowStore: overridden(store, { [method]: slow }), finish };
  }

  it("makes a pair active after all, for every worker", async () => {
    const { keyStore, keyStoreWith, store, clock } = await configured({ storeTimeout, background: false });
    const { slowStore, finish } = late(store, "swapHead");
    const slow = keyStoreWith({ store: slowStore });
    await expect(slow.rotate()).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    await finish();
    clock.advance(61_000);
    const { keyPairId } = await keyStore.encryptRecording(audio, recording);
    expect(await slow.encryptRecording(audio, recording)).toMatchObject({ keyPairId, confirmation: "confirmed" });
    expect((await keyStore.keyPairs()).items).toMatchObject([
      { keyPairId, sequence: 2, active: true },
      { sequence: 1 },
    ]);
  });

  it("leaves an orphan, and a change of key that works the next time", async () => {
    const { keyStore, keyStoreWith, store } = await configured({ storeTimeout, background: false });
    const { slowStore, finish } = late(store, "createKeyPair");
    await expect(keyStoreWith({ store: slowStore }).rotate()).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    await finish();
    const { keyPairId } = await keyStore.rotate();
    expect((await keyStore.keyPairs()).items.map(({ sequence }) => sequence)).toEqual([2, 1]);
    expect(await keyStore.removeOrphanedKeyPairs({ dryRun: true })).toMatchObject({
      removed: [],
      kept: [{ sequence: 2 }],
    });
    expect(await keyStore.encryptRecording(audio, recording)).toMatchObject({ keyPairId });
  });
});

describe("a host's own memory that fails", () => {
  const memories = (["load", "save"] as const).flatMap((method) =>
    failures.map(({ name, fail }) => ({ method, name, fail })),
  );

  it.each(memories)("stops neither configuration nor encryption where $method $name", async ({ method, fail }) => {
    const memory = new MemoryLastConfirmedStore();
    const lastConfirmed: LastConfirmedStore = {
      load: (id) => memory.load(id),
      save: (id, document) => memory.save(id, document),
      [method]: fail,
    };
    const { keyStoreWith } = await configured({ storeTimeout, lastConfirmed });
    expect(await keyStoreWith().encryptRecording(audio, recording)).toMatchObject({
      confirmation: "confirmed",
      usedLastKnownKey: false,
    });
  });
});

describe("storeTimeout", () => {
  it.each([9, 600_001, "5000", NaN, null])("of %j is refused by name", async (wrong) => {
    const { keyStoreWith } = await configured();
    const make = () => keyStoreWith({ storeTimeout: wrong as number });
    expect(make).toThrow(expect.objectContaining({ code: "ERR_INVALID_INPUT", field: "storeTimeout" }));
  });
});
