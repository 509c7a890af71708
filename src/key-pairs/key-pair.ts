import { createHash } from "node:crypto";
import { InvalidInputError } from "../errors.js";
import { birthRecordDigest, decodeBirthRecord, type BirthRecord } from "../format/birth-record.js";
import { importWrappingKey, type WrappingKey } from "../format/data-key-wrapping.js";
import { birthRecordContextKey, purposeContextKey, type CiphertextPurpose } from "../kms/context-keys.js";
import type { EncryptionContext } from "../kms/kms-provider.js";
import { untrusted } from "./failures.js";

/** A ciphertext of KMS, and the ARN of its key. */
export interface KmsCiphertext {
  readonly kmsKeyArn: string;
  readonly ciphertext: Buffer;
}

/** The parts of a pair in its record. */
export interface KeyPairParts {
  readonly birthRecord: Buffer;
  readonly publicKey: Buffer;
  /** The digest of all other parts, encrypted by KMS. */
  readonly attestation: KmsCiphertext;
  /** The private half, encrypted by KMS. */
  readonly wrapping: KmsCiphertext;
}

/** A pair that is consistent in itself, and that nobody has vouched for. */
export interface ClaimedKeyPair extends KeyPairParts {
  readonly birth: BirthRecord;
  /** SHA-256 of `birthRecord`. */
  readonly digest: Buffer;
  readonly wrappingKey: WrappingKey;
}

/** What the encryption context of a pair is made of. */
export type BornKeyPair = Pick<ClaimedKeyPair, "birth" | "birthRecord">;

/**
 * Content of an attestation: birth record, public key and wrapping under one hash, each with its length before it. Without
 * the wrapping, a pair could be brought back whose private half is garbage.
 */
export function attestedDigest({ birthRecord, publicKey, wrapping }: Omit<KeyPairParts, "attestation">): Buffer {
  return digestOf(
    "recording-keystore attestation v1\0",
    birthRecord,
    publicKey,
    Buffer.from(wrapping.kmsKeyArn),
    wrapping.ciphertext,
  );
}

/** Digest of the whole claim, which a spoilt copy of a genuine pair does not share. */
export function claimDigest({ birthRecord, publicKey, attestation, wrapping }: KeyPairParts): string {
  const ciphertexts = [attestation, wrapping].flatMap(({ kmsKeyArn, ciphertext }) => [
    Buffer.from(kmsKeyArn),
    ciphertext,
  ]);
  return digestOf("recording-keystore claim v1\0", birthRecord, publicKey, ...ciphertexts).toString("base64url");
}

function digestOf(label: string, ...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256").update(label);
  for (const part of parts) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    hash.update(length).update(part);
  }
  return hash.digest();
}

/** Encryption context of every call about a pair. Nothing else goes in: audit logs show it in the clear. */
export function encryptionContextOf(
  { birth, birthRecord }: BornKeyPair,
  purpose: CiphertextPurpose,
): EncryptionContext {
  return {
    [birth.contextKeyName]: birth.organizationId,
    [purposeContextKey]: purpose,
    [birthRecordContextKey]: birthRecordDigest(birthRecord).toString("base64url"),
  };
}

/** What a pair must be, and how messages call it. */
export interface ExpectedPair {
  readonly organizationId: string;
  readonly what: string;
}

/**
 * Reads the birth record of a pair that may encrypt recordings: by the rules of `docs/FORMAT.md`, of this organization, and
 * not made for a test.
 * @throws RecordingKeyStoreError `ERR_FORMAT_INVALID`, `ERR_FORMAT_TOO_NEW`, `ERR_KEY_PAIR_UNTRUSTED`
 */
export function claimedBirth(bytes: Uint8Array, { organizationId, what }: ExpectedPair): BirthRecord {
  const birth = decodeBirthRecord(bytes);
  if (birth.organizationId !== organizationId) throw untrusted(`${what} belongs to another organization`);
  if (birth.purpose !== "key-pair") throw untrusted(`${what} was made for a test`);
  return birth;
}

/**
 * Reads the parts of a pair.
 * @throws as {@link claimedBirth}; `ERR_KEY_PAIR_UNTRUSTED` for a public key that is malformed or of low order
 */
export function claimedKeyPair(parts: KeyPairParts, expected: ExpectedPair): ClaimedKeyPair {
  const birth = claimedBirth(parts.birthRecord, expected);
  const wrappingKey = claimedWrappingKey(birth, parts.publicKey, expected.what);
  return { ...parts, birth, digest: birthRecordDigest(parts.birthRecord), wrappingKey };
}

/**
 * Imports the public key of a pair.
 * @param what - how messages call the pair
 * @throws `ERR_KEY_PAIR_UNTRUSTED` for one that is malformed, of low order, or not of the pair's spec
 */
export function claimedWrappingKey({ spec }: BirthRecord, publicKey: Uint8Array, what: string): WrappingKey {
  try {
    return importWrappingKey(spec, publicKey);
  } catch (cause) {
    if (cause instanceof InvalidInputError) throw cause; // this process has no X25519, which is no fault of the pair
    throw untrusted(`${what} has an unusable public key: ${(cause as Error).message}`);
  }
}
