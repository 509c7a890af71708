import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { bornWith, foreignPublicKey, forging, plantForgedHead, type Forgery } from "../support/forgery.js";
import { accountId, configured, homeRegion, kmsKeyAliasArn, organizationId, overridden } from "../support/setup.js";

const audio = randomBytes(1_000);
const recording = { recordingId: "r" };
const noise = randomBytes(200);

/** Forgeries of the active pair; of some only KMS can tell that they are. */
const forgeries: { name: string; forge: Forgery; onlyKmsCanTell?: true }[] = [
  { name: "with another public key", forge: () => ({ publicKey: foreignPublicKey }), onlyKmsCanTell: true },
  {
    name: "with an attestation of nothing",
    forge: ({ attestation }) => ({ attestation: { ...attestation, ciphertext: noise } }),
    onlyKmsCanTell: true,
  },
  { name: "with a public key of low order", forge: () => ({ publicKey: Buffer.alloc(32) }) },
  {
    name: "under a key of another account",
    forge: ({ attestation }) => ({
      attestation: { ...attestation, kmsKeyArn: `arn:aws:kms:${homeRegion}:999999999999:key/x` },
    }),
  },
  {
    name: "under a key of another Region",
    forge: ({ wrapping }) => ({ wrapping: { ...wrapping, kmsKeyArn: `arn:aws:kms:us-east-1:${accountId}:key/x` } }),
  },
  {
    name: "with another birth record",
    forge: (pair) => ({ birthRecord: bornWith(pair, { periodicKeyChange: "never" }) }),
  },
  { name: "with a birth record that is none", forge: () => ({ birthRecord: Buffer.from("none") }) },
  { name: "made for a test", forge: (pair) => ({ birthRecord: bornWith(pair, { purpose: "test" }) }) },
];

