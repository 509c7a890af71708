import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { bytesSource, type KeyPairStore, type RecordingKeyStoreOptions } from "../../src/index.js";
import type { StoredKeyPair } from "../../src/stores/index.js";
import { MemoryKeyPairStore, MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { keyPairDocument } from "../../src/key-pairs/records.js";
import { invented } from "../key-pairs/inventions.js";
import { configured, kmsKeyAliasArn, organizationId, overridden, setup } from "../support/setup.js";

const audio = randomBytes(1_000);

/**
 * A store that holds two pairs, and its copy of then that was restored after two more were made; with a recording under each
 * of the four.
 */
async function restored(options: Partial<RecordingKeyStoreOptions> = {}) {
  const parts = await configured(options);
  const { keyStore, keyStoreWith, store } = parts;
  const recordings: Uint8Array[] = [];
  const keyPairIds: string[] = [];
  const backup = new MemoryKeyPairStore();
  for (let sequence = 1; sequence <= 4; sequence += 1) {
    if (sequence > 1) await keyStore.rotate();
    const { body, keyPairId } = await keyStore.encryptRecording(audio, { recordingId: "r" });
    recordings.push(body);
    keyPairIds.push(keyPairId);
    if (sequence === 2) await copy(store, backup);
  }
  /** A worker that knows nothing of the pairs that are lost. */
  const stranger = (more: Partial<RecordingKeyStoreOptions> = {}) => keyStoreWith({ store: backup, ...more });
  const opens = async (worker: ReturnType<typeof stranger>, number: number) =>
    Buffer.from((await worker.decryptRecording(recordings[number - 1]!, { recordingId: "r" })).body).equals(audio);
  const [first, second, third, fourth] = recordings as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  return { ...parts, backup, stranger, opens, recordings, keyPairIds, first, second, third, fourth };
}

async function copy(from: KeyPairStore, to: KeyPairStore): Promise<void> {
  for (const pair of await from.listKeyPairs(organizationId, { limit: 1_000 })) await to.createKeyPair(pair);
  const head = await from.readHead(organizationId);
  await to.swapHead(organizationId, undefined, head!.document);
}

describe("a restored store", () => {
  it("gets back the pair that a worker holds, and others open what that encrypts", async () => {
    const { keyStoreWith, store, backup, stranger, opens, clock, keyPairIds, fourth } = await restored();
    let current: KeyPairStore = store;
    const moving = new Proxy(store, {
      get: (_, name) => {
        const value: unknown = Reflect.get(current, name);
        return typeof value === "function" ? (value.bind(current) as unknown) : value;
      },
    });
    const holder = keyStoreWith({ store: moving });
    await holder.encryptRecording(audio, { recordingId: "r" });
    current = backup;
    const other = stranger();
    await expect(other.decryptRecording(fourth, { recordingId: "r" })).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_NOT_FOUND",
      retryable: true,
      message: expect.stringContaining("restoreKeyPairs()"),
    });
    clock.advance(61_000);
    expect(await holder.encryptRecording(audio, { recordingId: "r" })).toMatchObject({ keyPairId: keyPairIds[3] });
    await expect.poll(async () => (await backup.listKeyPairs(organizationId, { limit: 9 })).length).toBe(3);
    expect(await opens(other, 4)).toBe(true);
    // The head is the operator's to move.
    expect((await stranger().status()).claimed?.keyPair.sequence).toBe(2);
  });

  it("gets it back before the worker goes back to an older one by acceptRestoredStore()", async () => {
    const lastConfirmed = new MemoryLastConfirmedStore();
    const { backup, stranger, opens, keyPairIds } = await restored({ lastConfirmed });
    const worker = stranger();
    await worker.acceptRestoredStore({ dryRun: true });
    expect(await backup.readKeyPair(organizationId, keyPairIds[3]!)).toBeUndefined();
    const { believed, before } = await worker.acceptRestoredStore();
    expect([believed.sequence, before?.sequence]).toEqual([2, 4]);
    expect(await opens(stranger({ lastConfirmed: new MemoryLastConfirmedStore() }), 4)).toBe(true);
  });

  it("says of a pair behind the store's head that it is not there, which does not pass", async () => {
    const { keyStore, store, first, keyPairIds } = await restored();
    await store.removeKeyPair(organizationId, keyPairIds[0]!);
    await expect(keyStore.decryptRecording(first, { recordingId: "r" })).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_NOT_FOUND",
      retryable: false,
      message: expect.not.stringContaining("newer") as unknown,
    });
  });
});

