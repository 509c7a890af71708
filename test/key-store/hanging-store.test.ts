import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { atLength } from "../support/effort.js";
import { configured, overridden } from "../support/setup.js";

const audio = randomBytes(100);
const minute = 60_000;
const recordings = atLength(2_000, 400);

/** A worker whose store stops to answer when told, and answers everything once it is freed. */
async function hanging() {
  const parts = await configured();
  const { store, keyStoreWith, clock } = parts;
  let waiting: (() => void)[] | undefined;
  const held =
    <A extends unknown[], T>(call: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      if (waiting) await new Promise<void>((resolve) => waiting!.push(resolve));
      return call(...args);
    };
  const frozen = overridden(store, {
    readHead: held((...args) => store.readHead(...args)),
    readKeyPair: held((...args) => store.readKeyPair(...args)),
    readStatus: held((...args) => store.readStatus(...args)),
    writeStatus: held((...args) => store.writeStatus(...args)),
    createWrapping: held((...args) => store.createWrapping(...args)),
    listWrappings: held((...args) => store.listWrappings(...args)),
  });
  // So long a wait for the store would be noticed: every test would time out.
  const worker = keyStoreWith({ store: frozen, storeTimeout: 600_000, confirmTimeout: 60_000, privateKeyTtl: 0 });
  const record = () => worker.encryptRecording(audio, { recordingId: "r" });
  const freeze = () => void (waiting ??= []);
  const thaw = () => {
    for (const free of waiting?.splice(0) ?? []) free();
    waiting = undefined;
  };
  await record();
  return { ...parts, worker, record, freeze, thaw, clock };
}

describe("a store that hangs while recordings are made all the time", () => {
  it("makes none of them wait, however long it hangs", async () => {
    const { record, freeze, thaw, clock, worker } = await hanging();
    const keyPairIds = new Set<string>();
    for (let number = 0; number < recordings; number += 1) {
      if (number === recordings / 10) freeze();
      clock.advance((20 * minute) / recordings);
      keyPairIds.add((await record()).keyPairId);
    }
    expect(keyPairIds.size).toBe(1);
    thaw();
    await worker.close();
  });

  it("is told by usedLastKnownKey and status() before it counts as away, and no more once it was read well", async () => {
    const { record, freeze, thaw, clock, worker } = await hanging();
    freeze();
    clock.advance(minute - 1);
    expect(await record()).toMatchObject({ usedLastKnownKey: false });
    clock.advance(1);
    await record();
    await expect.poll(async () => (await record()).usedLastKnownKey, { timeout: 30_000 }).toBe(true);
    thaw();
    expect(await worker.status()).toMatchObject({ usedLastKnownKey: false });
    expect(await record()).toMatchObject({ usedLastKnownKey: false });
    await worker.close();
  });
});

describe("a store that fails", () => {
  it("is in trouble as soon as status() could not read it, and no more once it could", async () => {
    const { keyStoreWith, store } = await configured();
    let away = false;
    const failing = overridden(store, {
      readHead: async (...args) => {
        if (away) throw new Error("no route to store");
        return store.readHead(...args);
      },
    });
    const worker = keyStoreWith({ store: failing });
    await worker.encryptRecording(audio, { recordingId: "r" });
    away = true;
    expect(await worker.status()).toMatchObject({
      usedLastKnownKey: true,
      trouble: { task: "read-store" },
      storeError: { code: "ERR_STORE_UNAVAILABLE" },
    });
    away = false;
    expect(await worker.status()).toMatchObject({ usedLastKnownKey: false });
    expect(await worker.status()).not.toHaveProperty("trouble");
  });
});
