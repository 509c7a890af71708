import { expect } from "vitest";
import { encodeFields, type Field } from "../../src/format/fields.js";
import { encodeBirthRecord, type BirthRecord } from "../../src/format/birth-record.js";

/** A birth record with every field. */
export const record: BirthRecord = {
  organizationId: "org-1",
  keyPairId: "pair-1",
  sequence: 7,
  spec: "X25519",
  createdAt: 1_767_225_600_000,
  previousDigest: Buffer.alloc(32, 6),
  kmsKeyAliasArn: "arn:aws:kms:eu-west-1:111122223333:alias/recordings",
  periodicKeyChange: "monthly",
  scheduleAnchor: 1_767_225_599_000,
  contextKeyName: "genesys-cloud-organization-id",
  purpose: "key-pair",
  reason: "on-demand",
};
export const magicLength = 8;
export const encoded = encodeBirthRecord(record);
export const latestTime = 8_640_000_000_000_000;
export const highestSequence = 2 ** 53 - 2;

export function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  for (let offset = magicLength; offset < bytes.length;) {
    const tag = bytes.readUInt16BE(offset);
    const length = bytes.readUInt16BE(offset + 2);
    const value = bytes.subarray(offset + 4, offset + 4 + length);
    fields.push({ tag: tag & 0x7fff, critical: (tag & 0x8000) !== 0, value });
    offset += 4 + length;
  }
  return fields;
}

export const withFields = (fields: readonly Field[]) =>
  Buffer.concat([encoded.subarray(0, magicLength), encodeFields(fields)]);
export const without = (tag: number) => withFields(fieldsOf(encoded).filter((field) => field.tag !== tag));
export const withValue = (tag: number, value: Uint8Array | string) =>
  withFields(fieldsOf(encoded).map((field) => (field.tag === tag ? { ...field, value: Buffer.from(value) } : field)));
export const number = (value: bigint | number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

/** A short form of a value, for titles. */
export const shown = (value: unknown) => (JSON.stringify(value) ?? "nothing").slice(0, 40);

export const refused = (code: string, message: string): unknown =>
  expect.objectContaining({ code, message: `birth record: ${message}` });
