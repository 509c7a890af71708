import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeFields, type Field } from "../../src/format/fields.js";
import { RecordingKeyStoreError } from "../../src/errors.js";
import {
  birthRecordDigest,
  decodeBirthRecord,
  encodeBirthRecord,
  type BirthRecord,
} from "../../src/format/birth-record.js";
import { keyPairReasons, keyPairSpecs, periodicKeyChanges } from "../../src/format/vocabulary.js";
import {
  encoded,
  fieldsOf,
  highestSequence,
  latestTime,
  magicLength,
  number,
  record,
  refused,
  shown,
  withFields,
  without,
  withValue,
} from "./birth-record-bytes.js";

const letters = "ABCXYZabcxyz0189".split("");
const idCharacter = fc.constantFrom(...letters, "_", "-");
/** Texts that begin with a letter or digit, in the characters of a rule. */
const ruled = (punctuation: string, maxLength = 128) =>
  fc
    .tuple(
      fc.constantFrom(...letters),
      fc.string({ unit: fc.constantFrom(...letters, ...punctuation.split("")), maxLength: maxLength - 1 }),
    )
    .map((parts) => parts.join(""));
const time = fc.oneof(fc.integer({ min: 0, max: latestTime }), fc.constantFrom(0, latestTime));
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const place = fc.oneof(
  fc.constant({ sequence: 1 }),
  fc.record({
    sequence: fc.oneof(fc.integer({ min: 2, max: highestSequence }), fc.constant(highestSequence)),
    previousDigest: digest,
  }),
);
const region = fc.constantFrom("aws:kms:eu-west-1", "aws-us-gov:kms:us-gov-east-1", "aws-cn:kms:cn-north-1");
const aliasName = fc
  .string({ unit: fc.constantFrom(...letters, "/", "_", "-"), minLength: 1, maxLength: 250 })
  .filter((name) => !name.startsWith("aws/"));

/** Every record that keeps the rules. */
const records: fc.Arbitrary<BirthRecord> = fc
  .tuple(
    fc.record(
      {
        organizationId: ruled("._:@+=,-"),
        keyPairId: fc.string({ unit: idCharacter, minLength: 1, maxLength: 64 }),
        spec: fc.constantFrom(...keyPairSpecs),
        createdAt: time,
        kmsKeyAliasArn: fc.tuple(region, aliasName).map(([where, name]) => `arn:${where}:111122223333:alias/${name}`),
        periodicKeyChange: fc.constantFrom(...periodicKeyChanges),
        scheduleAnchor: time,
        contextKeyName: ruled("._:/@-").filter((name) => !/^(aws|recording-keystore):/i.test(name)),
        purpose: fc.constantFrom("test" as const, "key-pair" as const),
        reason: fc.constantFrom(...keyPairReasons),
      },
      {
        requiredKeys: [
          "organizationId",
          "keyPairId",
          "spec",
          "createdAt",
          "kmsKeyAliasArn",
          "periodicKeyChange",
          "scheduleAnchor",
          "contextKeyName",
          "purpose",
        ],
      },
    ),
    place,
  )
  .map(([rest, where]) => ({ ...rest, ...where }));

