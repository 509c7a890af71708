// Makes test/vectors/recordings.json anew (docs/FORMAT.md): payloads by the transcription of FLOE in test/, boxes by libsodium.
import { constants, createPublicKey, generateKeyPairSync, publicEncrypt, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import sodium from "libsodium-wrappers";
import { encodeFields, type Field } from "../src/format/fields.js";
import { birthRecordDigest, encodeBirthRecord, type BirthRecord } from "../src/format/birth-record.js";
import {
  headerOf,
  metadataLabel,
  padded,
  plaintextOf,
  sealPayload,
  sealSection,
  u16,
  u32,
} from "../test/format/recording-writer.js";

await sodium.ready;

interface Case {
  name: string;
  spec: "X25519" | "RSA_2048";
  plaintextSize: number;
  emptyLast?: boolean;
  selfContained?: boolean;
  secondRecipient?: boolean;
  confirmation?: 1 | 2;
  publicMetadata?: string;
  unknownField?: boolean;
  /** Canonical JSON. */
  metadata?: string;
}

const segmentLength = 4_096;
const capacity = segmentLength - 32;
const cases: Case[] = [
  { name: "empty recording", spec: "X25519", plaintextSize: 0 },
  {
    name: "one byte, self-contained, with public metadata",
    spec: "X25519",
    plaintextSize: 1,
    selfContained: true,
    publicMetadata: '{"channels":2,"codec":"opus","€":[1e+30,0.5,null]}',
  },
  { name: "two segments, the last one full", spec: "X25519", plaintextSize: 2 * capacity },
  { name: "two segments and an empty last one", spec: "X25519", plaintextSize: 2 * capacity, emptyLast: true },
  {
    name: "two segments and one byte, made while KMS could not be asked",
    spec: "X25519",
    plaintextSize: 2 * capacity + 1,
    confirmation: 2,
  },
  {
    name: "two wrapped data keys, and a later version's field",
    spec: "X25519",
    plaintextSize: 100,
    secondRecipient: true,
    unknownField: true,
  },
  {
    name: "metadata",
    spec: "X25519",
    plaintextSize: capacity + 1,
    metadata: '{"from":"+49 30 1234567","participants":["Ada","Grace"],"€":"😀"}',
  },
  {
    name: "metadata of exactly 256 bytes, with public metadata, of an empty recording",
    spec: "X25519",
    plaintextSize: 0,
    publicMetadata: '{"codec":"opus"}',
    metadata: `{"note":"${"n".repeat(245)}"}`,
  },
  {
    name: "metadata beyond one block of padding",
    spec: "X25519",
    plaintextSize: 10,
    metadata: `{"note":"${"n".repeat(246)}"}`,
  },
  { name: "RSA", spec: "RSA_2048", plaintextSize: 5_000 },
];

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const text = (tag: number, value: string): Field => ({ tag, critical: true, value: Buffer.from(value) });

function keyPair(spec: Case["spec"]): {
  privateKey: Uint8Array;
  publicKey: Uint8Array;
  wrap: (dataKey: Uint8Array) => Uint8Array;
} {
  if (spec === "X25519") {
    const { privateKey, publicKey } = sodium.crypto_box_keypair();
    return { privateKey, publicKey, wrap: (dataKey) => sodium.crypto_box_seal(dataKey, publicKey) };
  }
  const pair = generateKeyPairSync("rsa", {
    modulusLength: 2_048,
    publicKeyEncoding: { format: "der", type: "spki" },
    privateKeyEncoding: { format: "der", type: "pkcs8" },
  });
  const key = createPublicKey({ key: pair.publicKey, format: "der", type: "spki" });
  return {
    ...pair,
    wrap: (dataKey) => publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, dataKey),
  };
}

function birthRecordOf(spec: Case["spec"], sequence: number): BirthRecord {
  return {
    organizationId: "5b8a1c1e-0000-4000-8000-000000000001",
    keyPairId: `pair-${sequence}`,
    sequence,
    spec,
    createdAt: Date.UTC(2026, 0, 31, 12),
    ...(sequence > 1 ? { previousDigest: Buffer.alloc(32, 0xab) } : {}),
    kmsKeyAliasArn: "arn:aws:kms:eu-west-1:111122223333:alias/recordings",
    periodicKeyChange: "monthly",
    scheduleAnchor: Date.UTC(2026, 0, 31),
    contextKeyName: "genesys-cloud-organization-id",
    purpose: "key-pair",
  };
}

const kmsKeyArn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