describe("a fresh host whose store forges the active pair", () => {
  it.each(forgeries)("goes on with the genuine one, and says so: $name", async ({ forge }) => {
    const { store, keyStore, keyStoreWith, kms, clock } = await configured();
    const { keyPairId } = await keyStore.encryptRecording(audio, recording);
    const fresh = keyStoreWith({ store: forging(store, forge) });
    const events: unknown[] = [];
    fresh.on("keyPairUntrusted", (event) => events.push(event));
    const used = { keyPairId, usedLastKnownKey: true, confirmation: "confirmed" };
    const encrypted = await fresh.encryptRecording(audio, recording);
    expect(encrypted).toMatchObject(used);
    expect(audio.equals((await keyStore.decryptRecording(encrypted.body, recording)).body)).toBe(true);
    expect((await fresh.status()).storeError).toMatchObject({
      code: expect.stringMatching(/UNTRUSTED|FORMAT_INVALID/),
    });
    expect(events).toHaveLength(1);
    kms.faults.outage();
    clock.advance(61_000);
    expect(await fresh.encryptRecording(audio, recording)).toMatchObject(used);
  });

  it.each(forgeries)(
    "encrypts nothing where there is no genuine one, KMS away or not: $name",
    async ({ forge, onlyKmsCanTell }) => {
      const { store, keyStoreWith, kms, clock } = await configured();
      const hostile = forging(store, forge, { listed: true });
      const fresh = keyStoreWith({ store: hostile });
      const refusal = { code: expect.stringMatching(/^ERR_(KEY_PAIR_UNTRUSTED|FORMAT_INVALID)$/) };
      await expect(fresh.encryptRecording(audio, recording)).rejects.toMatchObject(refusal);
      kms.faults.outage();
      clock.advance(61_000);
      await expect(fresh.encryptRecording(audio, recording)).rejects.toMatchObject(refusal);
      // A process that could not ask KMS before the outage: it sees all but what KMS alone can tell.
      const unwarned = keyStoreWith({ store: hostile }).encryptRecording(audio, recording);
      if (onlyKmsCanTell) expect(await unwarned).toMatchObject({ confirmation: "unconfirmed", usedLastKnownKey: true });
      else await expect(unwarned).rejects.toMatchObject(refusal);
      const strict = keyStoreWith({ store: hostile, requireConfirmedKey: true }).encryptRecording(audio, recording);
      await expect(strict).rejects.toMatchObject(
        onlyKmsCanTell ? { code: "ERR_KEY_UNCONFIRMED", retryable: true } : refusal,
      );
    },
  );

  it.each([
    { name: "under the genuine one's KMS key", change: {} },
    { name: "with a context key name that the policy denies", change: { contextKeyName: "tenant" } },
    {
      name: "under an alias of another account",
      change: { kmsKeyAliasArn: kmsKeyAliasArn.replace(accountId, "999999999999") },
    },
  ])("goes on with the genuine one where the head names a pair of the forger's: $name", async ({ change }) => {
    const { store, keyStore, keyStoreWith } = await configured();
    const { keyPairId } = await keyStore.encryptRecording(audio, recording);
    await plantForgedHead(store, change);
    const fresh = keyStoreWith();
    expect(await fresh.encryptRecording(audio, recording)).toMatchObject({
      keyPairId,
      usedLastKnownKey: true,
      confirmation: "confirmed",
    });
    expect(await fresh.status()).toMatchObject({
      activeKeyPair: { keyPairId },
      claimed: { keyPair: { keyPairId: "forged", active: false } },
      storeError: { code: "ERR_KEY_PAIR_UNTRUSTED" },
    });
    expect(await fresh.keyPairs()).toMatchObject({
      items: [{ keyPairId, active: true }],
      storeError: { code: "ERR_KEY_PAIR_UNTRUSTED" },
    });
  });

  it("encrypts nothing where the store gives another organization's pair", async () => {
    const { store, keyStoreWith } = await configured();
    const swapped = overridden(store, {
      readHead: () => store.readHead(organizationId),
      readKeyPair: (_: string, id: string) => store.readKeyPair(organizationId, id),
      listKeyPairs: (_: string, query) => store.listKeyPairs(organizationId, query),
    });
    const other = keyStoreWith({ organizationId: "org-2", store: swapped });
    await expect(other.encryptRecording(audio, recording)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  });
});

describe("a fresh host, whom nobody has told anything", () => {
  type Parts = Awaited<ReturnType<typeof configured>>;
  const refusals: { kind: string; begin: (parts: Parts) => unknown; end?: (parts: Parts) => unknown }[] = [
    { kind: "access-denied", begin: ({ kms }) => kms.faults.accessDenied(), end: ({ kms }) => kms.faults.heal() },
    {
      kind: "key-disabled",
      begin: ({ kms, keyArn }) => kms.disableKey(keyArn),
      end: ({ kms, keyArn }) => kms.enableKey(keyArn),
    },
    { kind: "key-pending-deletion", begin: ({ kms, keyArn }) => kms.scheduleKeyDeletion(keyArn) },
    {
      kind: "key-not-found",
      begin: ({ kms, keyArn, clock }) => {
        kms.scheduleKeyDeletion(keyArn, 7);
        clock.advance(8 * 86_400_000);
      },
    },
  ];

  it.each(refusals)(
    "encrypts nothing while KMS refuses, says what to set up, and goes on by itself: $kind",
    async ({ kind, begin, end }) => {
      const parts = await configured();
      begin(parts);
      const fresh = parts.keyStoreWith();
      const error: unknown = await fresh.encryptRecording(audio, recording).catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        code: "ERR_KEY_UNCONFIRMED",
        retryable: true,
        cause: { code: "ERR_KMS_REFUSED", kind },
      });
      expect((error as Error).message).toMatch(/lastConfirmed.*fleetSecret/);
      const status = await fresh.status();
      expect(status).toMatchObject({
        configured: true,
        claimed: { keyPair: { sequence: 1, active: false } },
        storeError: { code: "ERR_KEY_UNCONFIRMED" },
      });
      expect(status).not.toHaveProperty("activeKeyPair");
      if (!end) return;
      end(parts);
      expect(await fresh.encryptRecording(audio, recording)).toMatchObject({
        confirmation: "confirmed",
        usedLastKnownKey: false,
      });
    },
  );

  it("waits for a KMS that is slow, and not for confirmTimeout", async () => {
    const { kms, keyStoreWith } = await configured();
    kms.faults.latency(100);
    const fresh = keyStoreWith({ confirmTimeout: 1 });
    expect(await fresh.encryptRecording(audio, recording)).toMatchObject({
      confirmation: "confirmed",
      usedLastKnownKey: false,
    });
  });

  it("needs an anchor to use a stored pair while KMS is away", async () => {
    const { kms, keyStoreWith } = await configured();
    kms.faults.outage();
    expect(await keyStoreWith().encryptRecording(audio, recording)).toMatchObject({ confirmation: "unconfirmed" });
    const trusting = keyStoreWith({ trustedKmsKeys: undefined as never });
    await expect(trusting.encryptRecording(audio, recording)).rejects.toMatchObject({
      code: "ERR_KEY_UNCONFIRMED",
      retryable: true,
    });
  });

  it("shows nothing as active in status() that nobody has been asked about", async () => {
    const { keyStoreWith } = await configured({ lastConfirmed: new MemoryLastConfirmedStore() });
    const fresh = keyStoreWith({ lastConfirmed: new MemoryLastConfirmedStore() });
    const before = await fresh.status();
    expect(before).toMatchObject({
      configured: true,
      claimed: { configuration: { kmsKeyAliasArn }, keyPair: { sequence: 1 } },
    });
    expect(Object.keys(before)).not.toEqual(
      expect.arrayContaining(["activeKeyPair", "configuration", "confirmation", "vouchedBy"]),
    );
    await fresh.encryptRecording(audio, recording);
    const after = await fresh.status();
    expect(after).toMatchObject({
      configured: true,
      activeKeyPair: { sequence: 1, active: true },
      vouchedBy: "kms",
      confirmation: "confirmed",
    });
    expect(after).not.toHaveProperty("claimed");
  });
});

