import { randomBytes } from "node:crypto";
import { KMSClient, ReplicateKeyCommand } from "@aws-sdk/client-kms";
import { describe, expect, it } from "vitest";
import type { KeyPairStore } from "../../src/index.js";
import { accountId, configured, homeRegion, kmsKeyAliasArn, organizationId, setup } from "../support/setup.js";
import { backgroundWork } from "../support/turns.js";

const audio = randomBytes(1_000);
const day = 86_400_000;

describe("the KMS key is rotated", () => {
  it("automatically: old material decrypts on", async () => {
    const { keyStore, kms, keyArn } = await configured();
    const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
    kms.rotateKey(keyArn);
    await keyStore.rotate();
    expect(Buffer.from((await keyStore.decryptRecording(body, { recordingId: "r" })).body).equals(audio)).toBe(true);
  });

  it("manually, behind the alias: old recordings open, new pairs use the new key", async () => {
    const { keyStore, kms, keyArn } = await configured();
    const old = await keyStore.encryptRecording(audio, { recordingId: "r" });
    const newKeyArn = kms.createKey({ accountId, region: homeRegion });
    kms.pointAlias(kmsKeyAliasArn, newKeyArn);
    expect((await keyStore.encryptRecording(audio, { recordingId: "r" })).keyPairId).toBe(old.keyPairId);
    const pair = await keyStore.rotate();
    expect(pair.kmsKeyArn).toBe(newKeyArn);
    const fresh = await keyStore.encryptRecording(audio, { recordingId: "r" });
    keyStore.forgetPrivateKeys();
    for (const { body } of [old, fresh])
      expect(Buffer.from((await keyStore.decryptRecording(body, { recordingId: "r" })).body).equals(audio)).toBe(true);
    expect((await keyStore.keyPairs()).items.map((item) => item.kmsKeyArn)).toEqual([newKeyArn, keyArn]);
  });
});

describe("by schedule", () => {
  it("a due change is made in the background, once, however many slots were missed", async () => {
    const { keyStore, clock } = setup();
    await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
    clock.advance(10 * day);
    await keyStore.encryptRecording(audio, { recordingId: "r" });
    await backgroundWork();
    expect((await keyStore.keyPairs()).items.map(({ sequence }) => sequence)).toEqual([2, 1]);
    expect((await keyStore.encryptRecording(audio, { recordingId: "r" })).usedLastKnownKey).toBe(false);
  });

  it("rotateIfDue() changes only what is due", async () => {
    const { keyStore, clock } = setup({ background: false });
    await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "weekly" });
    expect((await keyStore.rotateIfDue()).rotated).toBe(false);
    clock.advance(8 * day);
    expect((await keyStore.rotateIfDue()).rotated).toBe(true);
    expect((await keyStore.rotateIfDue()).rotated).toBe(false);
  });

  it("a failed change backs off, shows, and is tried again", async () => {
    const { keyStore, clock, kms } = setup();
    await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
    clock.advance(2 * day);
    kms.faults.accessDenied({ operation: "Encrypt" });
    for (let index = 0; index < 5; index += 1) {
      await keyStore.encryptRecording(audio, { recordingId: "r" });
      await backgroundWork();
    }
    expect(kms.journal.calls({ operation: "Encrypt", outcome: "AccessDeniedException" })).toHaveLength(1);
    expect(await keyStore.status()).toMatchObject({ usedLastKnownKey: true, trouble: { task: "rotate" } });
    kms.faults.heal();
    clock.advance(61_000);
    await keyStore.encryptRecording(audio, { recordingId: "r" });
    await backgroundWork();
    expect(await keyStore.status()).toMatchObject({ usedLastKnownKey: false, activeKeyPair: { sequence: 2 } });
  });
});

describe("several workers", () => {
  it("that change a due key at once make exactly one new active pair", async () => {
    const { keyStoreWith, clock, keyStore } = setup({ background: false });
    await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
    const workers = Array.from({ length: 8 }, () => keyStoreWith());
    for (let generation = 2; generation <= 6; generation += 1) {
      clock.advance(day + 3_600_000);
      const results = await Promise.all(workers.map((worker) => worker.rotateIfDue()));
      expect(new Set(results.map(({ keyPair }) => keyPair.keyPairId)).size).toBe(1);
      expect((await keyStore.keyPairs()).items[0]).toMatchObject({ sequence: generation, active: true });
    }
    expect((await keyStore.keyPairs()).items.map(({ sequence }) => sequence)).toEqual([6, 5, 4, 3, 2, 1]);
  });

  it("follow a change within headTtl", async () => {
    const { keyStore, keyStoreWith, clock } = await configured({ background: false });
    const other = keyStoreWith();
    await other.encryptRecording(audio, { recordingId: "r" });
    const pair = await keyStore.rotate();
    clock.advance(60_000);
    expect((await other.encryptRecording(audio, { recordingId: "r" })).keyPairId).toBe(pair.keyPairId);
  });
});