function make({
  name,
  spec,
  plaintextSize,
  emptyLast = false,
  selfContained = false,
  secondRecipient = false,
  confirmation = 1,
  publicMetadata,
  unknownField = false,
  metadata,
}: Case) {
  const pair = keyPair(spec);
  const dataKey = randomBytes(32);
  const birth = birthRecordOf(spec, 1);
  const birthRecord = encodeBirthRecord(birth);
  const recipient = (record: Buffer, wrapped: Uint8Array) => {
    const fields: Field[] = [
      { tag: 1, critical: true, value: record },
      { tag: 2, critical: true, value: wrapped },
    ];
    if (selfContained)
      fields.push(
        { tag: 3, critical: false, value: Buffer.from(kmsKeyArn) },
        { tag: 4, critical: false, value: Buffer.from("a ciphertext of KMS") },
      );
    const body = encodeFields(fields);
    return Buffer.concat([u16(body.length), body]);
  };
  const recipients = [recipient(birthRecord, pair.wrap(dataKey))];
  if (secondRecipient)
    recipients.push(recipient(encodeBirthRecord(birthRecordOf("X25519", 2)), keyPair("X25519").wrap(dataKey)));
  const fields: Field[] = [
    text(1, birth.organizationId),
    text(2, "call-4711"),
    text(3, "main"),
    { tag: 4, critical: true, value: Buffer.concat(recipients) },
    { tag: 5, critical: true, value: u32(segmentLength) },
    { tag: 6, critical: false, value: Uint8Array.of(confirmation) },
    ...(publicMetadata === undefined ? [] : [{ tag: 7, critical: false, value: Buffer.from(publicMetadata) }]),
    ...(metadata === undefined ? [] : [{ tag: 8, critical: true, value: u32(74 + 32 + padded(metadata).length) }]),
    ...(unknownField ? [{ tag: 500, critical: false, value: Buffer.from("of a later version") }] : []),
  ];
  const header = headerOf(fields);
  const section = metadata === undefined ? Buffer.alloc(0) : sealSection(padded(metadata), header, dataKey);
  const payload = sealPayload(plaintextOf(plaintextSize), header, { dataKey, segmentLength, emptyLast });
  const recording = Buffer.concat([header, section, payload]);
  const digest = birthRecordDigest(birthRecord).toString("base64url");
  return {
    fields,
    header,
    section,
    recording,
    json: {
      name,
      plaintextSize,
      birthRecord: { ...birth, bytes: hex(birthRecord) },
      encryptionContext: {
        [birth.contextKeyName]: birth.organizationId,
        "recording-keystore:purpose": "private-key",
        "recording-keystore:birth-record": digest,
      },
      privateKey: hex(pair.privateKey),
      publicKey: hex(pair.publicKey),
      dataKey: hex(dataKey),
      header: hex(header),
      ...(metadata === undefined ? {} : { metadata, metadataSection: hex(section) }),
      recording: recording.toString("base64"),
    },
  };
}

const made = cases.map(make);
const [whole] = made.slice(4);
if (!whole) throw new Error("the case that is spoilt below is missing");
const { fields, header, recording } = whole;
const start = header.length + 74;
const segments = [0, 1, 2].map((index) =>
  recording.subarray(start + index * segmentLength, start + (index + 1) * segmentLength),
);
const changed = (at: number, value: number) =>
  Buffer.concat([recording.subarray(0, at), Buffer.from([value]), recording.subarray(at + 1)]);
const withHeader = (other: Buffer) => Buffer.concat([other, recording.subarray(header.length)]);
/** Where the value of field 6 stands: behind its tag and length. */
const confirmationAt = header.lastIndexOf(Buffer.from([0, 6, 0, 1])) + 4;
const refused: [name: string, code: string, recording: Buffer][] = [
  ["another magic", "ERR_FORMAT_INVALID", changed(0, 0x72)],
  ["version 2", "ERR_FORMAT_TOO_NEW", changed(7, 2)],
  [
    "a header of 32,769 bytes",
    "ERR_FORMAT_INVALID",
    Buffer.concat([recording.subarray(0, 8), u32(32_769 - 12), recording.subarray(12)]),
  ],
  [
    "an unknown critical field",
    "ERR_FORMAT_TOO_NEW",
    withHeader(headerOf([...fields, { tag: 600, critical: true, value: Buffer.from("x") }])),
  ],
  [
    "a field twice",
    "ERR_FORMAT_INVALID",
    withHeader(headerOf(fields, encodeFields([{ tag: 6, critical: false, value: Uint8Array.of(1) }]))),
  ],
  [
    "public metadata with white space",
    "ERR_FORMAT_INVALID",
    withHeader(headerOf([...fields, { tag: 7, critical: false, value: Buffer.from('{"a": 1}') }])),
  ],
  [
    "padding that does not align",
    "ERR_FORMAT_INVALID",
    withHeader(
      Buffer.concat([
        header.subarray(0, 8),
        u32(header.length - 12 + 5),
        header.subarray(12),
        Buffer.from([0, 11, 0, 1, 0]),
      ]),
    ),
  ],
  [
    "another confirmation than was authenticated",
    "ERR_RECORDING_TAMPERED",
    changed(confirmationAt, 3 - header.readUInt8(confirmationAt)),
  ],
  ["a changed FLOE header tag", "ERR_RECORDING_TAMPERED", changed(start - 1, recording.readUInt8(start - 1) ^ 1)],
  ["a changed segment", "ERR_RECORDING_TAMPERED", changed(start + 1_000, recording.readUInt8(start + 1_000) ^ 1)],
  [
    "swapped segments",
    "ERR_RECORDING_TAMPERED",
    Buffer.concat([
      recording.subarray(0, start),
      segments[1] ?? Buffer.alloc(0),
      segments[0] ?? Buffer.alloc(0),
      segments[2] ?? Buffer.alloc(0),
    ]),
  ],
  ["no last segment", "ERR_RECORDING_TRUNCATED", recording.subarray(0, start + 2 * segmentLength)],
  ["a last segment cut short", "ERR_RECORDING_TRUNCATED", recording.subarray(0, -1)],
  ["a byte behind the last segment", "ERR_RECORDING_TAMPERED", Buffer.concat([recording, Buffer.from([0])])],
];
const [withMetadata] = made.slice(6);
if (!withMetadata?.json.metadata) throw new Error("the case whose metadata is spoilt below is missing");
const sealed = withMetadata.recording;
const payload = withMetadata.header.length + withMetadata.section.length;
const metadataOf = (section: Buffer, rest: Buffer = sealed.subarray(payload)) =>
  Buffer.concat([withMetadata.header, section, rest]);
