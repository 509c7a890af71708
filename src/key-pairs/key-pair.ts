import { createHash } from "node:crypto";
import { RecordingKeyStoreError } from "../errors.js";
import type { StoredKeyPair } from "../stores/key-pair-store.js";
import { birthRecordDigest, decodeBirthRecord, type BirthRecord } from "./birth-record.js";
import { decodeDocument, encodeDocument, type KeyPairDocument } from "./documents.js";
import { importWrappingKey, type WrappingKey } from "./key-wrapping.js";

/** A key pair as this host reads it from a store: parsed, consistent in itself, and not yet trusted. */
export interface KeyPair {
  readonly birth: BirthRecord;
  readonly birthRecord: Buffer;
  /** SHA-256 of `birthRecord`. */
  readonly digest: Buffer;
  readonly publicKey: Buffer;
  readonly wrappingKey: WrappingKey;
  /** The digest of birth record and public key, encrypted by KMS. */
  readonly attestation: KmsCiphertext;
  /** The private half, encrypted by KMS. */
  readonly wrapping: KmsCiphertext;
}

export interface KmsCiphertext {
  readonly kmsKeyArn: string;
  readonly ciphertext: Buffer;
}

/** What an attestation holds: birth record and public key under one hash, each with its length before it. */
export function attestedDigest(birthRecord: Uint8Array, publicKey: Uint8Array): Buffer {
  const hash = createHash("sha256").update("recording-keystore attestation v1\0");
  for (const part of [birthRecord, publicKey]) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    hash.update(length).update(part);
  }
  return hash.digest();
}

export function storedKeyPair(pair: Omit<KeyPair, "wrappingKey">): StoredKeyPair {
  const { birth, birthRecord, publicKey, attestation, wrapping } = pair;
  const document = encodeDocument("keyPair", { birthRecord, publicKey, attestation: { ...attestation }, wrapping: { ...wrapping } });
  return { organizationId: birth.organizationId, keyPairId: birth.keyPairId, sequence: birth.sequence, document };
}

/**
 * Reads a pair's document. A public key that is malformed or of low order, or a record of another organization, makes
 * the pair untrusted.
 * @throws RecordingKeyStoreError `ERR_STORE_CORRUPT`, `ERR_FORMAT_TOO_NEW`, `ERR_FORMAT_INVALID`, `ERR_KEY_PAIR_UNTRUSTED`
 */
export function parseKeyPair(document: Uint8Array, expected: { organizationId: string; what: string }): KeyPair {
  return keyPairOf(decodeDocument("keyPair", document, expected.what), expected);
}

function keyPairOf(document: KeyPairDocument, { organizationId, what }: { organizationId: string; what: string }): KeyPair {
  const birth = decodeBirthRecord(document.birthRecord);
  if (birth.organizationId !== organizationId) throw untrusted(`${what} belongs to another organization`);
  if (birth.purpose !== "key-pair") throw untrusted(`${what} was made for a test`);
  let wrappingKey: WrappingKey;
  try {
    wrappingKey = importWrappingKey(birth.spec, document.publicKey);
  } catch (cause) {
    throw untrusted(`${what} has an unusable public key: ${(cause as Error).message}`);
  }
  return { ...document, birth, digest: birthRecordDigest(document.birthRecord), wrappingKey };
}

export function untrusted(message: string, cause?: unknown): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_KEY_PAIR_UNTRUSTED", message, cause === undefined ? {} : { cause });
}
