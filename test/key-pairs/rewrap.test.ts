import { randomBytes } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import type { KmsProvider } from "../../src/index.js";
import { DataKeys } from "../../src/key-pairs/data-keys.js";
import { byAnyWrapping, storedWrapping } from "../../src/key-pairs/further-wrappings.js";
import type { KeyPair, KmsCiphertext } from "../../src/key-pairs/key-pair.js";
import { KeyTrust } from "../../src/key-pairs/key-trust.js";
import { rewrapKeyPairs } from "../../src/key-pairs/rewrap.js";
import { TrustAnchor } from "../../src/kms/trust-anchor.js";
import { accountId, homeRegion, kmsKeyAliasArn, organizationId, world } from "./world.js";

/** A pair under a first KMS key, and the active one under a second, to which the alias was moved. */
async function moved() {
  const parts = world();
  const { pair: earlier, rotation, context } = await parts.configured();
  const moveAlias = async (): Promise<KeyPair> => {
    parts.kms.pointAlias(kmsKeyAliasArn, parts.kms.createKey({ accountId, region: homeRegion }));
    return rotation.change({});
  };
  const active = await moveAlias();
  parts.kms.journal.clear();
  return { ...parts, context, earlier, active, moveAlias, stored: () => parts.store.listWrappings(organizationId, earlier.birth.keyPairId) };
}

/** A provider some of whose answers are a test's own, and whether all that it saw in the clear is zeros again. */
function altered(provider: KmsProvider, { encrypt, decrypt }: { encrypt?: (keyArn: string) => string; decrypt?: (plaintext: Uint8Array, keyId: string, encrypted: boolean) => Uint8Array }) {
  const secrets: Uint8Array[] = [];
  let encrypted = false;
  const kms: KmsProvider = {
    describeKey: provider.describeKey.bind(provider),
    generateDataKeyPair: provider.generateDataKeyPair.bind(provider),
    encrypt: async (request, options) => {
      secrets.push(request.plaintext);
      const answer = await provider.encrypt(request, options);
      encrypted = true;
      return { ...answer, keyArn: encrypt?.(answer.keyArn) ?? answer.keyArn };
    },
    decrypt: async (request, options) => {
      const answer = await provider.decrypt(request, options);
      const plaintext = decrypt?.(answer.plaintext, request.keyId, encrypted) ?? answer.plaintext;
      secrets.push(plaintext);
      return { ...answer, plaintext };
    },
  };
  return { kms, allWiped: () => secrets.length > 0 && secrets.every((secret) => secret.every((byte) => byte === 0)) };
}

