import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { decodeDocument, encodeDocument } from "../../src/key-pairs/documents.js";
import { importUnwrappingKey } from "../../src/key-pairs/key-wrapping.js";
import type { KeyPairStore, StoredKeyPair } from "../../src/index.js";
import { MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { accountId, configured, homeRegion, kmsKeyAliasArn, organizationId, overridden } from "../support/setup.js";

const audio = randomBytes(1_000);

/** A store in the hands of somebody who may write to it. */
function changing(store: KeyPairStore, change: (document: ReturnType<typeof pairDocument>) => Partial<ReturnType<typeof pairDocument>>): KeyPairStore {
  const readKeyPair = store.readKeyPair.bind(store);
  return overridden(store, {
    readKeyPair: async (...args) => {
      const pair = await readKeyPair(...args);
      if (!pair) return undefined;
      const document = pairDocument(pair);
      return { ...pair, document: encodeDocument("keyPair", { ...document, ...change(document) }) };
    },
  });
}

const pairDocument = (pair: StoredKeyPair) => decodeDocument("keyPair", pair.document, "pair");
const attackersPublicKey = importUnwrappingKey("X25519", randomBytes(32)).publicKey;

describe("whoever can write to the store can't choose a key", () => {
  it.each([
    ["another public key", () => ({ publicKey: attackersPublicKey })],
    ["a public key of low order", () => ({ publicKey: Buffer.alloc(32) })],
    ["an attestation of nothing", (document: { attestation: { kmsKeyArn: string } }) => ({ attestation: { ...document.attestation, ciphertext: randomBytes(200) } })],
    ["a key of another account", (document: { attestation: { ciphertext: Buffer } }) => ({ attestation: { ...document.attestation, kmsKeyArn: `arn:aws:kms:${homeRegion}:999999999999:key/x` } })],
    ["a key of another Region", (document: { wrapping: { ciphertext: Buffer } }) => ({ wrapping: { ...document.wrapping, kmsKeyArn: `arn:aws:kms:us-east-1:${accountId}:key/x` } })],
    ["another birth record", (document: { birthRecord: Buffer }) => ({ birthRecord: Buffer.from(document.birthRecord.toString("latin1").replace("monthly", "never\0\0"), "latin1") })],
  ] as const)("%s", async (_, change) => {
    const { store, keyStoreWith, kms } = await configured();
    const fresh = keyStoreWith({ store: changing(store, change) });
    const events: unknown[] = [];
    fresh.on("keyPairUntrusted", (event) => events.push(event));
    await expect(fresh.encryptRecording(audio, { recordingId: "r" })).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(KEY_PAIR_UNTRUSTED|FORMAT_TOO_NEW|FORMAT_INVALID)$/) });
    expect(events.length).toBeGreaterThan(0);
    // Not even while KMS is away does an untrusted key serve as a fallback.
    kms.faults.outage();
    const during = await fresh.encryptRecording(audio, { recordingId: "r" }).catch((error: unknown) => error);
    if (_ === "another public key" || _ === "an attestation of nothing") return; // without KMS nobody can tell: flagged, see below
    expect(during).toMatchObject({ code: expect.stringMatching(/^ERR_/) });
  });

  it("what only KMS could unmask is flagged unconfirmed during an outage, and refused with requireConfirmedKey", async () => {
    const { store, keyStoreWith, kms } = await configured();
    const hostile = changing(store, () => ({ publicKey: attackersPublicKey }));
    kms.faults.outage();
    expect(await keyStoreWith({ store: hostile }).encryptRecording(audio, { recordingId: "r" })).toMatchObject({ confirmation: "unconfirmed", usedLastKnownKey: true });
    await expect(keyStoreWith({ store: hostile, requireConfirmedKey: true }).encryptRecording(audio, { recordingId: "r" })).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED" });
  });

  it("a process that knows a confirmed pair goes on with it, and says so", async () => {
    const { store, keyStore, keyStoreWith, clock } = await configured({ background: false });
    const first = await keyStore.encryptRecording(audio, { recordingId: "r" });
    await keyStoreWith().rotate();
    const hostile = changing(store, () => ({ publicKey: attackersPublicKey }));
    store.readKeyPair = (...args) => hostile.readKeyPair(...args);
    clock.advance(61_000);
    expect(await keyStore.encryptRecording(audio, { recordingId: "r" })).toMatchObject({ keyPairId: first.keyPairId, usedLastKnownKey: true });
    expect((await keyStore.status()).storeError).toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    // That KMS still vouches for the old pair says nothing of the new one.
    expect(await keyStore.confirm()).toMatchObject({ usedLastKnownKey: true, storeError: { code: "ERR_KEY_PAIR_UNTRUSTED" } });
  });

  it("a pair of another organization is refused", async () => {
    const { store, keyStoreWith } = await configured();
    const swapped = overridden(store, {
      readHead: () => store.readHead(organizationId),
      readKeyPair: (_: string, id: string) => store.readKeyPair(organizationId, id),
    });
    await expect(keyStoreWith({ organizationId: "org-2", store: swapped }).encryptRecording(audio, { recordingId: "r" })).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  });

  it("a test pair never becomes active", async () => {
    const { keyStoreWith, store } = await configured();
    const asTest = changing(store, ({ birthRecord }) => ({ birthRecord: Buffer.from(birthRecord.toString("latin1").replace("\x00\x08key-pair", "\x00\x04test"), "latin1") }));
    await expect(keyStoreWith({ store: asTest }).encryptRecording(audio, { recordingId: "r" })).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  });
});

