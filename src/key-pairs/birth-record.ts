import { createHash } from "node:crypto";
import { decodeFields, encodeFields, type Field } from "../encoding/fields.js";
import { RecordingKeyStoreError } from "../errors.js";
import { keyPairSpecs, periodicKeyChanges, type KeyPairSpec, type PeriodicKeyChange } from "./vocabulary.js";

/**
 * What is fixed about a key pair when it is made. Its canonical bytes are hashed into the encryption context of every
 * KMS call about the pair, so KMS itself vouches for each field (`docs/FORMAT.md`, "Birth record").
 */
export interface BirthRecord {
  readonly organizationId: string;
  readonly keyPairId: string;
  /** Position in the organization's history, from 1. */
  readonly sequence: number;
  readonly spec: KeyPairSpec;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** SHA-256 of the previous pair's birth record; absent for the first pair. */
  readonly previousDigest?: Buffer;
  readonly kmsKeyAliasArn: string;
  readonly periodicKeyChange: PeriodicKeyChange;
  /** From when the slots of the periodic change are counted; milliseconds since the Unix epoch. */
  readonly scheduleAnchor: number;
  /** Name under which the organization's id stands in the KMS encryption context. */
  readonly contextKeyName: string;
  readonly purpose: KeyPairPurpose;
}

/** A `test` pair never becomes active, whatever a store says. */
export type KeyPairPurpose = "test" | "key-pair";

const magic = Buffer.from("RKSKEY\x00\x01", "latin1");
const tags = {
  organizationId: 1,
  keyPairId: 2,
  sequence: 3,
  spec: 4,
  createdAt: 5,
  previousDigest: 6,
  kmsKeyAliasArn: 7,
  periodicKeyChange: 8,
  scheduleAnchor: 9,
  contextKeyName: 10,
  purpose: 11,
} as const;
const criticality = new Map(Object.values(tags).map((tag) => [tag as number, true]));

export function encodeBirthRecord(record: BirthRecord): Buffer {
  const fields: Field[] = [];
  const add = (tag: number, value: Uint8Array) => fields.push({ tag, critical: true, value });
  add(tags.organizationId, Buffer.from(record.organizationId));
  add(tags.keyPairId, Buffer.from(record.keyPairId));
  add(tags.sequence, u64(record.sequence));
  add(tags.spec, Buffer.from(record.spec));
  add(tags.createdAt, u64(record.createdAt));
  if (record.previousDigest) add(tags.previousDigest, record.previousDigest);
  add(tags.kmsKeyAliasArn, Buffer.from(record.kmsKeyAliasArn));
  add(tags.periodicKeyChange, Buffer.from(record.periodicKeyChange));
  add(tags.scheduleAnchor, u64(record.scheduleAnchor));
  add(tags.contextKeyName, Buffer.from(record.contextKeyName));
  add(tags.purpose, Buffer.from(record.purpose));
  return Buffer.concat([magic, encodeFields(fields)]);
}

/** @throws RecordingKeyStoreError `ERR_FORMAT_INVALID`, `ERR_FORMAT_TOO_NEW` */
export function decodeBirthRecord(bytes: Uint8Array): BirthRecord {
  const buffer = Buffer.from(bytes);
  if (!buffer.subarray(0, 6).equals(magic.subarray(0, 6)) || buffer.length < magic.length) throw invalid("does not begin as one");
  if (!buffer.subarray(0, magic.length).equals(magic)) {
    throw new RecordingKeyStoreError("ERR_FORMAT_TOO_NEW", "birth record: has a version that this library does not know");
  }
  const fields = decodeFields(buffer.subarray(magic.length), criticality, "birth record");
  const bytesOf = (tag: number) => {
    const value = fields.get(tag);
    if (!value) throw invalid(`field ${tag} is missing`);
    return value;
  };
  const text = (tag: number) => {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytesOf(tag));
    } catch (cause) {
      if (cause instanceof RecordingKeyStoreError) throw cause;
      throw invalid(`field ${tag} is not UTF-8`);
    }
  };
  const integer = (tag: number) => {
    const value = bytesOf(tag);
    if (value.length !== 8 || value.readBigUInt64BE() > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(`field ${tag} is not a number`);
    return Number(value.readBigUInt64BE());
  };
  const oneOf = <T extends string>(tag: number, values: readonly T[]): T => {
    const value = text(tag);
    const known = values.find((candidate) => candidate === value);
    if (known === undefined) {
      throw new RecordingKeyStoreError("ERR_FORMAT_TOO_NEW", `birth record: ${JSON.stringify(value.slice(0, 40))} is not known to this version`);
    }
    return known;
  };
  const previousDigest = fields.get(tags.previousDigest);
  if (previousDigest && previousDigest.length !== 32) throw invalid("digest of the previous pair is not 32 bytes");
  return {
    organizationId: text(tags.organizationId),
    keyPairId: text(tags.keyPairId),
    sequence: integer(tags.sequence),
    spec: oneOf(tags.spec, keyPairSpecs),
    createdAt: integer(tags.createdAt),
    ...(previousDigest ? { previousDigest: Buffer.from(previousDigest) } : {}),
    kmsKeyAliasArn: text(tags.kmsKeyAliasArn),
    periodicKeyChange: oneOf(tags.periodicKeyChange, periodicKeyChanges),
    scheduleAnchor: integer(tags.scheduleAnchor),
    contextKeyName: text(tags.contextKeyName),
    purpose: oneOf(tags.purpose, ["test", "key-pair"] as const),
  };
}

/** SHA-256 of the birth record's canonical bytes: the pair's name wherever it must not be forged. */
export function birthRecordDigest(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function u64(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt(value));
  return buffer;
}

function invalid(rule: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_FORMAT_INVALID", `birth record: ${rule}`);
}
