import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeFields } from "../../src/format/fields.js";
import type { RecordingKeyStoreError } from "../../src/errors.js";
import { canonicalJson } from "../../src/format/canonical-json.js";
import { decodeHeader, encodeHeader, headerLengthOf, type RecordingHeader } from "../../src/format/header.js";
import { effort } from "../support/effort.js";

const bytes = (maxLength: number) => fc.uint8Array({ minLength: 1, maxLength }).map((value) => Buffer.from(value));
const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
const name = text.filter((value) => !/[\p{Cc}]|^\uFEFF/u.test(value));
const recipient = fc
  .record({
    birthRecord: bytes(300),
    wrappedDataKey: bytes(600),
    embedded: fc.option(fc.record({ kmsKeyArn: text, wrappedPrivateKey: bytes(300) }), { nil: undefined }),
  })
  .map(({ embedded, ...rest }) => ({ ...rest, ...embedded }));
const metadata = fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue({ stringUnit: "grapheme" }), {
  maxKeys: 4,
});
const headers: fc.Arbitrary<RecordingHeader> = fc
  .record({
    organizationId: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:@+=,-]{0,127}$/),
    recordingId: name,
    asset: name,
    recipients: fc.array(recipient, { minLength: 1, maxLength: 8 }),
    segmentLength: fc.integer({ min: 4_096, max: 16_777_248 }),
    confirmation: fc.constantFrom("confirmed", "unconfirmed"),
    publicMetadata: fc.option(metadata, { nil: undefined }),
  })
  .map(({ publicMetadata, ...rest }) => ({ ...rest, ...(publicMetadata ? { publicMetadata } : {}) }));

/** A header of the given fields, valid or not. Default: one that decodes. */
function raw(
  change: Record<number, { critical?: boolean; value: Uint8Array } | undefined> = {},
  prefix: { magic?: string; version?: number } = {},
): Buffer {
  const defaults: typeof change = {
    1: t("org"),
    2: t("rec"),
    3: t("main"),
    4: {
      value: recipients([
        [1, "birth"],
        [2, "wrapped"],
      ]),
    },
    5: { value: u32(4_096) },
    6: { critical: false, value: Uint8Array.of(1) },
  };
  const fields = Object.entries({ ...defaults, ...change }).flatMap(([tag, field]) =>
    field ? [{ tag: Number(tag), critical: field.critical ?? true, value: field.value }] : [],
  );
  const padding =
    change[10]?.value ?? Buffer.alloc((1_000_000 * 32 - 12 - encodeFields(fields).length - 4 - 74 - 16) % 32);
  const body = encodeFields([
    ...fields.filter(({ tag }) => tag < 10),
    { tag: 10, critical: false, value: padding },
    ...fields.filter(({ tag }) => tag > 10),
  ]);
  return Buffer.concat([
    Buffer.from(prefix.magic ?? "RKSREC"),
    Buffer.from([0, prefix.version ?? 1]),
    u32(body.length),
    body,
  ]);
}
const t = (value: string) => ({ value: Buffer.from(value) });
const json = (value: string) => ({ 7: { critical: false, value: Buffer.from(value) } });
const u32 = (value: number) => Buffer.from([value >>> 24, value >>> 16, value >>> 8, value]);
function recipients(...entries: (readonly (readonly [number, string])[])[]): Buffer {
  return Buffer.concat(
    entries.map((fields) => {
      const body = encodeFields(fields.map(([tag, value]) => ({ tag, critical: tag < 3, value: Buffer.from(value) })));
      return Buffer.concat([u32(body.length).subarray(2), body]);
    }),
  );
}