const sectionChanged = (at: number) =>
  Buffer.concat([
    withMetadata.section.subarray(0, at),
    Buffer.from([withMetadata.section.readUInt8(at) ^ 1]),
    withMetadata.section.subarray(at + 1),
  ]);
const resealed = (json: string, label = metadataLabel) =>
  sealSection(Buffer.from(json), withMetadata.header, Buffer.from(withMetadata.json.dataKey, "hex"), label);
const refusedMetadata: [name: string, code: string, recording: Buffer][] = [
  ["a changed header tag of the metadata", "ERR_RECORDING_TAMPERED", metadataOf(sectionChanged(60))],
  ["changed metadata", "ERR_RECORDING_TAMPERED", metadataOf(sectionChanged(100))],
  ["another length in the metadata's segment", "ERR_RECORDING_TAMPERED", metadataOf(sectionChanged(77))],
  ["metadata removed", "ERR_RECORDING_TAMPERED", metadataOf(Buffer.alloc(0))],
  [
    "metadata doubled",
    "ERR_RECORDING_TAMPERED",
    metadataOf(Buffer.concat([withMetadata.section, withMetadata.section])),
  ],
  [
    "the payload's beginning in the metadata's place",
    "ERR_RECORDING_TAMPERED",
    metadataOf(sealed.subarray(payload, payload + withMetadata.section.length)),
  ],
  [
    "metadata sealed without its label",
    "ERR_RECORDING_TAMPERED",
    metadataOf(resealed(padded('{"a":1}').toString(), Buffer.alloc(0))),
  ],
  ["metadata in the payload's place", "ERR_RECORDING_TAMPERED", metadataOf(withMetadata.section, withMetadata.section)],
  ["metadata cut short", "ERR_RECORDING_TRUNCATED", sealed.subarray(0, payload - 1)],
  ["metadata with white space", "ERR_FORMAT_INVALID", metadataOf(resealed(padded('{"a": 1}').toString()))],
  ["metadata not padded with spaces", "ERR_FORMAT_INVALID", metadataOf(resealed(`{"a":1}${"\0".repeat(249)}`))],
  [
    "a length of metadata that is no multiple of 256",
    "ERR_FORMAT_INVALID",
    Buffer.concat([
      headerOf([
        ...withMetadata.fields.filter(({ tag }) => tag < 8),
        { tag: 8, critical: true, value: u32(74 + 32 + 255) },
      ]),
      sealed.subarray(withMetadata.header.length),
    ]),
  ],
];
const document = {
  about:
    "Recordings of docs/FORMAT.md, version 1. Byte i of every plaintext is (31 i + 7) mod 251. Recordings are base64, everything else is hex. The private keys are for these vectors only.",
  recordings: made.map(({ json }) => json),
  refused: [
    ...refused.map(([name, code, bytes]) => ({
      name,
      code,
      dataKey: whole.json.dataKey,
      recording: bytes.toString("base64"),
    })),
    ...refusedMetadata.map(([name, code, bytes]) => ({
      name,
      code,
      dataKey: withMetadata.json.dataKey,
      recording: bytes.toString("base64"),
    })),
  ],
};
writeFileSync(new URL("../test/vectors/recordings.json", import.meta.url), `${JSON.stringify(document, null, 1)}\n`);
