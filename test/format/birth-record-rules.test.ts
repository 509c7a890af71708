import { describe, expect, it } from "vitest";
import { decodeBirthRecord, encodeBirthRecord, type BirthRecord } from "../../src/format/birth-record.js";
import {
  fieldsOf,
  highestSequence,
  latestTime,
  number,
  record,
  refused,
  shown,
  withFields,
  without,
  withValue,
} from "./birth-record-bytes.js";

const organizationRule = "must be 1 to 128 of A-Z a-z 0-9 . _ : @ + = , - and begin with a letter or digit";
const contextKeyRule = "must be 1 to 128 of A-Z a-z 0-9 . _ : / @ - and begin with a letter or digit";
const takenRule = "must not begin with aws: or recording-keystore:";
const idRule = "must be 1 to 64 of A-Z a-z 0-9 _ -";
const sequenceRule = "must be a whole number from 1 to 2^53 - 2";
const timeRule = "must be whole milliseconds since the Unix epoch that a Date can hold, 0 to 8.64e15";
const aliasRule = "must be an alias ARN, arn:{partition}:kms:{region}:{account}:alias/{name}";
const keyArnRule =
  "must be an alias ARN, not a key ARN: keys are reached by alias so that they can be changed behind it";
const arn = (resource: string, where = "arn:aws:kms:eu-west-1:111122223333") => `${where}:${resource}`;

type Broken = [field: keyof BirthRecord, value: unknown, rule: string];
const titled = (rows: readonly Broken[]) =>
  rows.map(([field, value, rule]) => ({ field, value, rule, title: `${field} ${shown(value)}` }));
/** Records that break one rule each, for encoding and as bytes. */
const broken: readonly Broken[] = [
  ...["", "-org", "org 1", "org*", "${aws:x}", "org/1", "\ufefforg-1", "örg", "org\n", "o".repeat(129)].map(
    (id): Broken => ["organizationId", id, organizationRule],
  ),
  ...["", "pair.1", "../pair", "pair 1", "päir", "pair\n", "\ufeffpair", "p".repeat(65)].map((id): Broken => [
    "keyPairId",
    id,
    idRule,
  ]),
  ["sequence", 0, sequenceRule],
  ["sequence", 2 ** 53 - 1, sequenceRule],
  ["createdAt", latestTime + 1, timeRule],
  ["createdAt", Number.MAX_SAFE_INTEGER, timeRule],
  ["scheduleAnchor", latestTime + 1, timeRule],
  ["previousDigest", undefined, "must be there if sequence is above 1"],
  ...[0, 31, 33].map((length): Broken => ["previousDigest", Buffer.alloc(length), "must be 32 bytes"]),
  ["kmsKeyAliasArn", "", aliasRule],
  ["kmsKeyAliasArn", "alias/recordings", aliasRule],
  ["kmsKeyAliasArn", arn("key/1234abcd-12ab-34cd-56ef-1234567890ab"), keyArnRule],
  [
    "kmsKeyAliasArn",
    arn("alias/recordings", "arn:aws:kms:us-gov-east-1:111122223333"),
    "must name a Region of its partition: us-gov-east-1 is in aws-us-gov, not in aws",
  ],
  [
    "kmsKeyAliasArn",
    arn("alias/recordings", "arn:aws:kms:eu-west-1:1111"),
    `${aliasRule}: the account must have 12 digits`,
  ],
  ["kmsKeyAliasArn", arn("alias/aws/s3"), "must not be under alias/aws/, which is reserved for keys that AWS manages"],
  ["kmsKeyAliasArn", arn(`alias/${"a".repeat(251)}`), "must have an alias of at most 256 characters, alias/ included"],
  ...["", "-name", "name=1", "näme", "name ", "n".repeat(129)].map((name): Broken => [
    "contextKeyName",
    name,
    contextKeyRule,
  ]),
  ...["aws:x", "AWS:x", "aws:", "recording-keystore:purpose", "Recording-Keystore:birth-record"].map((name): Broken => [
    "contextKeyName",
    name,
    takenRule,
  ]),
];
const secondAlone = withFields(
  fieldsOf(without(6)).map((field) => (field.tag === 3 ? { ...field, value: number(2) } : field)),
);
/** Sequence 1 with a digest breaks a rule of two fields together. */
const firstWithPrevious: BirthRecord = { ...record, sequence: 1 };
const firstRule = "previousDigest must be absent if sequence is 1: nothing is before the first pair";
const tagOf: Readonly<Record<keyof BirthRecord, number>> = {
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
};