describe("restoreKeyPairs", () => {
  it("puts back what recordings carry, once KMS has vouched for it, by one recording of each pair", async () => {
    const { stranger, backup, recordings, opens, keyPairIds, kms, third } = await restored();
    const worker = stranger();
    kms.journal.clear();
    const report = await worker.restoreKeyPairs([...recordings, third, third]);
    expect(report).toEqual({
      recordings: 6,
      restored: [3, 4].map((sequence) => ({ keyPairId: keyPairIds[sequence - 1], sequence })),
      already: [1, 2].map((sequence) => ({ keyPairId: keyPairIds[sequence - 1], sequence })),
      failed: [],
      unusable: [],
    });
    expect([kms.journal.count("Decrypt"), kms.journal.count("Encrypt")]).toEqual([2, 2]);
    const other = stranger();
    expect(await Promise.all([1, 2, 3, 4].map((number) => opens(other, number)))).toEqual([true, true, true, true]);
    expect((await worker.restoreKeyPairs(recordings)).already).toHaveLength(4);
    expect(await backup.listKeyPairs(organizationId, { limit: 9 })).toHaveLength(4);
  });

  it("reports in the order of the history, however the recordings come", async () => {
    const { stranger, recordings } = await restored();
    const { restored: done, already } = await stranger().restoreKeyPairs(
      [3, 1, 2, 0].map((index) => recordings[index]!),
    );
    expect([done, already].map((pairs) => pairs.map(({ sequence }) => sequence))).toEqual([
      [3, 4],
      [1, 2],
    ]);
  });

  it("puts the chain back that rotations go on from", async () => {
    const { stranger, backup, recordings, store } = await restored();
    const worker = stranger();
    await worker.restoreKeyPairs(recordings);
    const head = await backup.readHead(organizationId);
    await backup.swapHead(organizationId, head!.revision, (await store.readHead(organizationId))!.document);
    const after = stranger();
    await after.rotate();
    expect((await after.keyPairs()).items.map(({ sequence }) => sequence)).toEqual([5, 4, 3, 2, 1]);
  });

  it("takes bytes, sources and streams, from a list or one after the other", async () => {
    const { stranger, second, third, fourth } = await restored();
    async function* each() {
      yield second;
      yield bytesSource(third);
      yield Readable.from([fourth.subarray(0, 100), fourth.subarray(100)]);
    }
    expect(await stranger().restoreKeyPairs(each())).toMatchObject({
      recordings: 3,
      restored: [{}, {}],
      already: [{}],
    });
  });

  it("asks KMS and puts nothing back with dryRun", async () => {
    const { stranger, backup, recordings, kms } = await restored();
    kms.journal.clear();
    const report = await stranger().restoreKeyPairs(recordings, { dryRun: true });
    expect(report.restored.map(({ sequence }) => sequence)).toEqual([3, 4]);
    expect([kms.journal.count("Decrypt"), kms.journal.count("Encrypt")]).toEqual([2, 0]);
    expect(await backup.listKeyPairs(organizationId, { limit: 9 })).toHaveLength(2);
  });

  it("puts nothing back for which KMS does not vouch, and says why", async () => {
    const { stranger, backup, kms, keyArn, fourth } = await restored();
    kms.disableKey(keyArn);
    expect(await stranger().restoreKeyPairs([fourth])).toMatchObject({
      restored: [],
      failed: [{ sequence: 4, error: { code: "ERR_KMS_REFUSED", kind: "key-disabled" } }],
    });
    kms.enableKey(keyArn);
    const elsewhere = stranger({ trustedKmsKeys: ["444455556666"] });
    expect(await elsewhere.restoreKeyPairs([fourth])).toMatchObject({
      failed: [{ error: { code: "ERR_KEY_PAIR_UNTRUSTED" } }],
    });
    expect(await backup.listKeyPairs(organizationId, { limit: 9 })).toHaveLength(2);
  });

  it("takes nothing from a recording whose wrapped private half was exchanged", async () => {
    const { stranger, third, fourth } = await restored();
    const spoilt = Buffer.from(fourth);
    const at = Buffer.from(fourth).indexOf(":key/") + 60; // within KMS's ciphertext, which comes behind the ARN
    for (let index = at; index < at + 40; index += 1) spoilt[index] = spoilt[index]! ^ 0xff;
    const report = await stranger().restoreKeyPairs([spoilt, third]);
    expect(report).toMatchObject({ restored: [{ sequence: 3 }], failed: [{ sequence: 4 }] });
    // Another recording of the same pair does it.
    expect(await stranger().restoreKeyPairs([spoilt, fourth])).toMatchObject({
      restored: [{ sequence: 4 }],
      failed: [],
    });
  });

  it("names what is no recording of this organization, and goes on", async () => {
    const { stranger, fourth, keyStoreWith, keyPairIds } = await restored();
    const other = keyStoreWith({ organizationId: "org-2", store: new MemoryKeyPairStore() });
    await other.configure({ kmsKeyAliasArn });
    const foreign = (await other.encryptRecording(audio, { recordingId: "r" })).body;
    const bare = (await keyStoreWith({ selfContained: false }).encryptRecording(audio, { recordingId: "r" })).body;
    expect(
      await stranger().restoreKeyPairs([randomBytes(500), foreign, bare, fourth.subarray(0, 50), fourth]),
    ).toMatchObject({
      recordings: 5,
      restored: [{ sequence: 4 }],
      failed: [],
      unusable: [
        { index: 0, error: { code: "ERR_FORMAT_INVALID" } },
        { index: 1, error: { code: "ERR_KEY_PAIR_UNTRUSTED" } },
        { index: 3, error: { code: "ERR_RECORDING_TRUNCATED" } },
      ],
    });
    const onlyBare = await stranger({ store: new MemoryKeyPairStore() }).restoreKeyPairs([bare]);
    const message = `the recording does not carry the wrapped private half of key pair ${keyPairIds[3]}`;
    expect(onlyBare).toMatchObject({ failed: [{ sequence: 4, error: { code: "ERR_KEY_PAIR_NOT_FOUND", message } }] });
  });

  it.each([
    ["garbage", () => Buffer.from("garbage"), /: is not JSON$/],
    [
      "another pair",
      (keyPairId: string) => keyPairDocument(invented({ birth: { organizationId, keyPairId, sequence: 4 } })),
      /the store has something else in its place, which must be removed first$/,
    ],
  ])("leaves what is in the pair's place, and says so: %s", async (_, documentOf, message) => {
    const { stranger, backup, fourth, keyPairIds, kms } = await restored();
    const keyPairId = keyPairIds[3]!;
    kms.journal.clear();
    const document = documentOf(keyPairId);
    await backup.createKeyPair({ organizationId, keyPairId, sequence: 4, document });
    const { restored: done, failed } = await stranger().restoreKeyPairs([fourth]);
    expect({ done, failed }).toMatchObject({
      done: [],
      failed: [{ sequence: 4, error: { code: "ERR_STORE_CORRUPT" } }],
    });
    expect(failed[0]!.error.message).toMatch(message);
    expect(kms.journal.count()).toBe(0);
    expect(Buffer.from((await backup.readKeyPair(organizationId, keyPairId))!.document).equals(document)).toBe(true);
  });

  it.each<[what: string, keep: (pair: StoredKeyPair) => StoredKeyPair | undefined]>([
    ["nothing", () => undefined],
    [
      "the pair with another public key",
      (pair) => {
        const parts = JSON.parse(Buffer.from(pair.document).toString()) as Record<string, unknown>;
        const publicKey = invented().publicKey.toString("base64");
        return { ...pair, document: Buffer.from(JSON.stringify({ ...parts, publicKey })) };
      },
    ],
  ])("says so where the store has %s once it was put back", async (_, keep) => {
    const { stranger, backup, fourth } = await restored();
    const createKeyPair = async (pair: StoredKeyPair) => {
      const kept = keep(pair);
      if (kept) await backup.createKeyPair(kept);
      return "created" as const;
    };
    const { restored: done, failed } = await stranger({
      store: overridden(backup, { createKeyPair }),
    }).restoreKeyPairs([fourth]);
    const message = expect.stringContaining("the store has something else in its place") as unknown;
    expect({ done, failed }).toMatchObject({ done: [], failed: [{ sequence: 4, error: { message } }] });
  });

  it("ends in an outage, and keeps what was put back", async () => {
    const { stranger, backup, third, fourth, kms } = await restored();
    async function* each() {
      yield third;
      kms.faults.outage();
      yield fourth;
    }
    await expect(stranger().restoreKeyPairs(each())).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
    expect(await backup.listKeyPairs(organizationId, { limit: 9 })).toHaveLength(3);
  });

  it.each([
    ["bytes", randomBytes(9)],
    ["nothing", undefined],
    ["a text", "recording"],
    ["a number", 1],
    ["what says that it can be iterated, and can't", { [Symbol.iterator]: 5 }],
  ])("refuses %s", async (_, given) => {
    await expect(setup().keyStore.restoreKeyPairs(given as never)).rejects.toMatchObject({ field: "recordings" });
  });
});