describe("a process that knows a confirmed pair", () => {
  it("goes on with it, and says so", async () => {
    const { store, keyStore, keyStoreWith, clock } = await configured({ background: false });
    const first = await keyStore.encryptRecording(audio, recording);
    await keyStoreWith().rotate();
    const hostile = forging(store, () => ({ publicKey: foreignPublicKey }));
    store.readKeyPair = (...args) => hostile.readKeyPair(...args);
    clock.advance(61_000);
    expect(await keyStore.encryptRecording(audio, recording)).toMatchObject({
      keyPairId: first.keyPairId,
      usedLastKnownKey: true,
    });
    expect((await keyStore.status()).storeError).toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    // That KMS still vouches for the old pair says nothing of the new one.
    expect(await keyStore.confirm()).toMatchObject({
      usedLastKnownKey: true,
      storeError: { code: "ERR_KEY_PAIR_UNTRUSTED" },
    });
  });
});

describe("documents from a newer library", () => {
  it("are refused, not misread: a fresh host records with the newest pair that KMS vouches for, flagged", async () => {
    const { store, keyStoreWith } = await configured();
    const head = await store.readHead(organizationId);
    const document = JSON.parse(Buffer.from(head?.document ?? []).toString()) as object;
    for (const change of [{ version: 2 }, { critical: ["quorum"], quorum: 2 }]) {
      store.readHead = () =>
        Promise.resolve({ revision: "1", document: Buffer.from(JSON.stringify({ ...document, ...change })) });
      const keyStore = keyStoreWith();
      expect(await keyStore.encryptRecording(audio, recording)).toMatchObject({
        confirmation: "confirmed",
        usedLastKnownKey: true,
      });
      expect(await keyStore.status()).toMatchObject({ storeError: { code: "ERR_FORMAT_TOO_NEW" } });
      await expect(keyStore.rotate()).rejects.toMatchObject({ code: "ERR_FORMAT_TOO_NEW" });
    }
  });
});

describe("without trustedKmsKeys", () => {
  it("the first alias is trusted, and status says so", async () => {
    const { keyStore } = await configured({ trustedKmsKeys: undefined as never });
    expect((await keyStore.status()).trust).toEqual({ kind: "first-use", kmsKeyAliasArn });
  });

  it("a configure() that fails leaves trust on first use as it was", async () => {
    const { keyStore, kms, store } = await configured({ trustedKmsKeys: undefined as never });
    const policy = {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:*", Resource: "*" }],
    };
    const key = kms.createKey({ accountId: "444455556666", region: homeRegion, policy, alias: "alias/elsewhere" });
    const swapHead = store.swapHead.bind(store);
    store.swapHead = () => Promise.reject(new Error("no route to store"));
    const elsewhere = { kmsKeyAliasArn: key.replace(/key\/.*/, "alias/elsewhere") };
    await expect(keyStore.configure(elsewhere)).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    store.swapHead = swapHead;
    expect((await keyStore.status()).trust).toEqual({ kind: "first-use", kmsKeyAliasArn });
    expect((await keyStore.rotate()).sequence).toBe(2);
  });
});

describe("a KMS provider that unwraps another key than it was given", () => {
  it("is not believed", async () => {
    const { provider, keyStoreWith, keyStore } = await configured();
    const { body } = await keyStore.encryptRecording(audio, recording);
    const genuine = provider();
    const lying = keyStoreWith({
      kms: {
        describeKey: (...args) => genuine.describeKey(...args),
        encrypt: (...args) => genuine.encrypt(...args),
        generateDataKeyPair: (...args) => genuine.generateDataKeyPair(...args),
        decrypt: async (request, options) => {
          const answer = await genuine.decrypt(request, options);
          return request.encryptionContext["recording-keystore:purpose"] === "private-key"
            ? { ...answer, plaintext: randomBytes(32) }
            : answer;
        },
      },
    });
    await expect(lying.rotate()).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    await expect(lying.decryptRecording(body, recording)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect((await keyStore.keyPairs()).items).toHaveLength(1);
  });
});
