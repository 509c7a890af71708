// Adds what is missing to test/vectors/format.json (docs/FORMAT.md), and leaves every vector that is there as it is. Nothing of
// src/ is used: fields are written by test/format/recording-writer.ts, payloads by the transcription of FLOE, boxes by libsodium.
import { constants, createHash, createPublicKey, generateKeyPairSync, publicEncrypt, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import sodium from "libsodium-wrappers";
import {
  field,
  fieldBytes,
  headerOf,
  padded,
  plaintextOf,
  sealPayload,
  sealSection,
  u16,
  u32,
  u64,
  type RawField,
} from "../test/format/recording-writer.js";

await sodium.ready;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const sha256 = (...parts: Uint8Array[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const organizationId = "5b8a1c1e-0000-4000-8000-000000000001";
const contextKeyName = "genesys-cloud-organization-id";
const kmsKeyArn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const otherKeyArn = "arn:aws:kms:eu-west-1:111122223333:key/abcd1234-ab12-cd34-ef56-abcdef123456";

type Changes = Readonly<Record<number, Uint8Array | string | undefined>>;

/** Fields of a birth record, some of them changed, left out or added. */
function birthFields(changes: Changes = {}): RawField[] {
  const values: Record<number, Uint8Array | string | undefined> = {
    1: organizationId,
    2: "pair-1",
    3: u64(1),
    4: "X25519",
    5: u64(Date.UTC(2026, 0, 31, 12)),
    7: "arn:aws:kms:eu-west-1:111122223333:alias/recordings",
    8: "monthly",
    9: u64(Date.UTC(2026, 0, 31)),
    10: contextKeyName,
    11: "key-pair",
    ...changes,
  };
  return Object.entries(values).flatMap(([tag, value]) =>
    value === undefined ? [] : [field(Number(tag), Number(tag) !== 12, value)],
  );
}
const birthOf = (fields: readonly RawField[], version = 1) =>
  Buffer.concat([Buffer.from("RKSKEY"), u16(version), fieldBytes(fields)]);
const birth = (changes: Changes = {}) => birthOf(birthFields(changes));
const contextOf = (birthRecord: Buffer, purpose: string) => ({
  [contextKeyName]: organizationId,
  "recording-keystore:purpose": purpose,
  "recording-keystore:birth-record": sha256(birthRecord).toString("base64url"),
});

function keyPair(spec: string) {
  if (spec === "X25519") {
    const { privateKey, publicKey } = sodium.crypto_box_keypair();
    return { privateKey, publicKey, wrap: (dataKey: Buffer) => sodium.crypto_box_seal(dataKey, publicKey) };
  }
  const pair = generateKeyPairSync("rsa", {
    modulusLength: Number(spec.slice(4)),
    publicKeyEncoding: { format: "der", type: "spki" },
    privateKeyEncoding: { format: "der", type: "pkcs8" },
  });
  const key = createPublicKey({ key: pair.publicKey, format: "der", type: "spki" });
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return { ...pair, wrap: (dataKey: Buffer) => publicEncrypt({ key, padding, oaepHash: "sha256" }, dataKey) };
}
type Pair = ReturnType<typeof keyPair>;

const wrappedKey = (fields: readonly RawField[]) => {
  const bytes = fieldBytes(fields);
  return Buffer.concat([u16(bytes.length), bytes]);
};
const laterSpec = () =>
  wrappedKey([field(1, true, birth({ 4: "MLKEM768-X25519" })), field(2, true, randomBytes(1_168))]);
const laterKind = () => wrappedKey([field(9, true, "a wrapped data key of another kind")]);

interface Case {
  readonly name: string;
  readonly spec?: string;
  readonly size?: number;
  readonly segmentLength?: number;
  readonly before?: readonly Buffer[];
  readonly metadata?: string;
  readonly section?: Buffer;
  readonly trailer?: Buffer;
  readonly header?: readonly RawField[];
  readonly pair?: { readonly keys: Pair; readonly birthRecord: Buffer };
}

function recording({ name, spec = "X25519", size = 100, segmentLength = 4_096, before = [], ...rest }: Case) {
  const { metadata, section = Buffer.alloc(0), trailer = Buffer.alloc(0), header: more = [] } = rest;
  const keys = rest.pair?.keys ?? keyPair(spec);
  const birthRecord = rest.pair?.birthRecord ?? birth({ 4: spec });
  const dataKey = randomBytes(32);
  const own = wrappedKey([field(1, true, birthRecord), field(2, true, keys.wrap(dataKey))]);
  const header = headerOf([
    field(1, true, organizationId),
    field(2, true, "call-4711"),
    field(3, true, "main"),
    field(4, true, Buffer.concat([...before, own])),
    field(5, true, u32(segmentLength)),
    field(6, false, Uint8Array.of(1)),
    ...more.filter(({ tag }) => tag < 8),
    ...(metadata === undefined ? [] : [field(8, true, u32(106 + padded(metadata).length))]),
    ...more.filter(({ tag }) => tag === 9),
    ...(section.length === 0 ? [] : [field(11, true, u32(section.length))]),
    ...(trailer.length === 0 ? [] : [field(12, true, u32(trailer.length))]),
  ]);
  const sealed = metadata === undefined ? Buffer.alloc(0) : sealSection(padded(metadata), header, dataKey);
  const payload = sealPayload(plaintextOf(size), header, { dataKey, segmentLength });
  return {
    name,
    plaintextSize: size,
    birthRecord: { spec, bytes: hex(birthRecord) },
    encryptionContext: contextOf(birthRecord, "private-key"),
    privateKey: hex(keys.privateKey),
    publicKey: hex(keys.publicKey),
    dataKey: hex(dataKey),
    header: hex(header),
    ...(metadata === undefined ? {} : { metadata, metadataSection: hex(sealed) }),
    recording: Buffer.concat([header, sealed, section, payload, trailer]).toString("base64"),
  };
}

/** An object that holds lists within one another, so many containers in all. */
const nested = (containers: number, inner = "") =>
  `{"a":${"[".repeat(containers - 1)}${inner}${"]".repeat(containers - 1)}}`;

const document = (content: Record<string, unknown>) => JSON.stringify({ version: 1, ...content });
const u32d = (part: Uint8Array) => Buffer.concat([u32(part.length), part]);

/** Two pairs of one history, as a key pair store holds them, and a recording of each. */
function chain() {
  let previous: Buffer | undefined;
  return [1, 2].map((sequence) => {
    const keys = keyPair("X25519");
    const birthRecord = birth({ 2: `pair-${sequence}`, 3: u64(sequence), 6: previous, 12: "on-demand" });
    previous = sha256(birthRecord);
    const [wrapped, attested] = [randomBytes(184), randomBytes(184)];
    const attestation = sha256(
      Buffer.from("recording-keystore attestation v1\0"),
      ...[birthRecord, Buffer.from(keys.publicKey), Buffer.from(kmsKeyArn), wrapped].map(u32d),
    );
    const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
    const further = randomBytes(184);
    return {
      name: `pair ${sequence} of a history`,
      birthRecord: hex(birthRecord),
      record: document({
        kind: "keyPair",
        critical: [],
        birthRecord: base64(birthRecord),
        publicKey: base64(keys.publicKey),
        attestation: { kmsKeyArn, ciphertext: base64(attested) },
        wrapping: { kmsKeyArn, ciphertext: base64(wrapped) },
      }),
      furtherWrapping: {
        wrappingId: sha256(Buffer.from(otherKeyArn)).toString("base64url"),
        record: document({
          kind: "wrapping",
          critical: [],
          digest: base64(previous),
          wrapping: { kmsKeyArn: otherKeyArn, ciphertext: base64(further) },
        }),
      },
      head: document({
        kind: "head",
        critical: [],
        organizationId,
        keyPairId: `pair-${sequence}`,
        sequence,
        digest: base64(previous),
      }),
      kmsDecrypt: [
        {
          ciphertext: hex(wrapped),
          kmsKeyArn,
          encryptionContext: contextOf(birthRecord, "private-key"),
          plaintext: hex(keys.privateKey),
        },
        {
          ciphertext: hex(attested),
          kmsKeyArn,
          encryptionContext: contextOf(birthRecord, "attestation"),
          plaintext: hex(attestation),
        },
        {
          ciphertext: hex(further),
          kmsKeyArn: otherKeyArn,
          encryptionContext: contextOf(birthRecord, "private-key"),
          plaintext: hex(keys.privateKey),
        },
      ],
      recording: recording({ name: `recording of pair ${sequence}`, pair: { keys, birthRecord } }).recording,
    };
  });
}

const invalid = "ERR_FORMAT_INVALID";
const tooNew = "ERR_FORMAT_TOO_NEW";
const long = "a".repeat(129);
const alias = (arn: string) => birth({ 7: arn });
const wrongBirths: readonly [name: string, code: string, bytes: Buffer][] = [
  ["another magic", invalid, Buffer.concat([Buffer.from("RKSKEX"), birth().subarray(6)])],
  ["version 2", tooNew, birthOf(birthFields(), 2)],
  ["an unknown critical field", tooNew, birthOf([...birthFields(), field(13, true, "x")])],
  [
    "a known field without its critical bit",
    invalid,
    birthOf(birthFields().map((f) => (f.tag === 4 ? field(4, false, f.value) : f))),
  ],
  ["a reason with the critical bit", invalid, birthOf([...birthFields(), field(12, true, "schedule")])],
  ["fields out of order", invalid, birthOf([...birthFields()].reverse())],
  ["a field twice", invalid, birthOf(birthFields().flatMap((f) => (f.tag === 2 ? [f, f] : [f])))],
  ["a field cut short", invalid, birth().subarray(0, -1)],
  ...[1, 2, 3, 4, 5, 7, 8, 9, 10, 11].map(
    (tag) => [`no field ${tag}`, invalid, birth({ [tag]: undefined })] as [string, string, Buffer],
  ),
  ["an organization id with a space", invalid, birth({ 1: "a b" })],
  ["an organization id of 129 characters", invalid, birth({ 1: long })],
  ["an organization id behind a byte order mark", invalid, birth({ 1: "\ufeffa" })],
  ["a key pair id with a dot", invalid, birth({ 2: "a.b" })],
  ["a key pair id of 65 characters", invalid, birth({ 2: "a".repeat(65) })],
  ["sequence 0", invalid, birth({ 3: u64(0) })],
  ["sequence 2^53 - 1", invalid, birth({ 3: u64(2n ** 53n - 1n), 6: Buffer.alloc(32) })],
  ["sequence 2^53", invalid, birth({ 3: u64(2n ** 53n), 6: Buffer.alloc(32) })],
  ["a sequence of four bytes", invalid, birth({ 3: u32(1) })],
  ["an unknown spec", tooNew, birth({ 4: "P256" })],
  ["the reserved spec", tooNew, birth({ 4: "MLKEM768-X25519" })],
  ["a time beyond 8.64e15", invalid, birth({ 5: u64(8_640_000_000_000_001n) })],
  ["a time beyond 2^53", invalid, birth({ 9: u64(2n ** 53n + 1n) })],
  ["a previous digest of the first pair", invalid, birth({ 6: Buffer.alloc(32) })],
  ["no previous digest of the second pair", invalid, birth({ 3: u64(2) })],
  ["a previous digest of 31 bytes", invalid, birth({ 3: u64(2), 6: Buffer.alloc(31) })],
  ["a key ARN in the alias's place", invalid, alias(kmsKeyArn)],
  ["an alias of AWS", invalid, alias("arn:aws:kms:eu-west-1:111122223333:alias/aws/s3")],
  ["an alias in a Region of another partition", invalid, alias("arn:aws:kms:cn-north-1:111122223333:alias/a")],
  ["an alias of 251 characters", invalid, alias(`arn:aws:kms:eu-west-1:111122223333:alias/${"a".repeat(251)}`)],
  ["an alias of an account of 11 digits", invalid, alias("arn:aws:kms:eu-west-1:11112222333:alias/a")],
  ["an unknown periodic change", tooNew, birth({ 8: "hourly" })],
  ["a name in the context that begins with aws:", invalid, birth({ 10: "AWS:x" })],
  ["the purpose's name in the context", invalid, birth({ 10: "recording-keystore:purpose" })],
  ["the birth record's name in the context", invalid, birth({ 10: "recording-keystore:birth-record" })],
  ["a name in the context of 129 characters", invalid, birth({ 10: long })],
  ["an unknown purpose", tooNew, birth({ 11: "other" })],
  ["a spec behind a byte order mark", invalid, birth({ 4: "\ufeffX25519" })],
  ["a reason behind a byte order mark", invalid, birth({ 12: "\ufeffschedule" })],
  [
    "an unknown critical field before a field cut short",
    tooNew,
    Buffer.concat([birthOf([...birthFields(), field(13, true, "x")]), u16(14)]),
  ],
  ["an unknown spec beside a key pair id with a dot", tooNew, birth({ 2: "a.b", 4: "P256" })],
];

const one = wrappedKey([field(1, true, birth()), field(2, true, randomBytes(80))]);
const headerFields = (changes: Changes = {}, more: readonly RawField[] = []) => {
  const values: Record<number, Uint8Array | string | undefined> = {
    1: organizationId,
    2: "call-4711",
    3: "main",
    4: one,
    5: u32(4_096),
    6: Uint8Array.of(1),
    ...changes,
  };
  return [
    ...Object.entries(values).flatMap(([tag, value]) =>
      value === undefined ? [] : [field(Number(tag), ![6, 7, 9].includes(Number(tag)), value)],
    ),
    ...more,
  ];
};
const changed = (changes: Changes, more: readonly RawField[] = []) => headerOf(headerFields(changes, more));
const embedded = (arn: Uint8Array | string | undefined, half: Uint8Array | undefined) =>
  changed({
    4: wrappedKey([
      field(1, true, birth()),
      field(2, true, randomBytes(80)),
      ...(arn === undefined ? [] : [field(3, false, arn)]),
      ...(half === undefined ? [] : [field(4, false, half)]),
    ]),
  });
const json = (text: string) => changed({ 7: text });
const wrongHeaders: readonly [name: string, code: string, header: Buffer][] = [
  ["no fields", invalid, Buffer.concat([Buffer.from("RKSREC"), u16(1), u32(0)])],
  ...[1, 2, 3, 4, 5, 6].map(
    (tag) => [`no field ${tag}`, invalid, changed({ [tag]: undefined })] as [string, string, Buffer],
  ),
  ["an organization id with a space", invalid, changed({ 1: "a b" })],
  ["an empty recording id", invalid, changed({ 2: "" })],
  ["a recording id behind a byte order mark", invalid, changed({ 2: "\ufeffcall" })],
  ["a recording id with a control character", invalid, changed({ 2: "a\u0085" })],
  ["a recording id of 1,025 bytes", invalid, changed({ 2: "a".repeat(1_025) })],
  ["a recording id that is not UTF-8", invalid, changed({ 2: Buffer.from([0xc3, 0x28]) })],
  ["an asset of 129 bytes", invalid, changed({ 3: long })],
  ["no wrapped data key", invalid, changed({ 4: "" })],
  ["nine wrapped data keys", invalid, changed({ 4: Buffer.concat(Array.from({ length: 9 }, () => one)) })],
  ["a wrapped data key cut short", invalid, changed({ 4: one.subarray(0, -1) })],
  ["a wrapped data key without a birth record", invalid, changed({ 4: wrappedKey([field(2, true, "k")]) })],
  ["wrapped data keys of later versions alone", tooNew, changed({ 4: laterKind() })],
  ["a wrapped private half without its ARN", invalid, embedded(undefined, randomBytes(100))],
  ["an ARN without its wrapped private half", invalid, embedded(kmsKeyArn, undefined)],
  ["an empty wrapped private half", invalid, embedded(kmsKeyArn, Buffer.alloc(0))],
  ["a wrapped private half of 6,145 bytes", invalid, embedded(kmsKeyArn, Buffer.alloc(6_145))],
  ["segments of 4,095 bytes", invalid, changed({ 5: u32(4_095) })],
  ["segments of 16,777,249 bytes", invalid, changed({ 5: u32(16_777_249) })],
  ["an unknown confirmation", invalid, changed({ 6: Uint8Array.of(3) })],
  ["public metadata that is a list", invalid, json("[]")],
  ["public metadata with members out of order", invalid, json('{"b":1,"a":2}')],
  ["public metadata with a member twice", invalid, json('{"a":1,"a":1}')],
  ["public metadata with 1.0", invalid, json('{"a":1.0}')],
  ["public metadata with a lone surrogate", invalid, json('{"a":"\\ud800"}')],
  ["public metadata of 8,193 bytes", invalid, json(`{"a":"${"x".repeat(8_185)}"}`)],
  ["public metadata with 102 containers open", invalid, json(nested(102))],
  ["public metadata with a number in 101 containers", invalid, json(nested(101, "1"))],
  ["metadata of 0 bytes", invalid, changed({}, [field(8, true, u32(106))])],
  ["metadata of more than 65,536 bytes", invalid, changed({}, [field(8, true, u32(106 + 65_792))])],
  ["field 9 with the critical bit", invalid, changed({}, [field(9, true, "x")])],
  ["a reserved section of 0 bytes", invalid, changed({}, [field(11, true, u32(0))])],
  ["a trailer of 16,777,217 bytes", invalid, changed({}, [field(12, true, u32(16_777_217))])],
  ["a trailer without the critical bit", invalid, changed({}, [field(12, false, u32(5))])],
  ["an ARN behind a byte order mark", invalid, embedded(`\ufeff${kmsKeyArn}`, randomBytes(100))],
  [
    "wrapped data keys of later versions alone beside public metadata with white space",
    invalid,
    changed({ 4: laterKind(), 7: "{ }" }),
  ],
];

/** What is behind the last segment. */
function wrongEnds() {
  const whole = recording({ name: "", trailer: randomBytes(64) });
  const bytes = Buffer.from(whole.recording, "base64");
  const refused = (name: string, code: string, changedBytes: Buffer) => ({
    name,
    code,
    dataKey: whole.dataKey,
    recording: changedBytes.toString("base64"),
  });
  return [
    refused("a trailer that is missing", "ERR_RECORDING_TRUNCATED", bytes.subarray(0, -64)),
    refused("a trailer cut short", "ERR_RECORDING_TRUNCATED", bytes.subarray(0, -1)),
    refused("a byte behind the trailer", "ERR_RECORDING_TAMPERED", Buffer.concat([bytes, Buffer.from([0])])),
  ];
}

const file = new URL("../test/vectors/format.json", import.meta.url);
interface Named {
  readonly name: string;
}
const kept = (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {}) as Record<string, Named[] | undefined>;
/** What is in the file already stays; the rest is made. */
const added = (list: string, made: readonly Named[]) => {
  const before = kept[list] ?? [];
  return [...before, ...made.filter(({ name }) => !before.some((vector) => vector.name === name))];
};

const cases: readonly Case[] = [
  { name: "the default segment length", size: 65_537, segmentLength: 65_568 },
  { name: "RSA_3072", spec: "RSA_3072" },
  { name: "RSA_4096", spec: "RSA_4096" },
  { name: "a reserved section", section: randomBytes(100), size: 5_000 },
  { name: "a trailer", trailer: randomBytes(64), size: 5_000 },
  {
    name: "metadata, a reserved section, a recorder and a trailer",
    metadata: '{"a":1}',
    section: randomBytes(37),
    trailer: randomBytes(5_000),
    header: [field(9, false, "a recorder")],
  },
  { name: "a wrapped data key for a pair of a later spec before one that opens", before: [laterSpec()] },
  { name: "a wrapped data key of a later kind before one that opens", before: [laterKind()] },
  { name: "public metadata with 101 containers open", header: [field(7, false, nested(101))] },
];
const content = {
  about:
    "More of docs/FORMAT.md, version 1; recordings.json has the first part. Recordings are base64, records are JSON texts as a store holds them, everything else is hex. Ciphertexts of KMS are made up: kmsDecrypt says what KMS would answer. The private keys are for these vectors only.",
  recordings: added("recordings", cases.map(recording)),
  keyPairs: added("keyPairs", chain()),
  refusedBirthRecords: added(
    "refusedBirthRecords",
    wrongBirths.map(([name, code, bytes]) => ({ name, code, bytes: hex(bytes) })),
  ),
  refusedHeaders: added(
    "refusedHeaders",
    wrongHeaders.map(([name, code, bytes]) => ({ name, code, header: hex(bytes) })),
  ),
  refused: added("refused", wrongEnds()),
};
writeFileSync(file, `${JSON.stringify(content, null, 1)}\n`);
