import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encodeBirthRecord } from "../../src/format/birth-record.js";
import {
  attestedDigest,
  claimDigest,
  claimedBirth,
  claimedKeyPair,
  encryptionContextOf,
  type KeyPairParts,
} from "../../src/key-pairs/key-pair.js";
import { invented } from "./inventions.js";
import { organizationId } from "./world.js";

const expected = { organizationId, what: "key pair 7" };
const partsOf = ({ birthRecord, publicKey, attestation, wrapping }: KeyPairParts) => ({
  birthRecord,
  publicKey,
  attestation,
  wrapping,
});
const bytes = (text: string) => Buffer.from(text);
const withLengths = (label: string, ...parts: readonly Uint8Array[]) => {
  const length = ({ length: size }: Uint8Array) => Buffer.from([0, 0, size >> 8, size & 0xff]);
  const whole = Buffer.concat([bytes(label), ...parts.flatMap((part) => [length(part), part])]);
  return createHash("sha256").update(whole).digest();
};

describe("a claimed pair", () => {
  it("is its parts, read", () => {
    const pair = invented({ birth: { reason: "schedule" } });
    const { wrappingKey, ...claim } = claimedKeyPair(partsOf(pair), expected);
    const { wrappingKey: _, ...made } = pair;
    expect(claim).toEqual(made);
    expect(claim.digest).toEqual(createHash("sha256").update(pair.birthRecord).digest());
    expect(wrappingKey.wrap(Buffer.alloc(32))).toHaveLength(80);
  });

  it.each([
    ["belongs to another organization", { organizationId: "org-2" }],
    ["was made for a test", { purpose: "test" }],
  ] as const)("is not trusted if it %s", (message, birth) => {
    const birthRecord = encodeBirthRecord({ ...invented().birth, ...birth });
    const refused = expect.objectContaining({ code: "ERR_KEY_PAIR_UNTRUSTED", message: `key pair 7 ${message}` });
    expect(() => claimedKeyPair({ ...partsOf(invented()), birthRecord }, expected)).toThrow(refused);
    expect(() => claimedBirth(birthRecord, expected)).toThrow(refused);
  });

  it.each([
    ["X25519 public key has 31 bytes, not 32", Buffer.alloc(31)],
    ["X25519 public key is of low order", Buffer.alloc(32)],
  ])("is not trusted if it has an unusable public key: %s", (problem, publicKey) => {
    const message = `key pair 7 has an unusable public key: ${problem}`;
    const refused = expect.objectContaining({ code: "ERR_KEY_PAIR_UNTRUSTED", message });
    expect(() => claimedKeyPair({ ...partsOf(invented()), publicKey }, expected)).toThrow(refused);
  });

  it("keeps every rule of birth records", () => {
    const parts = { ...partsOf(invented()), birthRecord: bytes("RKSKEY") };
    expect(() => claimedKeyPair(parts, expected)).toThrow(expect.objectContaining({ code: "ERR_FORMAT_INVALID" }));
  });
});

describe("the birth that is claimed", () => {
  it("is what its bytes say", () => {
    const { birthRecord, birth } = invented();
    expect(claimedBirth(birthRecord, expected)).toEqual(birth);
  });
});

describe("the attested digest", () => {
  const parts = {
    birthRecord: bytes("ab"),
    publicKey: bytes("c"),
    wrapping: { kmsKeyArn: "arn", ciphertext: bytes("d") },
  };

  it("is over birth record, public key and wrapping, each with its length", () => {
    const { birthRecord, publicKey, wrapping } = parts;
    const { kmsKeyArn, ciphertext } = wrapping;
    const digest = withLengths(
      "recording-keystore attestation v1\0",
      birthRecord,
      publicKey,
      bytes(kmsKeyArn),
      ciphertext,
    );
    expect(attestedDigest(parts)).toEqual(digest);
  });

  it("is another one where one part lends another a byte", () => {
    const digest = attestedDigest(parts);
    expect(attestedDigest({ ...parts, birthRecord: bytes("a"), publicKey: bytes("bc") })).not.toEqual(digest);
    const wrapping = { kmsKeyArn: "ar", ciphertext: bytes("nd") };
    expect(attestedDigest({ ...parts, wrapping })).not.toEqual(digest);
  });
});

describe("the digest of a claim", () => {
  const pair = invented();

  it("is over all its parts, each with its length", () => {
    const { birthRecord, publicKey, attestation, wrapping } = pair;
    const ciphertexts = [attestation, wrapping].flatMap(({ kmsKeyArn, ciphertext }) => [bytes(kmsKeyArn), ciphertext]);
    const digest = withLengths("recording-keystore claim v1\0", birthRecord, publicKey, ...ciphertexts);
    expect(claimDigest(pair)).toBe(digest.toString("base64url"));
  });

  const { attestation, wrapping } = pair;
  it.each<[what: string, change: Partial<KeyPairParts>]>([
    ["birth record", { birthRecord: randomBytes(pair.birthRecord.length) }],
    ["public key", { publicKey: randomBytes(32) }],
    ["attestation", { attestation: { ...attestation, ciphertext: randomBytes(180) } }],
    ["attestation's key", { attestation: { ...attestation, kmsKeyArn: "another" } }],
    ["wrapping", { wrapping: { ...wrapping, ciphertext: randomBytes(180) } }],
    ["wrapping's key", { wrapping: { ...wrapping, kmsKeyArn: "another" } }],
    ["ciphertexts in each other's place", { attestation: wrapping, wrapping: attestation }],
  ])("is another one with another %s", (_, change) => {
    expect(claimDigest({ ...pair, ...change })).not.toBe(claimDigest(pair));
    expect(claimDigest({ ...pair })).toBe(claimDigest(pair));
  });
});

describe("the encryption context", () => {
  it.each(["private-key", "attestation"] as const)(
    "names organization, purpose and birth record, and nothing else: %s",
    (purpose) => {
      const pair = invented({ birth: { contextKeyName: "org" } });
      expect(encryptionContextOf(pair, purpose)).toEqual({
        org: organizationId,
        "recording-keystore:purpose": purpose,
        "recording-keystore:birth-record": pair.digest.toString("base64url"),
      });
    },
  );
});