describe("rewrapping a pair", () => {
  it("costs KMS a Decrypt, an Encrypt and a Decrypt, and later one Decrypt; what was seen in the clear is wiped", async () => {
    const { provider, kms, worker, active, stored } = await moved();
    const { kms: watched, allWiped } = altered(provider, {});
    const { context } = worker({ kms: watched });
    expect(await rewrapKeyPairs(context, active)).toMatchObject({ complete: true, rewrapped: 1, already: 1 });
    const operations = () => kms.journal.calls().map(({ operation }) => operation);
    expect(operations()).toEqual(["Decrypt", "Decrypt", "Encrypt", "Decrypt"]); // the active pair's first
    kms.journal.clear();
    expect(await rewrapKeyPairs(context, active)).toMatchObject({ complete: true, rewrapped: 0, already: 2 });
    expect([operations(), (await stored()).length, allWiped()]).toEqual([["Decrypt", "Decrypt"], 1, true]);
  });

  it("under one KMS key says nothing about another", async () => {
    const { context, active, moveAlias, stored } = await moved();
    await rewrapKeyPairs(context, active);
    const next = await moveAlias();
    expect(await rewrapKeyPairs(context, next)).toMatchObject({ complete: true, kmsKeyArn: next.wrapping.kmsKeyArn, rewrapped: 2, already: 1 });
    expect(await rewrapKeyPairs(context, next)).toMatchObject({ rewrapped: 0, already: 3 });
    expect(await stored()).toHaveLength(2);
  });

  it("of an organization that has none is soon done", async () => {
    const { active } = await moved();
    const { context } = world().worker();
    expect(await rewrapKeyPairs(context, active)).toEqual({ complete: true, kmsKeyArn: active.wrapping.kmsKeyArn, rewrapped: 0, already: 0, failed: [] });
  });

  type Lie = Parameters<typeof altered>[1];
  const notPrivateHalf = /^key pair .+: what KMS unwrapped is not the private half of its public key$/;
  const another = /^key pair .+: KMS unwrapped another private key than the one it was given$/;
  it.each<[what: string, lie: (newKeyArn: string) => Lie, message: RegExp]>([
    ["unwraps another private half", (arn) => ({ decrypt: (own, keyId) => (keyId === arn ? own : randomBytes(32)) }), notPrivateHalf],
    ["unwraps what is none", (arn) => ({ decrypt: (own, keyId) => (keyId === arn ? own : randomBytes(31)) }), notPrivateHalf],
    ["gives another one back", () => ({ decrypt: (own, _keyId, encrypted) => (encrypted ? randomBytes(32) : own) }), another],
    ["gives a shorter one back", () => ({ decrypt: (own, _keyId, encrypted) => (encrypted ? own.subarray(0, 31) : own) }), another],
  ])("stores nothing where KMS %s, and says so", async (_what, lie, message) => {
    const { provider, worker, earlier, active, stored } = await moved();
    const { kms, allWiped } = altered(provider, lie(active.wrapping.kmsKeyArn));
    const report = await rewrapKeyPairs(worker({ kms }).context, active);
    const error = { code: "ERR_KEY_PAIR_UNTRUSTED", message: expect.stringMatching(message) };
    expect(report).toMatchObject({ complete: false, failed: [{ keyPairId: earlier.birth.keyPairId, sequence: 1, error }] });
    expect([await stored(), allWiped()]).toEqual([[], true]);
  });

  it("stores nothing where KMS wraps it under another key, and goes no further", async () => {
    const { provider, worker, active, stored } = await moved();
    const foreign = `arn:aws:kms:${homeRegion}:${accountId}:key/another`;
    const { kms, allWiped } = altered(provider, { encrypt: () => foreign });
    const { kmsKeyArn } = active.wrapping;
    const error = { kind: "unexpected-answer", operation: "Encrypt", keyId: kmsKeyArn, message: `KMS answered Encrypt for ${kmsKeyArn} with the key "${foreign}"` };
    await expect(rewrapKeyPairs(worker({ kms }).context, active)).rejects.toMatchObject(error);
    expect([await stored(), allWiped()]).toEqual([[], true]);
  });

  it("takes no wrapping for good that opens to another private half", async () => {
    const { context, provider, earlier, active, store } = await moved();
    const { birth } = earlier;
    const encryptionContext = { [birth.contextKeyName]: organizationId, "recording-keystore:purpose": "private-key", "recording-keystore:birth-record": earlier.digest.toString("base64url") };
    const { kmsKeyArn } = active.wrapping;
    const { ciphertext } = await provider.encrypt({ keyId: kmsKeyArn, plaintext: randomBytes(32), encryptionContext });
    await store.createWrapping(organizationId, birth.keyPairId, storedWrapping(earlier, { kmsKeyArn, ciphertext: Buffer.from(ciphertext) }));
    const { failed, already } = await rewrapKeyPairs(context, active);
    expect(already).toBe(1);
    expect(failed).toMatchObject([{ keyPairId: birth.keyPairId, error: { code: "ERR_KEY_PAIR_UNTRUSTED", message: `key pair ${birth.keyPairId}: its public key is not that of its private half` } }]);
  });
});

describe("further wrappings", () => {
  it("that can't be read leave the refusal of the pair's own KMS key what it is", async () => {
    const { context, kms, earlier, store } = await moved();
    vi.spyOn(store, "listWrappings").mockRejectedValue(new Error("no route to store"));
    kms.disableKey(earlier.wrapping.kmsKeyArn);
    const attempt = ({ kmsKeyArn, ciphertext }: KmsCiphertext) => context.decryptionUnder(kmsKeyArn)({ ciphertext, encryptionContext: {} });
    await expect(byAnyWrapping(context, earlier, attempt)).rejects.toMatchObject({ code: "ERR_KMS_REFUSED", kind: "key-disabled" });
  });

  it("are what a pair is opened by that the anchor covers no more, also where its private half is in memory", async () => {
    const { context, worker, earlier, active, stored, store } = await moved();
    const recipient = { birthRecord: earlier.birthRecord, wrappedDataKey: earlier.wrappingKey.wrap(randomBytes(32)) };
    const { lease } = await new DataKeys(context, undefined).lease([recipient]);
    lease.release();
    // Another key store of the process, whose custody is the same.
    const strict = new DataKeys(worker({ custody: context.custody, trust: new KeyTrust(new TrustAnchor([active.wrapping.kmsKeyArn])) }).context, undefined);
    const opening = () => strict.lease([recipient]);
    await expect(opening()).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    await rewrapKeyPairs(context, active);
    expect(await stored()).toHaveLength(1);
    const opened = await opening();
    expect(opened.keyPairId).toBe(earlier.birth.keyPairId);
    opened.lease.release();
    vi.spyOn(store, "listWrappings").mockResolvedValue([]);
    await expect(opening()).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  });
});
