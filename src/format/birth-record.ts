import { hash } from "node:crypto";
import { RecordingKeyStoreError, type ErrorCode } from "../errors.js";
import { kmsAliasArnProblem } from "../kms/arn.js";
import { contextKeyNameRule, organizationIdRule } from "../kms/context-keys.js";
import { defined } from "../util/defined.js";
import { decodeFields, decodeText, encodeFields, type Field } from "./fields.js";
import {
  keyPairReasons,
  keyPairSpecs,
  periodicKeyChanges,
  type KeyPairReason,
  type KeyPairSpec,
  type PeriodicKeyChange,
} from "./vocabulary.js";

/**
 * What is fixed about a key pair when it is made. The digest of its canonical bytes is in the encryption context of every
 * KMS call about the pair, so KMS itself vouches for each field (`docs/FORMAT.md`, "Birth record").
 */
export interface BirthRecord {
  readonly organizationId: string;
  readonly keyPairId: string;
  /** Position in the organization's history, from 1 to 2^53 - 2, so that the next pair's is a safe integer too. */
  readonly sequence: number;
  readonly spec: KeyPairSpec;
  /** In ms since the Unix epoch. */
  readonly createdAt: number;
  /** SHA-256 of the previous pair's birth record; absent for the first pair. */
  readonly previousDigest?: Buffer;
  readonly kmsKeyAliasArn: string;
  readonly periodicKeyChange: PeriodicKeyChange;
  /** Start of the periodic change's slots, in ms since the Unix epoch. */
  readonly scheduleAnchor: number;
  /** Name of the organization's id in the KMS encryption context. */
  readonly contextKeyName: string;
  readonly purpose: KeyPairPurpose;
  /** Absent in records of earlier versions, and for reasons of later ones that this version does not know. */
  readonly reason?: KeyPairReason;
}

/** A `test` pair never becomes active, whatever a store says. */
type KeyPairPurpose = (typeof keyPairPurposes)[number];

const keyPairPurposes = ["test", "key-pair"] as const;
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
  reason: 12,
} as const;
const criticality = new Map(Object.values(tags).map((tag) => [tag as number, tag !== tags.reason]));

/** Ids that every store accepts. */
const keyPairIdPattern = /^[A-Za-z0-9_-]{1,64}$/;
/** Latest time that a `Date` can hold, in ms since the Unix epoch. */
const latestTime = 8_640_000_000_000_000;

/** Encodes a birth record. @throws RecordingKeyStoreError as {@link decodeBirthRecord}, for one that it would refuse */
export function encodeBirthRecord(record: BirthRecord): Buffer {
  const checked = checkRecord(record);
  const fields: Field[] = [];
  const add = (tag: number, value: Uint8Array) => fields.push({ tag, critical: criticality.get(tag) !== false, value });
  add(tags.organizationId, Buffer.from(checked.organizationId));
  add(tags.keyPairId, Buffer.from(checked.keyPairId));
  add(tags.sequence, u64(checked.sequence));
  add(tags.spec, Buffer.from(checked.spec));
  add(tags.createdAt, u64(checked.createdAt));
  if (checked.previousDigest) add(tags.previousDigest, checked.previousDigest);
  add(tags.kmsKeyAliasArn, Buffer.from(checked.kmsKeyAliasArn));
  add(tags.periodicKeyChange, Buffer.from(checked.periodicKeyChange));
  add(tags.scheduleAnchor, u64(checked.scheduleAnchor));
  add(tags.contextKeyName, Buffer.from(checked.contextKeyName));
  add(tags.purpose, Buffer.from(checked.purpose));
  if (checked.reason) add(tags.reason, Buffer.from(checked.reason));
  return Buffer.concat([magic, encodeFields(fields)]);
}

/**
 * Decodes a birth record. The result keeps every rule of `docs/FORMAT.md`.
 * @throws RecordingKeyStoreError `ERR_FORMAT_INVALID` naming field and rule, `ERR_FORMAT_TOO_NEW`
 */
