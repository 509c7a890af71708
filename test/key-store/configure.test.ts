import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ConfigurationInput, RecordingKeyStore, RecordingKeyStoreOptions } from "../../src/index.js";
import { kmsError } from "../../src/kms/kms-error.js";
import { StoreError } from "../../src/stores/store-error.js";
import { MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { foreignPublicKey, forging, plantForgedHead } from "../support/forgery.js";
import {
  accountId,
  configured,
  homeRegion,
  impatient,
  kmsKeyAliasArn,
  organizationId,
  overridden,
  setup,
} from "../support/setup.js";

const audio = randomBytes(1_000);
const recording = { recordingId: "r" };
const onlyIfChanged = { onlyIfChanged: true };
const monthly: ConfigurationInput = { kmsKeyAliasArn, periodicKeyChange: "monthly", keyPairSpec: "X25519" };
const sequencesOf = async (keyStore: RecordingKeyStore) =>
  (await keyStore.keyPairs()).items.map(({ sequence }) => sequence);

describe("configure() in a store that takes no writes", () => {
  const readOnly = () =>
    new StoreError("read-only", { operation: "try", message: "the disk is read-only", serviceErrorName: "EROFS" });

  it.each<[what: string, checkWritable: () => Promise<void>, kind: string]>([
    ["says so", () => Promise.reject(readOnly()), "read-only"],
    ["throws", () => raise(new Error("no")), "unexpected-answer"],
    ["hangs", () => new Promise(() => undefined), "timeout"],
  ])("asks KMS nothing where it %s", async (_, checkWritable, kind) => {
    const { keyStoreWith, store, kms } = setup();
    const keyStore = keyStoreWith({ store: overridden(store, { checkWritable }), storeTimeout: 100 });
    await expect(keyStore.configure({ kmsKeyAliasArn })).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE", kind });
    expect(kms.journal.count()).toBe(0);
  });

  it("tests all the same, which saves nothing", async () => {
    const { keyStoreWith, store } = setup();
    const keyStore = keyStoreWith({ store: overridden(store, { checkWritable: () => Promise.reject(readOnly()) }) });
    expect((await keyStore.test({ kmsKeyAliasArn })).ok).toBe(true);
  });
});

function raise(error: Error): never {
  throw error;
}

describe("configure() with onlyIfChanged", () => {
  it("makes no pair and asks KMS nothing where nothing has changed", async () => {
    const { keyStore, kms } = await configured();
    const { activeKeyPair } = await keyStore.status();
    kms.journal.clear();
    for (const same of [{ kmsKeyAliasArn }, monthly]) {
      expect(await keyStore.configure(same, onlyIfChanged)).toEqual({ changed: false, keyPair: activeKeyPair });
    }
    expect(kms.journal.count()).toBe(0);
    expect(await sequencesOf(keyStore)).toEqual([1]);
  });

  it("makes a pair without it, each time", async () => {
    const { keyStore } = await configured();
    expect(await keyStore.configure(monthly)).toMatchObject({ changed: true, keyPair: { sequence: 2 } });
    expect(await keyStore.configure(monthly, { onlyIfChanged: false })).toMatchObject({ changed: true });
    expect(await sequencesOf(keyStore)).toEqual([3, 2, 1]);
  });

  it("makes the first pair", async () => {
    const { keyStore } = setup();
    expect(await keyStore.configure(monthly, onlyIfChanged)).toMatchObject({
      changed: true,
      keyPair: { sequence: 1, active: true, reason: "configure" },
      report: { ok: true },
    });
  });

  const otherAlias = `arn:aws:kms:${homeRegion}:${accountId}:alias/others`;
  it.each<[string, ConfigurationInput]>([
    ["alias", { ...monthly, kmsKeyAliasArn: otherAlias }],
    ["period", { ...monthly, periodicKeyChange: "weekly" }],
    ["spec", { ...monthly, keyPairSpec: "RSA_2048" }],
  ])("makes one pair where the %s has changed, and none the next time", async (_, input) => {
    const { keyStore, keyStoreWith, kms, keyArn } = await configured();
    kms.createAlias("alias/others", keyArn);
    const made = await keyStore.configure(input, onlyIfChanged);
    expect(made).toMatchObject({ changed: true, keyPair: { sequence: 2, active: true }, report: { ok: true } });
    for (const worker of [keyStore, keyStoreWith()]) {
      expect(await worker.configure(input, onlyIfChanged)).toEqual({ changed: false, keyPair: made.keyPair });
    }
    expect(await keyStore.configure(monthly, onlyIfChanged)).toMatchObject({ changed: true, keyPair: { sequence: 3 } });
  });

  it("makes none where the KMS key behind the alias is another, which rotate() takes up", async () => {
    const { keyStore, kms } = await configured();
    kms.pointAlias(kmsKeyAliasArn, kms.createKey({ accountId, region: homeRegion }));
    expect(await keyStore.configure(monthly, onlyIfChanged)).toMatchObject({ changed: false });
  });

  it("sees what another worker has changed just now", async () => {
    const { keyStore, keyStoreWith } = await configured();
    const daily: ConfigurationInput = { ...monthly, periodicKeyChange: "daily" };
    const { keyPair } = await keyStoreWith().configure(daily);
    expect(await keyStore.configure(daily, onlyIfChanged)).toEqual({ changed: false, keyPair });
    await keyStoreWith().configure(monthly);
    expect(await keyStore.configure(daily, onlyIfChanged)).toMatchObject({ changed: true, keyPair: { sequence: 4 } });
  });

  it("asks KMS one question on a host that was never told anything", async () => {
    const { keyStore, keyStoreWith, kms } = await configured();
    kms.journal.clear();
    expect(await keyStoreWith().configure(monthly, onlyIfChanged)).toMatchObject({ changed: false });
    expect(kms.journal.calls().map(({ operation }) => operation)).toEqual(["Decrypt"]);
    expect(await sequencesOf(keyStore)).toEqual([1]);
  });

  const fleetSecret = randomBytes(32);
  const remembering: [string, () => Partial<RecordingKeyStoreOptions>][] = [
    ["lastConfirmed", () => ({ lastConfirmed: new MemoryLastConfirmedStore() })],
    ["the fleet's word", () => ({ fleetSecret })],
  ];
  describe.each(remembering)("after a restart, with %s", (_, options) => {
    it.each(["outage", "accessDenied", "hang"] as const)("resolves unchanged while KMS is away: %s", async (fault) => {
      const { keyStore, keyStoreWith, kms, provider } = await configured(options());
      const { activeKeyPair } = await keyStore.status();
      kms.faults[fault]();
      const restarted = keyStoreWith({ confirmTimeout: 5, kms: provider(impatient) });
      const unchanged = await restarted.configure(monthly, onlyIfChanged);
      expect(unchanged).toEqual({ changed: false, keyPair: activeKeyPair });
      expect(await sequencesOf(restarted)).toEqual([1]);
      const daily = restarted.configure({ ...monthly, periodicKeyChange: "daily" }, onlyIfChanged);
      await expect(daily).rejects.toMatchObject({ code: "ERR_TEST_FAILED" });
    });
  });

  it("fails its test while KMS is away where nobody remembers", async () => {
    const { keyStoreWith, kms } = await configured();
    kms.faults.outage();
    const configuring = keyStoreWith().configure(monthly, onlyIfChanged);
    await expect(configuring).rejects.toMatchObject({ code: "ERR_TEST_FAILED", retryable: true });
  });

  it("takes no forged head's word for it", async () => {
    const { keyStore, keyStoreWith, store, clock } = await configured();
    await plantForgedHead(store, { periodicKeyChange: "never" });
    clock.advance(61_000);
    const refusal = { code: "ERR_KEY_PAIR_UNTRUSTED" };
    for (const worker of [keyStore, keyStoreWith()]) {
      const never = worker.configure({ ...monthly, periodicKeyChange: "never" }, onlyIfChanged);
      await expect(never).rejects.toMatchObject(refusal);
      // Not even for what is in use: the others may not see it.
      await expect(worker.configure(monthly, onlyIfChanged)).rejects.toMatchObject(refusal);
    }
  });

  it("still refuses an alias that is not covered", async () => {
    const { keyStore, keyStoreWith } = await configured();
    const strict = keyStoreWith({ trustedKmsKeys: ["999999999999"] });
    await expect(strict.configure(monthly, onlyIfChanged)).rejects.toMatchObject({ field: "kmsKeyAliasArn" });
    const bad = keyStore.configure(monthly, { onlyIfChanged: "yes" as never });
    await expect(bad).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: "onlyIfChanged" });
  });

  it("is an administrator's too", async () => {
    const { keyStore } = await configured();
    const administration = keyStore.administration(["recording:encryptionKey:edit"]);
    expect(await administration.configure(monthly, onlyIfChanged)).toMatchObject({ changed: false });
  });
});