describe("recording headers", () => {
  it("come back as they were, and encode to the same bytes again", () => {
    fc.assert(
      fc.property(headers, (header) => {
        const encoded = encodeHeader(header);
        expect(headerLengthOf(encoded.subarray(0, 12))).toBe(encoded.length);
        const decoded = decodeHeader(encoded);
        expect(encodeHeader(decoded).equals(encoded)).toBe(true);
        expect(JSON.stringify({ ...decoded, publicMetadata: undefined })).toBe(
          JSON.stringify({ ...header, publicMetadata: undefined }),
        );
      }),
      { numRuns: effort(100, 30) },
    );
  });

  it("that decode encode to the same bytes, and all others are refused with a code", () => {
    const seeds = headers.map((header) => encodeHeader(header));
    fc.assert(
      fc.property(
        seeds,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (encoded, changes) => {
          for (const [at, value] of changes) encoded[at % encoded.length] = value;
          try {
            const again = encodeHeader(decodeHeader(encoded));
            return again.equals(encoded) || tagsOf(encoded).length > tagsOf(again).length; // unknown fields that are not critical are skipped
          } catch (error) {
            return /^ERR_FORMAT_(INVALID|TOO_NEW)$/.test((error as RecordingKeyStoreError).code);
          }
        },
      ),
      { numRuns: effort(1_000, 100) },
    );
  });

  it("skip what they do not know, unless it is critical", () => {
    expect(decodeHeader(raw({ 100: { critical: false, value: Buffer.from("later") } }))).toEqual(decodeHeader(raw()));
    expect(() => decodeHeader(raw({ 100: { critical: true, value: Buffer.from("later") } }))).toThrow(
      expect.objectContaining({ code: "ERR_FORMAT_TOO_NEW" }),
    );
    expect(() => decodeHeader(raw({}, { version: 2 }))).toThrow(
      expect.objectContaining({
        code: "ERR_FORMAT_TOO_NEW",
        message: expect.stringMatching(/version 2; .* version 1/),
      }),
    );
  });

  const refused: Record<string, [header: Buffer, rule: RegExp]> = {
    "another magic": [raw({}, { magic: "RKSREX" }), /not an encrypted recording/],
    "no organization": [raw({ 1: undefined }), /recording header: field 1 is missing/],
    "no asset": [raw({ 3: undefined }), /recording header: field 3 is missing/],
    "no wrapped data key": [raw({ 4: { value: Buffer.alloc(0) } }), /no wrapped data key/],
    "nine wrapped data keys": [
      raw({
        4: {
          value: recipients(
            ...Array.from(
              { length: 9 },
              () =>
                [
                  [1, "b"],
                  [2, "w"],
                ] as const,
            ),
          ),
        },
      }),
      /more than 8 wrapped data keys/,
    ],
    "a wrapped data key cut short": [
      raw({
        4: {
          value: recipients([
            [1, "b"],
            [2, "w"],
          ]).subarray(0, -1),
        },
      }),
      /wrapped data key is cut short/,
    ],
    "half a length of a wrapped data key": [
      raw({
        4: {
          value: Buffer.concat([
            recipients([
              [1, "b"],
              [2, "w"],
            ]),
            Buffer.from([0]),
          ]),
        },
      }),
      /wrapped data key is cut short/,
    ],
    "a recipient without birth record": [
      raw({ 4: { value: recipients([[2, "w"]]) } }),
      /wrapped data key: field 1 is missing/,
    ],
    "an ARN without wrapped private half": [
      raw({
        4: {
          value: recipients([
            [1, "b"],
            [2, "w"],
            [3, "arn"],
          ]),
        },
      }),
      /without its KMS key ARN, or the reverse/,
    ],
    "a wrapped private half without ARN": [
      raw({
        4: {
          value: recipients([
            [1, "b"],
            [2, "w"],
            [4, "key"],
          ]),
        },
      }),
      /without its KMS key ARN, or the reverse/,
    ],
    "a segment length of 4,095": [raw({ 5: { value: u32(4_095) } }), /segment length 4095/],
    "a segment length of 16 MiB and 33": [raw({ 5: { value: u32(16_777_249) } }), /segment length 16777249/],
    "a segment length of three bytes": [raw({ 5: { value: u32(4_096).subarray(1) } }), /number .* wrong length/],
    "confirmation 0": [raw({ 6: { critical: false, value: Uint8Array.of(0) } }), /confirmation is not known/],
    "confirmation 3": [raw({ 6: { critical: false, value: Uint8Array.of(3) } }), /confirmation is not known/],
    "critical confirmation": [
      raw({ 6: { critical: true, value: Uint8Array.of(1) } }),
      /recording header: field 6 has the wrong critical bit/,
    ],
    "organization not critical": [
      raw({ 1: { critical: false, value: Buffer.from("org") } }),
      /field 1 has the wrong critical bit/,
    ],
    "text that is not UTF-8": [raw({ 2: { value: Uint8Array.of(0xc3, 0x28) } }), /not UTF-8/],
    "metadata that is an array": [raw(json("[1]")), /public metadata is not a canonical JSON object/],
    "metadata with white space": [raw(json('{"a": 1}')), /public metadata is not a canonical JSON object/],
    "metadata behind a byte order mark": [raw(json('\ufeff{"a":1}')), /public metadata is not a canonical JSON object/],
    "metadata out of order": [raw(json('{"b":1,"a":2}')), /public metadata is not a canonical JSON object/],
    "metadata with a doubled member": [raw(json('{"a":1,"a":1}')), /public metadata is not a canonical JSON object/],
    "metadata with another form of a number": [
      raw(json('{"a":1.0}')),
      /public metadata is not a canonical JSON object/,
    ],
    "metadata with a lone surrogate": [raw(json('{"a":"\\ud800"}')), /public metadata is not a canonical JSON object/],
    "metadata too long": [raw(json(`{"a":"${"x".repeat(8_192)}"}`)), /public metadata is not a canonical JSON object/],
    "metadata nested too deep": [
      raw(json(`{"a":${"[".repeat(2_000)}${"]".repeat(2_000)}}`)),
      /public metadata is not a canonical JSON object/,
    ],
    "a byte behind": [Buffer.concat([raw(), Buffer.from([0])]), /cut short/],
    nothing: [Buffer.alloc(0), /cut short/],
    "an empty wrapped data key at the end": [
      raw({
        4: {
          value: Buffer.concat([
            recipients([
              [1, "b"],
              [2, "w"],
            ]),
            Buffer.alloc(2),
          ]),
        },
      }),
      /wrapped data key: field 1 is missing/,
    ],
    "a length beyond 32 KiB": [
      Buffer.concat([raw().subarray(0, 8), u32(32_757), raw().subarray(12)]),
      /claims 32769 bytes; at most 32768/,
    ],
    "no segment length": [raw({ 5: undefined }), /recording header: field 5 is missing/],
    "no recipients": [raw({ 4: undefined }), /recording header: field 4 is missing/],
    "no confirmation": [raw({ 6: undefined }), /recording header: field 6 is missing/],
    "no padding": [withoutPadding(), /recording header: field 10 is missing/],
    "no fields": [Buffer.concat([raw().subarray(0, 8), u32(0)]), /recording header: field 5 is missing/],
    "a metadata section without text": [raw({ 8: { value: u32(106) } }), /the length 106 in field 8 is out of range/],
    "a byte order mark before a name": [raw({ 2: t("\ufeffrec") }), /begins with a byte order mark/],
    "an empty name": [raw({ 3: t("") }), /its asset is none/],
    "a control character in a name": [raw({ 2: t("a\n") }), /its recordingId is none/],
    "too long a recording id": [raw({ 2: t("a".repeat(1_025)) }), /its recordingId is none/],
    "too long an asset": [raw({ 3: t("a".repeat(129)) }), /its asset is none/],
    "an organization id that no birth record has": [raw({ 1: t("a b") }), /its organizationId is none/],
    "a critical recorder's field": [raw({ 9: { critical: true, value: Buffer.alloc(0) } }), /field 9 has the wrong/],
  };
  it.each(Object.entries(refused))("are refused with %s", (_what, [header, rule]) => {
    expect(() => decodeHeader(header)).toThrow(
      expect.objectContaining({ code: "ERR_FORMAT_INVALID", message: expect.stringMatching(rule) }),
    );
  });

  it.each([
    ["the shortest segments", raw({ 5: { value: u32(4_096) } }), { segmentLength: 4_096 }],
    ["the longest segments", raw({ 5: { value: u32(16_777_248) } }), { segmentLength: 16_777_248 }],
    [
      "8,192 bytes of public metadata",
      raw(json(`{"a":"${"x".repeat(8_184)}"}`)),
      { publicMetadata: { a: "x".repeat(8_184) } },
    ],
    ["the longest names", raw({ 2: t("€".repeat(341) + "x"), 3: t("a".repeat(128)) }), { asset: "a".repeat(128) }],
    ["a byte order mark within a name", raw({ 2: t("a\ufeff") }), { recordingId: "a\ufeff" }],
    ["a recorder's field, which is reserved", raw({ 9: { critical: false, value: Buffer.alloc(40) } }), {}],
  ])("are taken with %s", (_what, header, expected) => expect(decodeHeader(header)).toMatchObject(expected));

  it("may claim 32 KiB", () => expect(headerLengthOf(Buffer.concat([raw().subarray(0, 8), u32(32_756)]))).toBe(32_768));

  it("have a private half and the KMS key that opens it together, or neither", () => {
    const common = {
      organizationId: "o",
      recordingId: "r",
      asset: "main",
      segmentLength: 4_096,
      confirmation: "confirmed",
    } as const;
    const bare = { birthRecord: Buffer.from("b"), wrappedDataKey: Buffer.from("w") };
    for (const half of [{ kmsKeyArn: "arn" }, { wrappedPrivateKey: Buffer.from("key") }])
      expect(decodeHeader(encodeHeader({ ...common, recipients: [{ ...bare, ...half }] })).recipients).toEqual([bare]);
  });

  it("of up to 32 KiB are made, and none longer", () => {
    const long = (length: number) =>
      encodeHeader({
        organizationId: "o",
        recordingId: "r",
        asset: "main",
        recipients: [{ birthRecord: Buffer.alloc(length), wrappedDataKey: Buffer.alloc(1) }],
        segmentLength: 4_096,
        confirmation: "confirmed",
      });
    let length = 32_500;
    while (long(length).length <= 32_768 - 32) length += 1;
    expect(long(length).length).toBe(32_742); // the longest whose ciphertext is aligned
    expect(() => long(length + 32)).toThrow(
      expect.objectContaining({ field: "publicMetadata", rule: expect.stringMatching(/longer than 32768 bytes/) }),
    );
  });

  it.each([
    ["a number instead of members", Object.assign({}, { toJSON: () => 1 }), /JSON object/],
    ["a cycle", Object.assign(((value: Record<string, unknown>) => (value["self"] = value))({})), /must be JSON/],
    ["a BigInt", { a: 1n }, /BigInt/],
    ["a lone surrogate", { a: "\ud800" }, /lone surrogates/],
    ["a lone surrogate for a name", { "\udfff": 1 }, /lone surrogates/],
    ["9,000 bytes", { a: "x".repeat(9_000) }, /at most 8192 bytes/],
    ["200 levels", JSON.parse(`{"a":${"[".repeat(200)}${"]".repeat(200)}}`), /100 deep/],
  ])("refuse public metadata with %s", (_what, publicMetadata: Record<string, unknown>, rule) => {
    const header = {
      organizationId: "o",
      recordingId: "r",
      asset: "main",
      recipients: [],
      segmentLength: 4_096,
      confirmation: "confirmed",
    } as const;
    expect(() => encodeHeader({ ...header, publicMetadata })).toThrow(
      expect.objectContaining({
        code: "ERR_INVALID_INPUT",
        field: "publicMetadata",
        rule: expect.stringMatching(rule),
      }),
    );
  });
});

