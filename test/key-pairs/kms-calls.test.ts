import { createHash, createPublicKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { KmsProvider } from "../../src/index.js";
import { encodeBirthRecord } from "../../src/format/birth-record.js";
import { attestedDigest, claimedKeyPair, encryptionContextOf } from "../../src/key-pairs/key-pair.js";
import { KmsCalls, type NewKeyPair } from "../../src/key-pairs/kms-calls.js";
import { kmsError } from "../../src/kms/kms-error.js";
import { CheckedKmsProvider } from "../../src/kms/checked-kms-provider.js";
import { altered, decryptBy, isWiped, purposeOf, remembering } from "./altered-kms.js";
import { smallArray, type SmallArray } from "../support/small-array.js";
import { forRsa, homeRegion, kmsKeyAliasArn, organizationId, world } from "./world.js";

const request: NewKeyPair = {
  organizationId,
  sequence: 1,
  spec: "X25519",
  createdAt: 1,
  kmsKeyAliasArn,
  periodicKeyChange: "monthly",
  scheduleAnchor: 1,
  contextKeyName: "org",
  purpose: "key-pair",
  reason: "configure",
};

const callsOf = (provider: KmsProvider, methods: Partial<KmsProvider> = {}) =>
  new KmsCalls(new CheckedKmsProvider(altered(provider, methods), 30_000), [homeRegion]);

/** A pair that was just made, and calls to KMS that a test may answer. */
async function made(spec: NewKeyPair["spec"] = "X25519") {
  const parts = world(forRsa);
  const pair = await callsOf(parts.provider).make({ ...request, spec });
  parts.kms.journal.clear();
  const calls = (methods: Partial<KmsProvider> = {}) => callsOf(parts.provider, methods);
  return { ...parts, pair, calls };
}

const unexpected = (operation: string, keyId: string | undefined, message: string) => ({
  code: "ERR_KMS_UNAVAILABLE",
  kind: "unexpected-answer",
  operation,
  keyId,
  message: expect.stringContaining(message) as string,
});

describe("a plaintext in V8's heap", () => {
  it("is copied, and wiped where it is, for every call that decrypts", async () => {
    const { pair, provider, keyArn, calls } = await made();
    const given: SmallArray[] = [];
    const inHeap = calls({
      decrypt: async (...args) => {
        const answer = await provider.decrypt(...args);
        const plaintext = smallArray(answer.plaintext);
        given.push(plaintext);
        return { ...answer, plaintext };
      },
    });
    await inHeap.unwrap(pair, pair.wrapping);
    expect(await inHeap.attests(pair)).toBe(true);
    await inHeap.rewrap(pair, pair.wrapping, keyArn);
    expect(given).toHaveLength(4);
    for (const plaintext of given) {
      expect(plaintext.moved).toBe(false);
      expect(isWiped(plaintext)).toBe(true);
    }
  });
});

describe("making a pair", () => {
  it("has both ciphertexts made by the key of the alias, each under its own context and no more", async () => {
    const { kms, provider, keyArn } = world();
    const pair = await callsOf(provider).make(request);
    const name = createHash("sha256").update(pair.birthRecord).digest("base64url");
    const context = (purpose: string) => ({
      org: organizationId,
      "recording-keystore:purpose": purpose,
      "recording-keystore:birth-record": name,
    });
    expect(kms.journal.calls()).toMatchObject([
      { operation: "Encrypt", keyId: kmsKeyAliasArn, encryptionContext: context("private-key") },
      { operation: "Encrypt", keyId: keyArn, encryptionContext: context("attestation") },
    ]);
    expect(kms.journal.calls().map(({ encryptionContext }) => Object.keys(encryptionContext ?? {}))).toEqual([
      Object.keys(context("")),
      Object.keys(context("")),
    ]);
    expect(pair.digest.toString("base64url")).toBe(name);
  });

  it("gives a claim such as its record will be read", async () => {
    const { provider, keyArn } = world();
    const { wrappingKey, ...pair } = await callsOf(provider).make(request);
    const { birthRecord, publicKey, attestation, wrapping } = pair;
    const parts = { birthRecord, publicKey, attestation, wrapping };
    const { wrappingKey: read, ...claim } = claimedKeyPair(parts, { organizationId, what: "it" });
    expect(pair).toEqual(claim);
    expect(pair.birthRecord).toEqual(encodeBirthRecord({ ...request, keyPairId: pair.birth.keyPairId }));
    expect([attestation.kmsKeyArn, wrapping.kmsKeyArn]).toEqual([keyArn, keyArn]);
    expect([wrappingKey, read].map((key) => key.wrap(Buffer.alloc(32)).length)).toEqual([80, 80]);
  });

  it("gives each pair an id and a private half of its own", async () => {
    const { provider } = world();
    const pairs = [await callsOf(provider).make(request), await callsOf(provider).make(request)];
    expect(new Set(pairs.map(({ birth }) => birth.keyPairId)).size).toBe(2);
    expect(new Set(pairs.map(({ publicKey }) => publicKey.toString("hex"))).size).toBe(2);
  });

  it("of RSA is left to KMS, and the private half never seen", async () => {
    const { kms, provider, keyArn } = world(forRsa);
    const pair = await callsOf(provider).make({ ...request, spec: "RSA_2048" });
    const operations = kms.journal
      .calls()
      .map((call) => ({ name: call.operation, key: call.keyId, for: purposeOf(call) }));
    expect(operations).toEqual([
      { name: "GenerateDataKeyPairWithoutPlaintext", key: kmsKeyAliasArn, for: "private-key" },
      { name: "Encrypt", key: keyArn, for: "attestation" },
    ]);
    const publicKey = createPublicKey({ key: pair.publicKey, format: "der", type: "spki" });
    expect(publicKey.asymmetricKeyDetails?.modulusLength).toBe(2_048);
    expect(pair.wrappingKey.wrap(Buffer.alloc(32))).toHaveLength(256);
  });

  it.each([true, false])("wipes the private half, whether KMS has wrapped it or not: %s", async (answers) => {
    const { provider } = world();
    const given: Uint8Array[] = [];
    const sawZeros: boolean[] = [];
    const calls = callsOf(provider, {
      encrypt: async (asked, options) => {
        given.push(asked.plaintext);
        sawZeros.push(isWiped(asked.plaintext));
        if (!answers) throw kmsError("timeout", { operation: "Encrypt", message: "no" });
        return provider.encrypt(asked, options);
      },
    });
    await calls.make(request).catch(() => undefined);
    expect({ sawZeros: sawZeros[0], left: given[0] }).toEqual({ sawZeros: false, left: Buffer.alloc(32) });
  });

  it("keeps copies of what KMS answers", async () => {
    const { provider } = world(forRsa);
    const answers: Uint8Array[] = [];
    const calls = callsOf(provider, {
      encrypt: async (...args) => {
        const answer = await provider.encrypt(...args);
        answers.push(answer.ciphertext);
        return answer;
      },
      generateDataKeyPair: async (...args) => {
        const answer = await provider.generateDataKeyPair(...args);
        answers.push(answer.publicKey, answer.privateKeyCiphertext);
        return answer;
      },
    });
    const pair = await calls.make({ ...request, spec: "RSA_2048" });
    const { attestation, wrapping, publicKey } = pair;
    const before = [publicKey, wrapping.ciphertext, attestation.ciphertext].map((bytes) => Buffer.from(bytes));
    for (const answer of answers) answer.fill(0);
    expect([publicKey, wrapping.ciphertext, attestation.ciphertext]).toEqual(before);
  });

  const foreign = `arn:aws:kms:${homeRegion}:999999999999:key/1`;
  const elsewhere = kmsKeyAliasArn.replace(homeRegion, "eu-central-1").replace(/alias.*/, "key/1");
  describe.each([foreign, elsewhere, kmsKeyAliasArn, "no ARN"])("answered by the key %s", (keyArn) => {
    const message = (operation: string) =>
      `KMS answered ${operation} for ${kmsKeyAliasArn} with the key ${JSON.stringify(keyArn)}, ` +
      "which is not of the alias's account and Region";
    it.each(["private-key", "attestation"])("is not believed: Encrypt of the %s", async (purpose) => {
      const { provider } = world();
      const calls = callsOf(provider, {
        encrypt: async (asked, options) => {
          const answer = await provider.encrypt(asked, options);
          return purposeOf(asked) === purpose ? { ...answer, keyArn } : answer;
        },
      });
      const refused = unexpected("Encrypt", kmsKeyAliasArn, message("Encrypt"));
      await expect(calls.make(request)).rejects.toMatchObject(refused);
    });

    it("is not believed: a pair of RSA", async () => {
      const { provider } = world(forRsa);
      const calls = callsOf(provider, {
        generateDataKeyPair: async (...args) => ({ ...(await provider.generateDataKeyPair(...args)), keyArn }),
      });
      const operation = "GenerateDataKeyPairWithoutPlaintext";
      const refused = unexpected(operation, kmsKeyAliasArn, message(operation));
      await expect(calls.make({ ...request, spec: "RSA_2048" })).rejects.toMatchObject(refused);
    });
  });

  it.each<[operation: string, spec: NewKeyPair["spec"], purpose: string, change: object, message: string]>([
    ["Encrypt", "X25519", "private-key", { ciphertext: "text" }, "without bytes"],
    ["Encrypt", "X25519", "attestation", { ciphertext: undefined }, "without bytes"],
    ["GenerateDataKeyPairWithoutPlaintext", "RSA_2048", "", { publicKey: "text" }, "without bytes"],
    ["GenerateDataKeyPairWithoutPlaintext", "RSA_2048", "", { privateKeyCiphertext: null }, "without bytes"],
    ["GenerateDataKeyPairWithoutPlaintext", "RSA_2048", "", { publicKey: Buffer.alloc(9) }, "that is no RSA_2048 key"],
  ])("fails for an answer that is none: %s, %s, %s, %j", async (operation, spec, purpose, change, message) => {
    const { provider, keyArn } = world(forRsa);
    const calls = callsOf(provider, {
      encrypt: async (asked, options) => {
        const answer = await provider.encrypt(asked, options);
        return purposeOf(asked) === purpose ? { ...answer, ...change } : answer;
      },
      generateDataKeyPair: async (...args) => ({ ...(await provider.generateDataKeyPair(...args)), ...change }),
    });
    const keyId = purpose === "attestation" ? keyArn : kmsKeyAliasArn;
    await expect(calls.make({ ...request, spec })).rejects.toMatchObject(unexpected(operation, keyId, message));
  });
});

describe("what KMS attests", () => {
  it("is the digest of the other parts, asked under the attestation's own key and context", async () => {
    const { pair, calls, kms, keyArn } = await made();
    expect(await calls().attests(pair)).toBe(true);
    const encryptionContext = encryptionContextOf(pair, "attestation");
    expect(kms.journal.calls()).toMatchObject([{ operation: "Decrypt", keyId: keyArn, encryptionContext }]);
  });

  it.each([
    ["another digest", (digest: Buffer) => Buffer.from(digest).fill(1)],
    ["one bit less", (digest: Buffer) => ((digest[31]! ^= 1), digest)],
    ["a digest cut short", (digest: Buffer) => digest.subarray(0, 31)],
    ["nothing", () => Buffer.alloc(0)],
    ["a digest and more", (digest: Buffer) => Buffer.concat([digest, digest])],
  ])("is not so where it opens to %s", async (_, change) => {
    const { pair, calls, provider } = await made();
    const attestation = change(attestedDigest(pair));
    expect(await calls({ decrypt: decryptBy(provider, { attestation }) }).attests(pair)).toBe(false);
  });

  it("is not so of another public key", async () => {
    const { pair, calls } = await made();
    expect(await calls().attests({ ...pair, publicKey: Buffer.alloc(32, 1) })).toBe(false);
  });

  it("is wiped", async () => {
    const { pair, provider } = await made();
    const { kms, allWiped } = remembering(provider);
    await new KmsCalls(kms, []).attests(pair);
    expect(allWiped()).toBe(true);
  });
});

describe("the KMS key named by the alias", () => {
  it("attests as the key itself does, under the attestation's own context, and is wiped", async () => {
    const { pair, provider, kms: inMemory, keyArn } = await made();
    const { kms, allWiped } = remembering(provider);
    expect(await new KmsCalls(kms, []).attestsUnderAlias(pair)).toBe(true);
    expect(allWiped()).toBe(true);
    const encryptionContext = encryptionContextOf(pair, "attestation");
    expect(inMemory.journal.calls()).toMatchObject([
      { operation: "Decrypt", keyId: kmsKeyAliasArn, keyArn, encryptionContext, outcome: "ok" },
    ]);
  });

  it("attests nothing of another public key, nor once it is another key", async () => {
    const { pair, calls, kms } = await made();
    expect(await calls().attestsUnderAlias({ ...pair, publicKey: Buffer.alloc(32, 1) })).toBe(false);
    kms.pointAlias(kmsKeyAliasArn, kms.createKey({ region: homeRegion }));
    await expect(calls().attestsUnderAlias(pair)).rejects.toMatchObject({ kind: "incorrect-key" });
  });

  it("is not believed where it answers as another key than the attestation's, which is wiped", async () => {
    const { pair, calls } = await made();
    const plaintext = Buffer.from(attestedDigest(pair));
    const other = `arn:aws:kms:${homeRegion}:000000000000:key/other`;
    const lying = calls({ decrypt: async () => ({ keyArn: other, plaintext }) });
    await expect(lying.attestsUnderAlias(pair)).rejects.toMatchObject({ kind: "unexpected-answer" });
    expect(isWiped(plaintext)).toBe(true);
  });

  it("is named by what encrypts one byte, which nothing is made of", async () => {
    const { pair, provider, kms } = await made();
    const kmsKeyArn = kms.createKey({ region: homeRegion });
    kms.pointAlias(kmsKeyAliasArn, kmsKeyArn);
    const given: number[] = [];
    const asked = callsOf(provider, {
      encrypt: (request, options) => (given.push(request.plaintext.length), provider.encrypt(request, options)),
    });
    expect(await asked.keyBehindAlias(pair)).toBe(kmsKeyArn);
    expect(given).toEqual([1]);
    const encryptionContext = encryptionContextOf(pair, "attestation");
    expect(kms.journal.calls()).toMatchObject([
      { operation: "Encrypt", keyId: kmsKeyAliasArn, keyArn: kmsKeyArn, encryptionContext },
    ]);
  });

  it.each([
    ["of another account", `arn:aws:kms:${homeRegion}:111122223333:key/k`],
    ["of another Region", "arn:aws:kms:us-east-1:000000000000:key/k"],
    ["that is an alias", kmsKeyAliasArn],
  ])("is not believed to be one %s", async (_, keyArn) => {
    const { pair, calls } = await made();
    const lying = calls({ encrypt: async () => ({ keyArn, ciphertext: Buffer.alloc(99) }) });
    await expect(lying.keyBehindAlias(pair)).rejects.toMatchObject({ kind: "unexpected-answer" });
  });
});

describe("unwrapping a private half", () => {
  it("gives the pair's own under its own key and context, and wipes what KMS sent", async () => {
    const { pair, provider, kms: inMemory, keyArn } = await made();
    const { kms, allWiped } = remembering(provider);
    const key = await new KmsCalls(kms, []).unwrap(pair, pair.wrapping);
    const dataKey = Buffer.alloc(32, 5);
    expect(key.unwrap(pair.wrappingKey.wrap(dataKey))).toEqual(dataKey);
    expect({ publicKey: key.publicKey, wiped: allWiped() }).toEqual({ publicKey: pair.publicKey, wiped: true });
    const encryptionContext = encryptionContextOf(pair, "private-key");
    expect(inMemory.journal.calls()).toMatchObject([{ operation: "Decrypt", keyId: keyArn, encryptionContext }]);
  });

  it.each(["X25519", "RSA_2048"] as const)("fails where KMS sends what is no %s key, and wipes that", async (spec) => {
    const { pair, calls } = await made(spec);
    const plaintext = Buffer.alloc(31, 7);
    const lying = calls({ decrypt: async ({ keyId }) => ({ keyArn: keyId, plaintext }) });
    const message = `KMS unwrapped something that is no ${spec} private key`;
    await expect(lying.unwrap(pair, pair.wrapping)).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_UNTRUSTED",
      retryable: false,
      message: `key pair ${pair.birth.keyPairId}: ${message}`,
    });
    expect(isWiped(plaintext)).toBe(true);
  });

  it("gives any private half, but as the pair's own only that of its public key", async () => {
    const { pair, calls, provider } = await made();
    const other = calls({ decrypt: decryptBy(provider, { "private-key": Buffer.alloc(32, 9) }) });
    expect((await other.unwrap(pair, pair.wrapping)).publicKey).not.toEqual(pair.publicKey);
    await expect(other.unwrapHalf(pair, pair.wrapping)).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_UNTRUSTED",
      message: `key pair ${pair.birth.keyPairId}: its public key is not that of its private half`,
    });
    expect((await calls().unwrapHalf(pair, pair.wrapping)).publicKey).toEqual(pair.publicKey);
  });
});

