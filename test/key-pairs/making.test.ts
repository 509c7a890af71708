import { createHash, createPublicKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { KmsError, type KmsProvider } from "../../src/index.js";
import { confirmKeyPair } from "../../src/key-pairs/confirmation.js";
import { decodeDocument, encodeDocument } from "../../src/key-pairs/documents.js";
import { attestedDigest, parseKeyPair, storedKeyPair, untrusted, type KeyPair } from "../../src/key-pairs/key-pair.js";
import { makeKeyPair, unwrapPrivateKey, type NewKeyPair } from "../../src/key-pairs/making.js";
import { encodeBirthRecord } from "../../src/key-pairs/birth-record.js";
import { kmsError, kmsFailureKinds } from "../../src/kms/failures.js";
import { accountId, forRsa, homeRegion, kmsKeyAliasArn, organizationId, world } from "./world.js";

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
};

/** A provider some of whose answers are a test's own, and every plaintext that it was given or gave. */
function altered(provider: KmsProvider, methods: Partial<KmsProvider>): KmsProvider {
  return { describeKey: provider.describeKey.bind(provider), encrypt: provider.encrypt.bind(provider), decrypt: provider.decrypt.bind(provider), generateDataKeyPair: provider.generateDataKeyPair.bind(provider), ...methods };
}

describe("making a key pair", () => {
  it("has both ciphertexts made by the key to which the alias points, each under its own context and no more", async () => {
    const { kms, provider, keyArn } = world();
    const pair = await makeKeyPair(provider, request);
    const name = createHash("sha256").update(pair.birthRecord).digest("base64url");
    const context = (purpose: string) => ({ org: organizationId, "recording-keystore:purpose": purpose, "recording-keystore:birth-record": name });
    expect(kms.journal.calls().map(({ operation, keyId, encryptionContext }) => [operation, keyId, encryptionContext])).toEqual([
      ["Encrypt", kmsKeyAliasArn, context("private-key")],
      ["Encrypt", keyArn, context("attestation")],
    ]);
    expect(pair.birthRecord).toEqual(encodeBirthRecord(pair.birth));
    expect(pair.digest.toString("base64url")).toBe(name);
    expect((await makeKeyPair(provider, request)).birth.keyPairId).not.toBe(pair.birth.keyPairId);
  });

  it("of RSA is left to KMS, and the private half is never seen", async () => {
    const { kms, provider } = world(forRsa);
    const pair = await makeKeyPair(provider, { ...request, spec: "RSA_2048" });
    expect(kms.journal.calls().map(({ operation, keyId, encryptionContext }) => [operation, keyId === kmsKeyAliasArn, encryptionContext?.["recording-keystore:purpose"]])).toEqual([
      ["GenerateDataKeyPairWithoutPlaintext", true, "private-key"],
      ["Encrypt", false, "attestation"],
    ]);
    expect(createPublicKey({ key: pair.publicKey, format: "der", type: "spki" }).asymmetricKeyDetails?.modulusLength).toBe(2_048);
  });

  it.each([true, false])("wipes the private half, whether KMS has wrapped it or not (%s)", async (answers) => {
    const { provider } = world();
    const given: Uint8Array[] = [];
    const kms = altered(provider, {
      encrypt: async (asked, options) => {
        given.push(asked.plaintext);
        expect(asked.plaintext.some((byte) => byte !== 0)).toBe(true);
        if (!answers) throw kmsError("timeout", { operation: "Encrypt", message: "no" });
        return provider.encrypt(asked, options);
      },
    });
    await makeKeyPair(kms, request).catch(() => undefined);
    expect(given[0]).toEqual(Buffer.alloc(32));
  });

  const foreign = `arn:aws:kms:${homeRegion}:999999999999:key/1`;
  it.each([
    ["Encrypt", "X25519", (provider: KmsProvider) => ({ encrypt: async (...args: Parameters<KmsProvider["encrypt"]>) => ({ ...(await provider.encrypt(...args)), keyArn: foreign }) })],
    ["Encrypt", "X25519", (provider: KmsProvider) => ({ encrypt: async (...args: Parameters<KmsProvider["encrypt"]>) => ({ ...(await provider.encrypt(...args)), keyArn: kmsKeyAliasArn }) })],
    [
      "GenerateDataKeyPairWithoutPlaintext",
      "RSA_2048",
      (provider: KmsProvider) => ({ generateDataKeyPair: async (...args: Parameters<KmsProvider["generateDataKeyPair"]>) => ({ ...(await provider.generateDataKeyPair(...args)), keyArn: foreign }) }),
    ],
  ] as const)("%s that was answered by a key not of the alias's account and Region is not believed", async (operation, spec, change) => {
    const { provider } = world(forRsa);
    const made = makeKeyPair(altered(provider, change(provider)), { ...request, spec });
    await expect(made).rejects.toMatchObject({ kind: "unexpected-answer", operation, keyId: kmsKeyAliasArn });
    await expect(made).rejects.toThrow(new RegExp(`^KMS answered ${operation} for ${kmsKeyAliasArn} with the key "arn:.*", which is not of the alias's account and Region$`));
  });
});