describe("canonical JSON", () => {
  it("follows the example of RFC 8785, 3.2.2 and 3.2.3", () => {
    const value: unknown = JSON.parse(
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    );
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });
});

it("aligns the ciphertext of every segment to 32 bytes", () => {
  fc.assert(fc.property(headers, (header) => (encodeHeader(header).length + 74 + 16) % 32 === 0));
});

it("refuses padding of another length, or of anything but zeros", () => {
  const good = raw();
  expect(() => decodeHeader(good)).not.toThrow();
  const length = good.length - good.lastIndexOf(Buffer.from([0, 10])) - 4;
  for (const value of [Buffer.alloc(length + 32), Buffer.alloc(length + 1), Buffer.alloc(length, 1)]) {
    if (length > 0 || value.length > 0)
      expect(() => decodeHeader(raw({ 10: { critical: false, value } }))).toThrow(
        expect.objectContaining({ code: "ERR_FORMAT_INVALID" }),
      );
  }
});

it("refuses a whole block of padding where none is needed", () => {
  const full = Array.from({ length: 32 }, (_, index) =>
    raw({ 2: t("r".repeat(index + 1)), 10: { critical: false, value: Buffer.alloc(32) } }),
  ).find((header) => (header.length + 74 + 16) % 32 === 0);
  expect(() => decodeHeader(full!)).toThrow(
    expect.objectContaining({ code: "ERR_FORMAT_INVALID", message: expect.stringMatching(/padding/) }),
  );
});

/** A header without its last field, the padding. */
function withoutPadding(): Buffer {
  const header = raw();
  const body = header.subarray(12, header.lastIndexOf(Buffer.from([0, 10])));
  return Buffer.concat([header.subarray(0, 8), u32(body.length), body]);
}

/** Tags of a header's fields, and of the fields inside recipients. */
function tagsOf(header: Buffer): number[] {
  const tags: number[] = [];
  const walk = (bytes: Buffer) => {
    for (let offset = 0; offset < bytes.length;) {
      const tag = bytes.readUInt16BE(offset) & 0x7fff;
      const value = bytes.subarray(offset + 4, offset + 4 + bytes.readUInt16BE(offset + 2));
      tags.push(tag);
      if (tag === 4 && bytes.length === header.length - 12)
        for (let at = 0; at < value.length; at += 2 + value.readUInt16BE(at))
          walk(value.subarray(at + 2, at + 2 + value.readUInt16BE(at)));
      offset += 4 + value.length;
    }
  };
  walk(header.subarray(12));
  return tags;
}
