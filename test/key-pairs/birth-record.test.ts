import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeFields, type Field } from "../../src/encoding/fields.js";
import { birthRecordDigest, decodeBirthRecord, encodeBirthRecord, type BirthRecord } from "../../src/key-pairs/birth-record.js";
import { keyPairSpecs, periodicKeyChanges } from "../../src/key-pairs/vocabulary.js";

const record: BirthRecord = {
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
};
const magicLength = 8;
const encoded = encodeBirthRecord(record);

function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  for (let offset = magicLength; offset < bytes.length; ) {
    const length = bytes.readUInt16BE(offset + 2);
    fields.push({ tag: bytes.readUInt16BE(offset) & 0x7fff, critical: true, value: bytes.subarray(offset + 4, offset + 4 + length) });
    offset += 4 + length;
  }
  return fields;
}

const withFields = (fields: readonly Field[]) => Buffer.concat([encoded.subarray(0, magicLength), encodeFields(fields)]);
const without = (tag: number) => withFields(fieldsOf(encoded).filter((field) => field.tag !== tag));
const withValue = (tag: number, value: Uint8Array | string) => withFields(fieldsOf(encoded).map((field) => (field.tag === tag ? { ...field, value: Buffer.from(value) } : field)));
const number = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
};

const records = fc.record(
  {
    organizationId: fc.string({ unit: "grapheme" }),
    keyPairId: fc.string(),
    sequence: fc.maxSafeNat(),
    spec: fc.constantFrom(...keyPairSpecs),
    createdAt: fc.maxSafeNat(),
    previousDigest: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
    kmsKeyAliasArn: fc.string(),
    periodicKeyChange: fc.constantFrom(...periodicKeyChanges),
    scheduleAnchor: fc.maxSafeNat(),
    contextKeyName: fc.string(),
    purpose: fc.constantFrom("test" as const, "key-pair" as const),
  },
  { requiredKeys: ["organizationId", "keyPairId", "sequence", "spec", "createdAt", "kmsKeyAliasArn", "periodicKeyChange", "scheduleAnchor", "contextKeyName", "purpose"] },
);

describe("a birth record", () => {
  it("comes back as it was written, field by field", () => {
    fc.assert(
      fc.property(records, (any) => {
        expect(decodeBirthRecord(encodeBirthRecord(any))).toEqual({ ...any });
      }),
    );
    expect(decodeBirthRecord(without(6))).not.toHaveProperty("previousDigest");
  });

  it("begins with its name and version", () => expect(encoded.subarray(0, magicLength).toString("latin1")).toBe("RKSKEY\0\x01"));

  it("is read from wherever it lies in memory, and is not kept there", () => {
    const around = Buffer.concat([Buffer.alloc(5, 0xff), encoded, Buffer.alloc(5, 0xff)]);
    const read = decodeBirthRecord(around.subarray(5, 5 + encoded.length));
    around.fill(0);
    expect(read).toEqual(record);
  });

  it("keeps a byte order mark, which is a character like any other", () => {
    const organizationId = "\ufefforg-1";
    expect(decodeBirthRecord(encodeBirthRecord({ ...record, organizationId })).organizationId).toBe(organizationId);
  });

  it("is named by its SHA-256", () => expect(birthRecordDigest(Buffer.from("abc")).toString("hex")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
});

describe("what is no birth record", () => {
  const [organization, ...rest] = fieldsOf(encoded) as [Field, ...Field[]];
  it.each<[what: string, bytes: Buffer, message: string]>([
    ["nothing", Buffer.alloc(0), "does not begin as one"],
    ["another beginning", Buffer.concat([Buffer.from("RKSKEX\0\x01"), encoded.subarray(magicLength)]), "does not begin as one"],
    ["its name alone", encoded.subarray(0, 6), "does not begin as one"],
    ["half a version", encoded.subarray(0, 7), "does not begin as one"],
    ["no fields", encoded.subarray(0, magicLength), "field 1 is missing"],
    ...[1, 2, 3, 4, 5, 7, 8, 9, 10, 11].map((tag): [string, Buffer, string] => [`no field ${tag}`, without(tag), `field ${tag} is missing`]),
    ["an organization that is no UTF-8", withValue(1, Buffer.from([0x6f, 0xff])), "field 1 is not UTF-8"],
    ["an alias that is no UTF-8", withValue(7, Buffer.from([0xc0, 0x80])), "field 7 is not UTF-8"],
    ["a sequence of seven bytes", withValue(3, Buffer.alloc(7)), "field 3 is not a number"],
    ["a time of nine bytes", withValue(5, Buffer.alloc(9)), "field 5 is not a number"],
    ["no anchor", withValue(9, ""), "field 9 is not a number"],
    ["a number that JavaScript can't hold", withValue(9, number(2n ** 53n)), "field 9 is not a number"],
    ["a digest cut short", withValue(6, Buffer.alloc(31)), "digest of the previous pair is not 32 bytes"],
    ["an empty digest", withValue(6, ""), "digest of the previous pair is not 32 bytes"],
    ["a digest too long", withValue(6, Buffer.alloc(33)), "digest of the previous pair is not 32 bytes"],
    ["a field that may be skipped", withFields([{ ...organization, critical: false }, ...rest]), "field 1 has the wrong critical bit"],
    ["an end that is missing", encoded.subarray(0, -1), "field 11 is cut short"],
  ])("%s", (_, bytes, message) => {
    expect(() => decodeBirthRecord(bytes)).toThrow(expect.objectContaining({ code: "ERR_FORMAT_INVALID", message: `birth record: ${message}` }));
  });

  it.each([
    ["version", Buffer.concat([Buffer.from("RKSKEY\0\x02"), encoded.subarray(magicLength)]), "has a version that this library does not know"],
    ["other version", Buffer.concat([Buffer.from("RKSKEY\x01\x01"), encoded.subarray(magicLength)]), "has a version that this library does not know"],
    ["spec", withValue(4, "ML_KEM_768"), '"ML_KEM_768" is not known to this version'],
    ["period", withValue(8, "hourly"), '"hourly" is not known to this version'],
    ["purpose", withValue(11, "archive"), '"archive" is not known to this version'],
    ["long word, of which the beginning is shown", withValue(4, "X".repeat(100)), `"${"X".repeat(40)}" is not known to this version`],
    ["field", withFields([...fieldsOf(encoded), { tag: 12, critical: true, value: Buffer.alloc(1) }]), "has the critical field 12, which this version does not know"],
  ])("is newer than this library: a %s", (_, bytes, message) => {
    expect(() => decodeBirthRecord(bytes)).toThrow(expect.objectContaining({ code: "ERR_FORMAT_TOO_NEW", message: `birth record: ${message}` }));
  });

  it("the largest number that JavaScript can hold is one", () => expect(decodeBirthRecord(withValue(5, number(2n ** 53n - 1n))).createdAt).toBe(Number.MAX_SAFE_INTEGER));
});