describe("a store that was rolled back", () => {
  async function rolledBack() {
    const lastConfirmed = new MemoryLastConfirmedStore();
    const parts = await configured({ lastConfirmed, background: false });
    const old = await parts.store.readHead(organizationId);
    const second = await parts.keyStore.rotate();
    if (!old) throw new Error("no head");
    parts.store.readHead = () => Promise.resolve(old);
    return { ...parts, second };
  }

  it("is refused, in this process and after a restart of this host; the newer pair stays in use", async () => {
    const { keyStore, keyStoreWith, clock, second } = await rolledBack();
    clock.advance(61_000);
    for (const each of [keyStore, keyStoreWith()]) {
      expect(await each.encryptRecording(audio, { recordingId: "r" })).toMatchObject({ keyPairId: second.keyPairId, usedLastKnownKey: true });
      expect((await each.status()).storeError).toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
      await expect(each.rotate()).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    }
  });

  it("is taken once the operator says so", async () => {
    const { keyStore, second, clock } = await rolledBack();
    clock.advance(61_000);
    const status = await keyStore.acceptRestoredStore();
    expect(status.activeKeyPair?.sequence).toBe(1);
    expect((await keyStore.encryptRecording(audio, { recordingId: "r" })).keyPairId).not.toBe(second.keyPairId);
  });
});

it("documents from a newer library are refused, not misread", async () => {
  const { store, keyStoreWith } = await configured();
  const head = await store.readHead(organizationId);
  const document = JSON.parse(Buffer.from(head?.document ?? []).toString()) as object;
  for (const change of [{ version: 2 }, { critical: ["quorum"], quorum: 2 }]) {
    store.readHead = () => Promise.resolve({ revision: "1", document: Buffer.from(JSON.stringify({ ...document, ...change })) });
    await expect(keyStoreWith().encryptRecording(audio, { recordingId: "r" })).rejects.toMatchObject({ code: "ERR_FORMAT_TOO_NEW" });
  }
});

it("without trustedKmsKeys the first alias is trusted, and status says so", async () => {
  const { keyStore } = await configured({ trustedKmsKeys: undefined as never });
  expect((await keyStore.status()).trust).toEqual({ kind: "first-use", kmsKeyAliasArn });
});

it("a configure() that fails leaves trust on first use as it was", async () => {
  const { keyStore, kms, store } = await configured({ trustedKmsKeys: undefined as never });
  const policy = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:*", Resource: "*" }] };
  const elsewhere = kms.createKey({ accountId: "444455556666", region: homeRegion, policy, alias: "alias/elsewhere" }).replace(/key\/.*/, "alias/elsewhere");
  const swapHead = store.swapHead.bind(store);
  store.swapHead = () => Promise.reject(new Error("no route to store"));
  await expect(keyStore.configure({ kmsKeyAliasArn: elsewhere })).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
  store.swapHead = swapHead;
  expect((await keyStore.status()).trust).toEqual({ kind: "first-use", kmsKeyAliasArn });
  expect((await keyStore.rotate()).sequence).toBe(2);
});

it("a KMS provider that unwraps another key than it was given is not believed", async () => {
  const { provider, keyStoreWith, keyStore } = await configured();
  const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
  const genuine = provider();
  const lying = keyStoreWith({
    kms: {
      describeKey: (...args) => genuine.describeKey(...args),
      encrypt: (...args) => genuine.encrypt(...args),
      generateDataKeyPair: (...args) => genuine.generateDataKeyPair(...args),
      decrypt: async (request, options) => {
        const answer = await genuine.decrypt(request, options);
        return request.encryptionContext["recording-keystore:purpose"] === "private-key" ? { ...answer, plaintext: randomBytes(32) } : answer;
      },
    },
  });
  await expect(lying.rotate()).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  await expect(lying.decryptRecording(body, { recordingId: "r" })).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  expect((await keyStore.keyPairs()).items).toHaveLength(1);
});