describe("a pair in the store", () => {
  const expected = { organizationId, what: "key pair 7" };

  it("comes back as it was made", async () => {
    const { provider } = world();
    const pair = await makeKeyPair(provider, { ...request, previousDigest: Buffer.alloc(32, 1) });
    const stored = storedKeyPair(pair);
    expect(stored).toMatchObject({ organizationId, keyPairId: pair.birth.keyPairId, sequence: 1 });
    const { wrappingKey, ...read } = parseKeyPair(stored.document, expected);
    const { wrappingKey: made, ...written } = pair;
    expect(read).toEqual(written);
    for (const each of [wrappingKey, made]) expect(each.wrap(Buffer.alloc(32))).toHaveLength(80);
  });

  it.each([
    ["belongs to another organization", { organizationId: "org-2" }, {}],
    ["was made for a test", { purpose: "test" }, {}],
    ["has an unusable public key: X25519 public key has 31 bytes, not 32", {}, { publicKey: Buffer.alloc(31) }],
    ["has an unusable public key: X25519 public key is of low order", {}, { publicKey: Buffer.alloc(32) }],
  ] as const)("is not trusted when it %s", async (message, birth, document) => {
    const { provider } = world();
    const { document: written } = storedKeyPair(await makeKeyPair(provider, { ...request, ...birth }));
    const changed = encodeDocument("keyPair", { ...decodeDocument("keyPair", written, ""), ...document });
    expect(() => parseKeyPair(changed, expected)).toThrow(expect.objectContaining({ code: "ERR_KEY_PAIR_UNTRUSTED", message: `key pair 7 ${message}` }));
  });

  it("that is none names itself", () => expect(() => parseKeyPair(Buffer.from("{"), expected)).toThrow(expect.objectContaining({ code: "ERR_STORE_CORRUPT", message: "key pair 7: is not JSON" })));

  it("is attested by a digest of birth record and public key, of which neither can lend the other a byte", () => {
    const bytes = (text: string) => Buffer.from(text);
    const length = (value: number) => Buffer.from([0, 0, 0, value]);
    const whole = Buffer.concat([bytes("recording-keystore attestation v1\0"), length(2), bytes("ab"), length(1), bytes("c")]);
    expect(attestedDigest(bytes("ab"), bytes("c"))).toEqual(createHash("sha256").update(whole).digest());
    expect(attestedDigest(bytes("a"), bytes("bc"))).not.toEqual(attestedDigest(bytes("ab"), bytes("c")));
  });

  it("is refused with its cause, where there is one", () => {
    const cause = new Error("why");
    expect([untrusted("no", cause).cause, "cause" in untrusted("no")]).toEqual([cause, false]);
  });
});

describe("unwrapping a private half", () => {
  it("gives the pair's own, and wipes what KMS sent", async () => {
    const { provider, worker } = world();
    const pair = await makeKeyPair(provider, request);
    const { context } = worker();
    const sent: Buffer[] = [];
    const decrypt: ReturnType<typeof context.decryptionUnder> = async (...args) => {
      const plaintext = await context.decryptionUnder(pair.wrapping.kmsKeyArn)(...args);
      sent.push(plaintext);
      return plaintext;
    };
    const key = await unwrapPrivateKey({ ...pair, ciphertext: pair.wrapping.ciphertext, decrypt });
    expect(key.publicKey).toEqual(pair.publicKey);
    expect(sent).toEqual([Buffer.alloc(32)]);
    const dataKey = Buffer.alloc(32, 5);
    expect(key.unwrap(pair.wrappingKey.wrap(dataKey))).toEqual(dataKey);
  });

  it.each([["X25519", 31], ["RSA_2048", 32]] as const)("fails when KMS sends what is no %s key, which is wiped too", async (spec, length) => {
    const sent = Buffer.alloc(length, 7);
    const birth = { ...request, spec, keyPairId: "1" };
    const unwrapped = unwrapPrivateKey({ birth, birthRecord: encodeBirthRecord(birth), ciphertext: Buffer.alloc(1), decrypt: async () => sent });
    await expect(unwrapped).rejects.toMatchObject({ kind: "unexpected-answer", operation: "Decrypt", message: `KMS unwrapped something that is no ${spec} private key` });
    expect(sent).toEqual(Buffer.alloc(length));
  });
});