describe("a birth record", () => {
  it("comes back as it was written, field by field", () => {
    fc.assert(
      fc.property(records, (any) => {
        expect(decodeBirthRecord(encodeBirthRecord(any))).toStrictEqual({ ...any });
      }),
    );
    expect(decodeBirthRecord(encoded)).toStrictEqual(record);
  });

  it("begins with its name and version", () =>
    expect(encoded.subarray(0, magicLength).toString("latin1")).toBe("RKSKEY\0\x01"));

  it("is decoded from any place in memory, into copies", () => {
    const around = Buffer.concat([Buffer.alloc(5, 0xff), encoded, Buffer.alloc(5, 0xff)]);
    const read = decodeBirthRecord(around.subarray(5, 5 + encoded.length));
    around.fill(0);
    expect(read).toEqual(record);
  });

  it("is named by its SHA-256", () =>
    expect(birthRecordDigest(Buffer.from("abc")).toString("hex")).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ));

  it("has one encoding: changed bytes are refused, or are those that encoding gives", () => {
    const change = fc.oneof(
      fc.record({ at: fc.nat(), with: fc.nat(255) }).map(
        ({ at, with: byte }) =>
          (bytes: Buffer) =>
            void bytes.writeUInt8(byte, at % bytes.length),
      ),
      fc.record({ at: fc.nat(), with: idCharacter }).map(
        ({ at, with: letter }) =>
          (bytes: Buffer) =>
            void bytes.write(letter, at % bytes.length),
      ),
      fc.record({ at: fc.nat(), bit: fc.nat(7) }).map(({ at, bit }) => (bytes: Buffer) => {
        bytes.writeUInt8(bytes.readUInt8(at % bytes.length) ^ (1 << bit), at % bytes.length);
      }),
    );
    let taken = 0;
    fc.assert(
      fc.property(records, fc.array(change, { minLength: 1, maxLength: 3 }), (any, changes) => {
        const bytes = encodeBirthRecord(any);
        for (const apply of changes) apply(bytes);
        let read: BirthRecord;
        try {
          read = decodeBirthRecord(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(RecordingKeyStoreError);
          return;
        }
        if (hasUnknown(bytes)) return;
        taken += 1;
        expect(encodeBirthRecord(read).equals(bytes)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
    expect(taken).toBeGreaterThan(50); // some 230; it means something only if it meets many, whatever the chance
  });
});

/** Whether decoding skips something: a field that is not critical, or a reason of a later version. */
function hasUnknown(bytes: Buffer): boolean {
  return fieldsOf(bytes).some(
    ({ tag, value }) =>
      tag > 12 || (tag === 12 && !(keyPairReasons as readonly string[]).includes(Buffer.from(value).toString())),
  );
}

describe("the reason of a birth record", () => {
  it.each(keyPairReasons)("is kept: %s", (reason) => {
    expect(decodeBirthRecord(encodeBirthRecord({ ...record, reason })).reason).toBe(reason);
  });

  it("may be skipped by readers that do not know the field", () => {
    expect(fieldsOf(encoded).at(-1)).toEqual({ tag: 12, critical: false, value: Buffer.from("on-demand") });
  });

  it("is absent from records that were made without it", () => {
    const { reason: _, ...rest } = record;
    expect(decodeBirthRecord(without(12))).toStrictEqual(rest);
    expect(encodeBirthRecord(rest).equals(without(12))).toBe(true);
  });

  it.each(["restore", "", "On-Demand", "x".repeat(0xffff)].map((text) => ({ text, shown: shown(text) })))(
    "of a later version reads as absent: $shown",
    ({ text }) => {
      expect(decodeBirthRecord(withValue(12, text))).not.toHaveProperty("reason");
    },
  );
});

describe("a malformed birth record", () => {
  const [organization, ...rest] = fieldsOf(encoded) as [Field, ...Field[]];
  const reason = rest.at(-1)!;
  it.each<[what: string, bytes: Buffer, message: string]>([
    ["nothing", Buffer.alloc(0), "does not begin as one"],
    [
      "another beginning",
      Buffer.concat([Buffer.from("RKSKEX\0\x01"), encoded.subarray(magicLength)]),
      "does not begin as one",
    ],
    ["its name alone", encoded.subarray(0, 6), "does not begin as one"],
    ["half a version", encoded.subarray(0, 7), "does not begin as one"],
    ["no fields", encoded.subarray(0, magicLength), "field 1 is missing"],
    ...[1, 2, 3, 4, 5, 7, 8, 9, 10, 11].map((tag): [string, Buffer, string] => [
      `no field ${tag}`,
      without(tag),
      `field ${tag} is missing`,
    ]),
    ["an organization that is no UTF-8", withValue(1, Buffer.from([0x6f, 0xff])), "field 1 is not UTF-8"],
    ["an alias that is no UTF-8", withValue(7, Buffer.from([0xc0, 0x80])), "field 7 is not UTF-8"],
    ["a reason that is no UTF-8", withValue(12, Buffer.from([0xc0, 0x80])), "field 12 is not UTF-8"],
    ["a sequence of seven bytes", withValue(3, Buffer.alloc(7)), "field 3 is not a number"],
    ["a time of nine bytes", withValue(5, Buffer.alloc(9)), "field 5 is not a number"],
    ["no anchor", withValue(9, ""), "field 9 is not a number"],
    ["a number that JavaScript can't hold", withValue(9, number(2n ** 53n)), "field 9 is not a number"],
    [
      "a field that may be skipped",
      withFields([{ ...organization, critical: false }, ...rest]),
      "field 1 has the wrong critical bit",
    ],
    [
      "a reason that may not be skipped",
      withFields([organization, ...rest.slice(0, -1), { ...reason, critical: true }]),
      "field 12 has the wrong critical bit",
    ],
    ["an end that is missing", encoded.subarray(0, -1), "field 12 is cut short"],
    [
      "a byte behind the end",
      Buffer.concat([encoded, Buffer.alloc(1)]),
      `field at byte ${encoded.length - magicLength} is cut short`,
    ],
    ["a field twice", Buffer.concat([encoded, encodeFields([reason])]), "field 12 is duplicated or out of order"],
  ])("is refused: %s", (_, bytes, message) => {
    expect(() => decodeBirthRecord(bytes)).toThrow(refused("ERR_FORMAT_INVALID", message));
  });

  it.each([
    [
      "version",
      Buffer.concat([Buffer.from("RKSKEY\0\x02"), encoded.subarray(magicLength)]),
      "has a version that this library does not know",
    ],
    [
      "other version",
      Buffer.concat([Buffer.from("RKSKEY\x01\x01"), encoded.subarray(magicLength)]),
      "has a version that this library does not know",
    ],
    [
      "field",
      withFields([...fieldsOf(encoded), { tag: 13, critical: true, value: Buffer.alloc(1) }]),
      "has the critical field 13, which this version does not know",
    ],
  ])("is newer than this library: a %s", (_, bytes, message) => {
    expect(() => decodeBirthRecord(bytes)).toThrow(refused("ERR_FORMAT_TOO_NEW", message));
  });

  it("is not a field that may be skipped", () => {
    const newer = withFields([...fieldsOf(encoded), { tag: 13, critical: false, value: Buffer.alloc(1) }]);
    expect(decodeBirthRecord(newer)).toStrictEqual(record);
  });
});