describe("a store whose answer gets lost", () => {
  it.each(["swapHead", "createKeyPair"] as const)("in %s", async (method) => {
    const { keyStore, store } = await configured();
    const original = store[method].bind(store) as (...args: unknown[]) => Promise<unknown>;
    let lost = 0;
    Object.assign(store, {
      [method]: async (...args: unknown[]) => {
        await original(...args);
        lost += 1;
        throw new Error("connection lost");
      },
    } satisfies Partial<KeyPairStore>);
    const outcome = await keyStore.rotate().catch((error: unknown) => error);
    expect(lost).toBe(1);
    const { items } = await keyStore.keyPairs();
    if (method === "swapHead") expect(outcome).toMatchObject({ sequence: 2 });
    else expect(outcome).toMatchObject({ code: "ERR_STORE_UNAVAILABLE", retryable: true });
    expect(items).toHaveLength(method === "swapHead" ? 2 : 1);
    expect((await keyStore.encryptRecording(audio, { recordingId: "r" })).keyPairId).toBe(items[0]?.keyPairId);
  });
});

it("no head moves to a pair that KMS would not open again", async () => {
  const { keyStore, kms } = await configured();
  kms.faults.accessDenied({ operation: "Decrypt" });
  await expect(keyStore.rotate()).rejects.toMatchObject({ kind: "access-denied" });
  kms.faults.heal();
  expect((await keyStore.keyPairs()).items).toHaveLength(1);
});

it("the history comes in pages, whatever lost races left in the store", async () => {
  const { keyStore, store } = await configured();
  for (let index = 0; index < 6; index += 1) await keyStore.rotate();
  const [loser] = await store.listKeyPairs(organizationId, { limit: 1 });
  if (!loser) throw new Error("no pair");
  await store.createKeyPair({ ...loser, keyPairId: "lost-race", sequence: 4 });
  const sequences: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await keyStore.keyPairs({ limit: 2, ...(cursor === undefined ? {} : { cursor }) });
    sequences.push(...page.items.map(({ sequence }) => sequence));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  expect(sequences).toEqual([7, 6, 5, 4, 3, 2, 1]);
  await expect(keyStore.keyPairs({ cursor: "x" })).rejects.toMatchObject({ field: "cursor" });
});

describe("a multi-Region key", () => {
  it("whose alias is in another Region needs its primary or a replica in the home Region", async () => {
    const { kms, keyStoreWith } = setup({ homeRegion: "eu-central-1" });
    const single = kmsKeyAliasArn;
    const report = await keyStoreWith().test({ kmsKeyAliasArn: single });
    expect(report).toMatchObject({ ok: false, diagnosis: { kind: "key-unsupported" } });
    expect(report.error?.message).toMatch(/home Region eu-central-1/);
    kms.createAlias("alias/mrk", kms.createKey({ accountId, region: homeRegion, multiRegion: true }));
    const noReplica = await keyStoreWith().test({ kmsKeyAliasArn: `arn:aws:kms:${homeRegion}:${accountId}:alias/mrk` });
    expect(noReplica.ok).toBe(false);
  });

  it("is used through its replica in the home Region, and through decryptRegions while that can't be reached", async () => {
    const { kms, keyStoreWith } = setup({ homeRegion: "eu-central-1" });
    const keyArn = kms.createKey({ accountId, region: homeRegion, multiRegion: true });
    const alias = kms.createAlias("alias/mrk", keyArn);
    const administrator = new KMSClient(kms.clientConfig(homeRegion, { accessKeyId: "AKIASERVICE" }));
    await administrator.send(new ReplicateKeyCommand({ KeyId: keyArn, ReplicaRegion: "eu-central-1" }));
    kms.faults.outage({ region: homeRegion, operation: "Decrypt" });
    const keyStore = keyStoreWith({ decryptRegions: [homeRegion] });
    await keyStore.configure({ kmsKeyAliasArn: alias });
    const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
    kms.faults.heal();
    const open = async () =>
      Buffer.from((await keyStore.decryptRecording(body, { recordingId: "r" })).body).equals(audio);
    kms.journal.clear();
    expect(await open()).toBe(true);
    expect(kms.journal.calls({ operation: "Decrypt" }).map(({ region }) => region)).toEqual(["eu-central-1"]);
    keyStore.forgetPrivateKeys();
    kms.faults.outage({ region: "eu-central-1" });
    expect(await open()).toBe(true);
    kms.faults.heal();
    keyStore.forgetPrivateKeys();
    kms.faults.accessDenied({ region: "eu-central-1" });
    await expect(open()).rejects.toMatchObject({ kind: "access-denied" }); // a refusal is never gone round
  });
});

describe("a fleet that meets a due change", () => {
  it("makes few pairs beside the one that becomes active", async () => {
    const { keyStoreWith, keyStore, clock, store } = setup();
    await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
    const due = (await keyStore.status()).nextKeyChange!.getTime();
    const fleet = Array.from({ length: 12 }, () => keyStoreWith());
    for (const worker of fleet) await worker.encryptRecording(audio, { recordingId: "r" });
    clock.advance(due - clock.now());
    // Every worker encrypts again and again, as recorders do; a hundred milliseconds are enough to make a pair.
    for (let waited = 0; waited <= 10_000; waited += 100) {
      await Promise.all(fleet.map((worker) => worker.encryptRecording(audio, { recordingId: "r" })));
      await new Promise((resolve) => setImmediate(resolve));
      if (waited % 1_000 === 0) await backgroundWork();
      clock.advance(100);
    }
    await backgroundWork();
    for (const worker of fleet) expect((await worker.status()).usedLastKnownKey).toBe(false);
    expect((await keyStore.keyPairs()).items).toHaveLength(2);
    const made = await store.listKeyPairs(organizationId, { limit: 100 });
    expect(made.length).toBeLessThanOrEqual(2 + fleet.length / 2);
  });
});