describe("what KMS says of a public key", () => {
  async function made() {
    const parts = world();
    const pair = await makeKeyPair(parts.provider, request);
    parts.kms.journal.clear();
    return { ...parts, pair, decryptionUnder: parts.worker().context.decryptionUnder };
  }
  const purposes = (kms: Awaited<ReturnType<typeof made>>["kms"]) => kms.journal.calls().map(({ encryptionContext }) => encryptionContext?.["recording-keystore:purpose"]);

  it("is asked by its attestation, and wiped", async () => {
    const { pair, decryptionUnder, kms } = await made();
    const sent: Buffer[] = [];
    const verdict = await confirmKeyPair(pair, (arn) => async (...args) => {
      const plaintext = await decryptionUnder(arn)(...args);
      sent.push(plaintext);
      return plaintext;
    });
    expect([verdict, purposes(kms), sent]).toEqual([{ status: "confirmed" }, ["attestation"], [Buffer.alloc(32)]]);
  });

  /** KMS's answers by purpose: a failure, or a plaintext. */
  const answering =
    (genuine: (arn: string) => (request: { encryptionContext: Readonly<Record<string, string>>; ciphertext: Uint8Array }, signal?: AbortSignal) => Promise<Buffer>, answers: Partial<Record<string, Error | Buffer>>) =>
    (arn: string): ReturnType<typeof genuine> =>
    async (asked, signal) => {
      const answer = answers[asked.encryptionContext["recording-keystore:purpose"] ?? ""];
      if (answer instanceof Error) throw answer;
      return answer ?? genuine(arn)(asked, signal);
    };
  const failure = (kind: (typeof kmsFailureKinds)[number]) => kmsError(kind, { operation: "Decrypt", message: "no" });

  it("is asked by its private half by who may not decrypt attestations", async () => {
    const { pair, decryptionUnder, kms } = await made();
    expect(await confirmKeyPair(pair, answering(decryptionUnder, { attestation: failure("access-denied") }))).toEqual({ status: "confirmed" });
    expect(purposes(kms)).toEqual(["private-key"]);
  });

  it.each([
    ["another digest", { attestation: Buffer.alloc(32, 1) }, "KMS attests another public key than the one stored"],
    ["a digest cut short", { attestation: Buffer.alloc(31, 1) }, "KMS attests another public key than the one stored"],
    ["another private half", { attestation: failure("access-denied"), "private-key": Buffer.alloc(32, 1) }, "its public key is not that of its private half"],
    ["that the attestation is none", { attestation: failure("invalid-ciphertext") }, "KMS rejects its record (invalid-ciphertext)"],
    ["that the private half is another key's", { attestation: failure("access-denied"), "private-key": failure("incorrect-key") }, "KMS rejects its record (incorrect-key)"],
  ])("is no when KMS answers with %s", async (_, answers, message) => {
    const { pair, decryptionUnder } = await made();
    const verdict = await confirmKeyPair(pair, answering(decryptionUnder, answers));
    expect(verdict).toMatchObject({ status: "untrusted", error: { code: "ERR_KEY_PAIR_UNTRUSTED", message: `key pair ${pair.birth.keyPairId}: ${message}` } });
    expect("error" in verdict && verdict.error.cause).toEqual(message.includes("rejects") ? expect.any(KmsError) : undefined);
  });

  it.each(kmsFailureKinds)("is known or unknown after %s", async (kind) => {
    const { pair, decryptionUnder, kms } = await made();
    const rejected = ["key-unsupported", "invalid-ciphertext", "incorrect-key", "invalid-request"].includes(kind);
    const error = failure(kind);
    const verdict = await confirmKeyPair(pair, answering(decryptionUnder, { attestation: error, "private-key": error }));
    expect(verdict).toEqual(rejected ? { status: "untrusted", error: expect.objectContaining({ cause: error }) as unknown } : { status: "unavailable", error });
    expect(kms.journal.count()).toBe(0);
  });

  it("is nothing that a bug or a caller who leaves could say", async () => {
    const { pair, decryptionUnder } = await made();
    const left = new Error("left");
    await expect(confirmKeyPair(pair, decryptionUnder, AbortSignal.abort(left))).rejects.toBe(left);
    await expect(confirmKeyPair(pair, answering(decryptionUnder, { attestation: failure("access-denied"), "private-key": left }))).rejects.toBe(left);
  });

  it("under another account's key is for the anchor to decide, not for KMS", async () => {
    const { pair, decryptionUnder } = await made();
    const asked: string[] = [];
    const other = `arn:aws:kms:${homeRegion}:${accountId}:key/other`;
    const changed: KeyPair = { ...pair, wrapping: { ...pair.wrapping, kmsKeyArn: other } };
    const denied = answering(decryptionUnder, { attestation: failure("access-denied") });
    await confirmKeyPair(changed, (arn) => (asked.push(arn), denied(arn)));
    expect(asked).toEqual([pair.attestation.kmsKeyArn, other]);
  });
});