/** Bytes of a record, encoded without any check. */
function bytesWith(field: keyof BirthRecord, value: unknown): Buffer {
  if (value === undefined) return without(tagOf[field]);
  return withValue(tagOf[field], typeof value === "number" ? number(value) : (value as Uint8Array | string));
}

/** The record with one member changed or left out. */
function recordWith(field: keyof BirthRecord, value: unknown): BirthRecord {
  return Object.fromEntries(
    Object.entries({ ...record, [field]: value }).filter(([, kept]) => kept !== undefined),
  ) as unknown as BirthRecord;
}

describe("a birth record that breaks one rule", () => {
  it.each(titled(broken))("is not read: $title", ({ field, value, rule }) => {
    const behindMark = typeof value === "string" && value.startsWith("\ufeff");
    const broken = behindMark ? `field ${tagOf[field]} begins with a byte order mark` : `${field} ${rule}`;
    expect(() => decodeBirthRecord(bytesWith(field, value))).toThrow(refused("ERR_FORMAT_INVALID", broken));
  });

  it.each(titled(broken))("is not written: $title", ({ field, value, rule }) => {
    expect(() => encodeBirthRecord(recordWith(field, value))).toThrow(
      refused("ERR_FORMAT_INVALID", `${field} ${rule}`),
    );
  });

  it("is neither read nor written: a second pair with none before it", () => {
    const { previousDigest: _, ...second } = { ...record, sequence: 2 };
    const rule = "previousDigest must be there if sequence is above 1";
    expect(() => encodeBirthRecord(second)).toThrow(refused("ERR_FORMAT_INVALID", rule));
    expect(() => decodeBirthRecord(secondAlone)).toThrow(refused("ERR_FORMAT_INVALID", rule));
  });

  it("is neither read nor written: a first pair with one before it", () => {
    expect(() => decodeBirthRecord(withValue(3, number(1)))).toThrow(refused("ERR_FORMAT_INVALID", firstRule));
    expect(() => encodeBirthRecord(firstWithPrevious)).toThrow(refused("ERR_FORMAT_INVALID", firstRule));
  });

  it.each<Broken>([
    ["sequence", 1.5, sequenceRule],
    ["sequence", 1 + Number.EPSILON, sequenceRule],
    ["sequence", NaN, sequenceRule],
    ["sequence", -1, sequenceRule],
    ["createdAt", -1, timeRule],
    ["createdAt", 0.5, timeRule],
    ["scheduleAnchor", NaN, timeRule],
    ["scheduleAnchor", Infinity, timeRule],
    ["reason", "restore", "must be one of schedule, on-demand, configure"],
  ])("is not written, though no bytes could say so: %s %s", (field, value, rule) => {
    expect(() => encodeBirthRecord(recordWith(field, value))).toThrow(
      refused("ERR_FORMAT_INVALID", `${field} ${rule}`),
    );
  });

  it.each<[field: keyof BirthRecord, word: string, part: string]>([
    ["spec", "ML_KEM_768", "ML_KEM_768"],
    ["spec", "", ""],
    ["spec", "X".repeat(100), "X".repeat(40)],
    ["periodicKeyChange", "hourly", "hourly"],
    ["purpose", "archive", "archive"],
  ])("is too new for readers and makers: %s %s", (field, word, part) => {
    const error = refused("ERR_FORMAT_TOO_NEW", `${field} "${part}" is not known to this version`);
    expect(() => decodeBirthRecord(bytesWith(field, word))).toThrow(error);
    expect(() => encodeBirthRecord(recordWith(field, word))).toThrow(error);
  });

  it.each(
    titled([
      ["organizationId", "o".repeat(128), ""],
      ["organizationId", "0._:@+=,-", ""],
      ["keyPairId", "p".repeat(64), ""],
      ["keyPairId", "-_", ""],
      ["sequence", 2, ""],
      ["sequence", highestSequence, ""],
      ["createdAt", 0, ""],
      ["createdAt", latestTime, ""],
      ["scheduleAnchor", latestTime, ""],
      ["kmsKeyAliasArn", arn(`alias/${"a".repeat(250)}`), ""],
      ["contextKeyName", "n".repeat(128), ""],
      ["contextKeyName", "awsome:x", ""],
      ["purpose", "test", ""],
    ]),
  )("is none at the rule's edge: $title", ({ field, value }) => {
    expect(decodeBirthRecord(bytesWith(field, value))).toStrictEqual({ ...record, [field]: value });
    expect(encodeBirthRecord(recordWith(field, value)).equals(bytesWith(field, value))).toBe(true);
  });
});