export function decodeBirthRecord(bytes: Uint8Array): BirthRecord {
  const buffer = Buffer.from(bytes);
  const name = magic.subarray(0, 6);
  if (!buffer.subarray(0, 6).equals(name) || buffer.length < magic.length) throw invalid("does not begin as one");
  if (!buffer.subarray(0, magic.length).equals(magic)) throw tooNew("has a version that this library does not know");
  const fields = decodeFields(buffer.subarray(magic.length), criticality, "birth record");
  const bytesOf = (tag: number) => {
    const value = fields.get(tag);
    if (!value) throw invalid(`field ${tag} is missing`);
    return value;
  };
  const text = (tag: number) => decodeText(bytesOf(tag), (rule) => invalid(`field ${tag} ${rule}`));
  const integer = (tag: number) => {
    const value = bytesOf(tag);
    if (value.length !== 8 || value.readBigUInt64BE() > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw invalid(`field ${tag} is not a number`);
    }
    return Number(value.readBigUInt64BE());
  };
  const previousDigest = fields.get(tags.previousDigest);
  const reasonGiven = fields.has(tags.reason) ? text(tags.reason) : undefined;
  const reason = keyPairReasons.find((known) => known === reasonGiven);
  return checkRecord({
    organizationId: text(tags.organizationId),
    keyPairId: text(tags.keyPairId),
    sequence: integer(tags.sequence),
    spec: text(tags.spec),
    createdAt: integer(tags.createdAt),
    kmsKeyAliasArn: text(tags.kmsKeyAliasArn),
    periodicKeyChange: text(tags.periodicKeyChange),
    scheduleAnchor: integer(tags.scheduleAnchor),
    contextKeyName: text(tags.contextKeyName),
    purpose: text(tags.purpose),
    ...defined({ previousDigest: previousDigest && Buffer.from(previousDigest), reason }),
  });
}

/** SHA-256 of a birth record's canonical bytes: the pair's name wherever it must not be forged. */
export function birthRecordDigest(bytes: Uint8Array): Buffer {
  return hash("sha256", bytes, "buffer");
}

/** A record whose words may be unknown to this version. */
type UncheckedRecord = Omit<BirthRecord, "spec" | "periodicKeyChange" | "purpose"> &
  Readonly<Record<"spec" | "periodicKeyChange" | "purpose", string>>;

/** Holds encoder and decoder to the same rules, so that nobody writes what nobody can read. */
function checkRecord(record: UncheckedRecord): BirthRecord {
  const known = {
    spec: knownWord("spec", record.spec, keyPairSpecs),
    periodicKeyChange: knownWord("periodicKeyChange", record.periodicKeyChange, periodicKeyChanges),
    purpose: knownWord("purpose", record.purpose, keyPairPurposes),
  };
  for (const [field, problem] of Object.entries(problemsOf(record))) {
    if (problem !== undefined) throw invalid(`${field} ${problem}`);
  }
  return { ...record, ...known };
}

/** The rule that each field breaks, worded for a message. */
function problemsOf(record: UncheckedRecord): Partial<Record<keyof BirthRecord, string | undefined>> {
  const { organizationId, keyPairId, sequence, createdAt, scheduleAnchor, contextKeyName, reason } = record;
  const isPosition = sequence >= 1 && Number.isSafeInteger(sequence) && Number.isSafeInteger(sequence + 1);
  return {
    organizationId: organizationIdRule.pattern.test(organizationId) ? undefined : organizationIdRule.message,
    keyPairId: keyPairIdPattern.test(keyPairId) ? undefined : "must be 1 to 64 of A-Z a-z 0-9 _ -",
    sequence: isPosition ? undefined : "must be a whole number from 1 to 2^53 - 2",
    createdAt: timeProblem(createdAt),
    previousDigest: previousDigestProblem(record),
    kmsKeyAliasArn: kmsAliasArnProblem(record.kmsKeyAliasArn),
    scheduleAnchor: timeProblem(scheduleAnchor),
    contextKeyName: contextKeyNameProblem(contextKeyName),
    reason: isReason(reason) ? undefined : `must be one of ${keyPairReasons.join(", ")}`,
  };
}

/** True for an absent reason too. */
function isReason(reason: KeyPairReason | undefined): boolean {
  return reason === undefined || keyPairReasons.includes(reason);
}

function timeProblem(time: number): string | undefined {
  if (Number.isInteger(time) && time >= 0 && time <= latestTime) return undefined;
  return "must be whole milliseconds since the Unix epoch that a Date can hold, 0 to 8.64e15";
}

function previousDigestProblem({ sequence, previousDigest }: UncheckedRecord): string | undefined {
  if (!previousDigest) return sequence > 1 ? "must be there if sequence is above 1" : undefined;
  if (sequence === 1) return "must be absent if sequence is 1: nothing is before the first pair";
  return previousDigest.length === 32 ? undefined : "must be 32 bytes";
}

function contextKeyNameProblem(name: string): string | undefined {
  if (!contextKeyNameRule.pattern.test(name)) return contextKeyNameRule.message;
  return contextKeyNameRule.taken.test(name) ? contextKeyNameRule.takenMessage : undefined;
}

function knownWord<T extends string>(field: keyof BirthRecord, word: string, known: readonly T[]): T {
  const found = known.find((candidate) => candidate === word);
  if (found !== undefined) return found;
  throw tooNew(`${field} ${JSON.stringify(word.slice(0, 40))} is not known to this version`);
}

function u64(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt(value));
  return buffer;
}

const invalid = (rule: string) => failure("ERR_FORMAT_INVALID", rule);
const tooNew = (what: string) => failure("ERR_FORMAT_TOO_NEW", what);

function failure(code: ErrorCode, rule: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError(code, `birth record: ${rule}`);
}