describe("the reason of a key pair", () => {
  it("tells why each was made, to every worker", async () => {
    const { keyStore, keyStoreWith, clock } = setup({ background: false });
    await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
    expect(await keyStore.rotate()).toMatchObject({ reason: "on-demand" });
    clock.advance(2 * 86_400_000);
    expect(await keyStore.rotateIfDue()).toMatchObject({ rotated: true, keyPair: { reason: "schedule" } });
    clock.advance(2 * 86_400_000);
    const recorder = keyStoreWith({ background: true });
    await recorder.encryptRecording(audio, recording);
    await expect.poll(() => sequencesOf(recorder)).toEqual([4, 3, 2, 1]);
    await keyStore.configure(monthly);
    const reasons = ["configure", "schedule", "schedule", "on-demand", "configure"];
    for (const worker of [keyStore, keyStoreWith()]) {
      expect((await worker.keyPairs()).items.map(({ reason }) => reason)).toEqual(reasons);
    }
  });
});

describe("configure() with newHistory", () => {
  const newHistory = { newHistory: true };

  it("goes on from the pair in use where the head is forged, and every worker follows", async () => {
    const { keyStore, keyStoreWith, store, clock } = await configured({ background: false });
    const other = keyStoreWith();
    for (const worker of [keyStore, other]) await worker.encryptRecording(audio, recording);
    const { body } = await keyStore.encryptRecording(audio, recording);
    await plantForgedHead(store, { sequence: 2 ** 53 - 2 });
    clock.advance(61_000);
    await expect(keyStore.configure(monthly)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect(await keyStore.configure(monthly, newHistory)).toMatchObject({ changed: true, keyPair: { sequence: 2 } });
    expect(await other.rotate()).toMatchObject({ sequence: 3 });
    expect(await keyStoreWith().rotate()).toMatchObject({ sequence: 4 });
    expect(await sequencesOf(keyStore)).toEqual([4, 3, 2, 1]);
    expect(audio.equals((await keyStore.decryptRecording(body, recording)).body)).toBe(true);
  });

  it("goes on from the pair in use where the store was rolled back", async () => {
    const { keyStore, store } = await configured({ background: false });
    const { document } = (await store.readHead(organizationId))!;
    await keyStore.rotate();
    await store.swapHead(organizationId, (await store.readHead(organizationId))!.revision, document);
    expect(await keyStore.configure(monthly, newHistory)).toMatchObject({ keyPair: { sequence: 3 } });
    expect(await sequencesOf(keyStore)).toEqual([3, 2, 1]);
  });

  it("begins anew where nobody vouches for any pair; who knows of the old ones is told first", async () => {
    const { keyStore, keyStoreWith, store, clock } = await configured({ background: false });
    await keyStore.rotate();
    const hostile = forging(store, () => ({ publicKey: foreignPublicKey }), { listed: true });
    const fresh = keyStoreWith({ store: hostile });
    await expect(fresh.configure(monthly)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect(await fresh.configure(monthly, newHistory)).toMatchObject({ changed: true, keyPair: { sequence: 1 } });
    clock.advance(61_000);
    await expect(keyStore.rotate()).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    await keyStore.acceptRestoredStore();
    expect(await keyStore.rotate()).toMatchObject({ sequence: 2 });
  });

  it("goes on from a head that is vouched for, as without it", async () => {
    const { keyStore, keyStoreWith } = await configured({ background: false });
    await keyStoreWith().rotate();
    expect(await keyStore.configure(monthly, newHistory)).toMatchObject({ keyPair: { sequence: 3 } });
    expect(await sequencesOf(keyStore)).toEqual([3, 2, 1]);
  });

  it("leaves no head behind that KMS could not be asked about, since it may be genuine", async () => {
    const { keyStore, keyStoreWith, store, provider } = await configured({ background: false });
    const kms = provider();
    const decrypt = kms.decrypt.bind(kms);
    const unheard: { digest?: string } = {};
    kms.decrypt = (request, options) => {
      if (request.encryptionContext["recording-keystore:birth-record"] !== unheard.digest)
        return decrypt(request, options);
      return Promise.reject(kmsError("unreachable", { operation: "Decrypt", message: "no route to KMS" }));
    };
    const lagging = keyStoreWith({ kms });
    await lagging.encryptRecording(audio, recording);
    unheard.digest = (await keyStore.rotate()).digest;
    const before = await store.readHead(organizationId);
    const configuring = lagging.configure(monthly, newHistory);
    await expect(configuring).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE", retryable: true });
    expect(await store.readHead(organizationId)).toEqual(before);
  });

  it("leaves everything as it was while KMS or store is away", async () => {
    const { keyStore, kms, store, clock } = await configured({ background: false });
    await plantForgedHead(store);
    clock.advance(61_000);
    const before = await store.readHead(organizationId);
    kms.faults.outage();
    await expect(keyStore.configure(monthly, newHistory)).rejects.toMatchObject({ code: "ERR_TEST_FAILED" });
    kms.faults.heal();
    const readHead = store.readHead.bind(store);
    store.readHead = () => Promise.reject(new Error("no route to store"));
    await expect(keyStore.configure(monthly, newHistory)).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    expect(await readHead(organizationId)).toEqual(before);
  });
});