describe("an answer to Decrypt", () => {
  it.each([undefined, null, "text", [1, 2]])("without bytes is none: %j", async (plaintext) => {
    const { pair, calls, keyArn } = await made();
    const lying = calls({ decrypt: async ({ keyId }) => ({ keyArn: keyId, plaintext: plaintext as never }) });
    const message = `the KMS provider answered Decrypt for ${keyArn} without bytes`;
    await expect(lying.attests(pair)).rejects.toMatchObject(unexpected("Decrypt", keyArn, message));
  });

  it("by another key is none, and what it holds is wiped", async () => {
    const { pair, calls, keyArn } = await made();
    const plaintext = Buffer.from("secret");
    const lying = calls({ decrypt: async () => ({ keyArn: "another", plaintext }) });
    const message = `the KMS provider answered Decrypt under ${keyArn} with another key, "another"`;
    await expect(lying.attests(pair)).rejects.toMatchObject(unexpected("Decrypt", keyArn, message));
    expect(isWiped(plaintext)).toBe(true);
  });
});

describe("the word that a pair never was active", () => {
  it("is sealed under the key and context of the pair's attestation", async () => {
    const { pair, calls, kms, keyArn } = await made();
    const mark = await calls().sealNeverActive(pair);
    const encryptionContext = encryptionContextOf(pair, "attestation");
    expect(kms.journal.calls()).toMatchObject([{ operation: "Encrypt", keyId: keyArn, encryptionContext }]);
    expect(mark.kmsKeyArn).toBe(keyArn);
    expect(await calls().saysNeverActive(pair, mark)).toBe(true);
  });

  it("holds a digest of its own form", async () => {
    const { pair, calls, provider } = await made();
    const sealed: Buffer[] = [];
    const watched = calls({
      encrypt: async (asked, options) => {
        sealed.push(Buffer.from(asked.plaintext));
        return provider.encrypt(asked, options);
      },
    });
    await watched.sealNeverActive(pair);
    const expected = createHash("sha256").update("recording-keystore never active v1\0").update(pair.digest).digest();
    expect(sealed).toEqual([expected]);
    expect(await calls().saysNeverActive(pair, pair.attestation)).toBe(false);
    expect(await calls().attests({ ...pair, attestation: await calls().sealNeverActive(pair) })).toBe(false);
  });

  it("of one pair says nothing of another", async () => {
    const { pair, calls } = await made();
    const other = await calls().make(request);
    const mark = await calls().sealNeverActive(other);
    await expect(calls().saysNeverActive(pair, mark)).rejects.toMatchObject({ kind: "invalid-ciphertext" });
  });

  it("is not believed of a key of another account", async () => {
    const { pair, calls, provider } = await made();
    const keyArn = `arn:aws:kms:${homeRegion}:999999999999:key/1`;
    const lying = calls({ encrypt: async (...args) => ({ ...(await provider.encrypt(...args)), keyArn }) });
    await expect(lying.sealNeverActive(pair)).rejects.toMatchObject({
      kind: "unexpected-answer",
      operation: "Encrypt",
    });
  });
});
