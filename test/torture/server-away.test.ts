import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KeyPairStore } from "../../src/stores/key-pair-store.js";
import { MemoryLastConfirmedStore, TestClock } from "../../src/testing/index.js";
import { atLength } from "../support/effort.js";
import { kmsKeyAliasArn, kmsWith } from "../support/kms-known-to-all.js";
import { storeAt } from "../stores/store-at.js";
import { keyStoreOver } from "./key-store-over.js";
import { storeServers, type StoreServer } from "./store-servers.js";

const recordings = atLength(2_000, 200);
const second = 1_000;
const headTtl = 60 * second;
const recordingId = "r";
const audio = Buffer.from("audio");

interface Fault {
  readonly begin: (server: StoreServer) => unknown;
  readonly end: (server: StoreServer) => unknown;
  /** No call is answered while it lasts, so that whoever waits for the store would be seen to wait. */
  readonly silent?: true;
  /** It ends by itself, and may not be noticed. */
  readonly passing?: true;
}

const faults: Readonly<Record<string, Fault>> = {
  stopped: { begin: (server) => server.stop(), end: (server) => server.resume() },
  frozen: { begin: (server) => server.freeze(), end: (server) => server.thaw(), silent: true },
  "slow by three seconds": {
    begin: ({ link }) => link.hold(),
    end: async ({ link }) => {
      await sleep(3 * second);
      link.release();
    },
    silent: true,
  },
  restarted: {
    begin: (server) => void (restarting = server.stop().then(() => server.resume())),
    end: () => restarting,
    passing: true,
  },
};
let restarting: Promise<void> | undefined;

/** The store, and how many calls were begun and how many have ended. */
function counted(store: KeyPairStore) {
  const calls = { begun: 0, ended: 0 };
  const proxy = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return async (...args: unknown[]): Promise<unknown> => {
        calls.begun += 1;
        try {
          return await (value.apply(target, args) as Promise<unknown>);
        } finally {
          calls.ended += 1;
        }
      };
    },
  });
  return { calls, store: proxy };
}

describe.each(Object.entries(storeServers))("while %s is away", (_, start) => {
  let server: StoreServer;
  let there: ReturnType<typeof storeAt>;
  let organizations = 0;
  beforeAll(async () => {
    server = await start();
    there = storeAt(server.place);
  });
  afterAll(async () => {
    server.thaw();
    await there.close().catch(() => undefined);
    await server.close();
  });

  /** A worker that records all the time, a few seconds before a change of its key is due. */
  async function busyWorker() {
    organizations += 1;
    const organizationId = `org-${organizations}`;
    const clock = new TestClock();
    const { calls, store } = counted(there.store);
    const options = { clock, headTtl, background: true, lastConfirmed: new MemoryLastConfirmedStore() };
    const worker = keyStoreOver(store, organizationId, kmsWith(1), options);
    const { keyPair } = await worker.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
    const { nextKeyChange } = await worker.status();
    clock.advance(nextKeyChange!.getTime() - clock.now() - 5 * second);
    const record = async () => worker.encryptRecording(audio, { recordingId });
    await record();
    /** No call of the store is under way, nor about to begin. */
    const quiet = async () => {
      await sleep(50);
      await expect.poll(() => calls.begun === calls.ended).toBe(true);
    };
    const pod = () =>
      keyStoreOver(there.store, organizationId, kmsWith(1), { clock, lastConfirmed: new MemoryLastConfirmedStore() });
    return { worker, record, clock, calls, pod, quiet, sequence: keyPair.sequence };
  }

  it.each(Object.entries(faults))(
    `loses none of ${recordings} recordings, of which none waits: %s`,
    { timeout: 300_000 },
    async (_, { begin, end, silent, passing }) => {
      const { worker, record, clock, calls, pod, quiet, sequence } = await busyWorker();
      const made = [];
      for (let index = 0; index < recordings / 10; index += 1) made.push(await record());
      await quiet();
      await begin(server);
      const before = { ...calls };
      clock.advance(6 * second); // the change is due
      const many = Array.from({ length: (recordings * 4) / 10 }, record);
      made.push(...(await Promise.all(many)));
      clock.advance(headTtl - 6 * second); // the head is to be read again
      while (made.length < recordings) made.push(await record());
      // The worker's own reads of the head and attempts to change the key, however many recordings there are.
      expect(calls.begun - before.begun).toBeLessThan(recordings / 10);
      if (silent) expect(calls).toMatchObject({ ended: before.ended });
      if (silent) expect(calls.begun).toBeGreaterThan(before.begun);
      if (!passing) {
        // The clock stands within one headTtl of the time at which the change was due.
        await expect.poll(async () => (await record()).usedLastKnownKey).toBe(true);
      }
      await end(server);

      // As soon as the store was read well, nothing is said of it any more.
      const status = async () => {
        const { storeError, trouble } = await worker.status();
        return { readable: storeError === undefined, complains: trouble?.task === "read-store" };
      };
      await expect.poll(status).toEqual({ readable: true, complains: false });
      const changed = async () => (await worker.rotateIfDue().catch(() => undefined))?.keyPair.sequence;
      await expect.poll(changed).toBe(sequence + 1);
      expect(await worker.status()).toMatchObject({
        usedLastKnownKey: false,
        activeKeyPair: { sequence: sequence + 1 },
      });
      made.push(await record());
      expect(made.at(-1)).toMatchObject({ usedLastKnownKey: false });
      const owner = pod();
      for (const { body, confirmation } of made) {
        expect(confirmation).toBe("confirmed");
        expect(audio.equals((await owner.decryptRecording(body, { recordingId })).body)).toBe(true);
      }
      await worker.close();
    },
  );

  it("says so in status()", async () => {
    const { worker, record } = await busyWorker();
    await server.stop();
    expect(await worker.status()).toMatchObject({
      configured: true,
      usedLastKnownKey: true,
      trouble: { task: "read-store" },
      storeError: { code: "ERR_STORE_UNAVAILABLE" },
      storeDiagnosis: { kind: "unreachable" },
    });
    expect(await record()).toMatchObject({ usedLastKnownKey: true, confirmation: "confirmed" });
    await server.resume();
    const wellRead = async () => {
      const { storeError, usedLastKnownKey } = await worker.status();
      return { readable: storeError === undefined, usedLastKnownKey };
    };
    await expect.poll(wellRead).toEqual({ readable: true, usedLastKnownKey: false });
    await worker.close();
  });
});
