import { createCipheriv } from "node:crypto";
import { encodeBirthRecord } from "../../src/format/birth-record.js";
import { encodeHeader, type HeaderRecipient } from "../../src/format/header.js";
import { encryptAll } from "../format/floe-oracle.js";
import { u32 } from "../format/recording-writer.js";
import { mutateBytes } from "./byte-mutations.js";
import { joinFields, mutateFields, rawFields, type RawField } from "./field-mutations.js";
import { Random } from "./random.js";

/** The fuzzer's recordings are beginnings of this one, under one key. Whatever is released must be a beginning too. */
export const sound = createCipheriv("aes-256-ctr", Buffer.alloc(32, 1), Buffer.alloc(16)).update(Buffer.alloc(40_000));
export const dataKey = Buffer.alloc(32, 7);

const floeHeaderLength = 74;
const segmentLengthTag = 0x8005;
const metadataLengthTag = 0x8008;
const sectionLengthTag = 0x800b;
const trailerLengthTag = 0x800c;
const paddingTag = 10;
const prefixLength = 12;

export const birthRecord = encodeBirthRecord({
  organizationId: "org-1",
  keyPairId: "pair-1",
  sequence: 2,
  spec: "X25519",
  createdAt: 1_769_860_800_000,
  previousDigest: Buffer.alloc(32, 3),
  kmsKeyAliasArn: "arn:aws:kms:eu-west-1:111122223333:alias/recordings",
  periodicKeyChange: "monthly",
  scheduleAnchor: 1_769_817_600_000,
  contextKeyName: "genesys-cloud-organization-id",
  purpose: "key-pair",
  reason: "schedule",
});

const recipient: HeaderRecipient = { birthRecord, wrappedDataKey: Buffer.alloc(80, 5) };
const embedded: HeaderRecipient = {
  ...recipient,
  kmsKeyArn: "arn:aws:kms:eu-west-1:111122223333:key/1",
  wrappedPrivateKey: Buffer.alloc(150, 6),
};

const names = {
  organizationId: "org-1",
  recordingId: "recording-1",
  asset: "main",
  confirmation: "confirmed",
} as const;
const headers: readonly Buffer[] = [
  encodeHeader({ ...names, recipients: [recipient], segmentLength: 4_096 }),
  encodeHeader({
    ...names,
    recipients: [embedded, recipient],
    segmentLength: 4_128,
    publicMetadata: { codec: "opus", channels: [1, 2, { left: "agent" }] },
  }),
  encodeHeader({
    ...names,
    recipients: Array.from({ length: 8 }, () => recipient),
    segmentLength: 16_777_248,
    confirmation: "unconfirmed",
  }),
  encodeHeader({ ...names, recipients: [recipient], segmentLength: 4_096, metadataLength: 106 + 512 }),
];
const reserved = (sectionLength: number, trailerLength: number) => {
  const fields = rawFields((headers[1] as Buffer).subarray(prefixLength));
  const added = [
    { tag: sectionLengthTag, claimed: 4, value: u32(sectionLength) },
    { tag: trailerLengthTag, claimed: 4, value: u32(trailerLength) },
  ];
  return headerOf(joinFields([...fields, ...added]));
};
const allHeaders: readonly Buffer[] = [...headers, reserved(100, 64), reserved(5_000, 9_000)];
const plaintextSizes = [0, 1, 100, 4_064, 8_128, 12_692] as const;

export interface TakenApart {
  readonly header: Buffer;
  readonly segmentLength: number;
  /** The encrypted metadata; empty if there is none. */
  readonly metadata: Buffer;
  /** What a later version may add before the payload. */
  readonly section: Buffer;
  readonly payload: Buffer;
  /** What a later version may add behind it. */
  readonly trailer: Buffer;
}

function numberIn(fields: readonly RawField[], tag: number): number | undefined {
  const value = fields.find((field) => field.tag === tag)?.value;
  return value?.length === 4 ? value.readUInt32BE(0) : undefined;
}

/** Finds the parts of a recording without the code under test. `undefined` if they are not there. */
export function takeApart(recording: Buffer): TakenApart | undefined {
  if (recording.length < prefixLength) return undefined;
  const length = prefixLength + recording.readUInt32BE(8);
  const header = recording.subarray(0, length);
  const fields = rawFields(header.subarray(prefixLength));
  const segmentLength = numberIn(fields, segmentLengthTag);
  if (header.length < length || segmentLength === undefined) return undefined;
  const metadataEnd = length + (numberIn(fields, metadataLengthTag) ?? 0);
  const start = metadataEnd + (numberIn(fields, sectionLengthTag) ?? 0);
  const end = Math.max(start, recording.length - (numberIn(fields, trailerLengthTag) ?? 0));
  const [metadata, section] = [recording.subarray(length, metadataEnd), recording.subarray(metadataEnd, start)];
  return {
    header,
    segmentLength,
    metadata,
    section,
    payload: recording.subarray(start, end),
    trailer: recording.subarray(end),
  };
}

/** Parameters of encrypted metadata: one segment, whatever the payload's length of segments. */
export const metadataParameters = { ENC_SEG_LEN: 65_568, AEAD_ROTATION_MASK: 20 };
export const metadataAad = (header: Buffer) => Buffer.concat([header, Buffer.from("recording-keystore metadata v1")]);
/** FLOE header, length, IV and tag. */
const metadataOverhead = floeHeaderLength + 32;

/** Valid metadata of the length that the header claims, if it can have that. */
function sealMetadata(header: Buffer, random: Random): Buffer {
  const length = (numberIn(rawFields(header.subarray(prefixLength)), metadataLengthTag) ?? 0) - metadataOverhead;
  if (length < 256 || length > 65_536) return Buffer.alloc(0);
  return encryptAll(
    { ...metadataParameters, RND: (bytes) => random.bytes(bytes) },
    dataKey,
    metadataAad(header),
    Buffer.from(`{"a":"${"x".repeat(length - 8)}"}`),
  );
}

/** A valid recording of that much sound under a header, by the oracle. */
function seal(header: Buffer, size: number, random: Random): Buffer {
  const claimed = takeApart(header)?.segmentLength ?? 0;
  const parameters = {
    ENC_SEG_LEN: claimed > 100 ? claimed : 4_096,
    AEAD_ROTATION_MASK: 20,
    RND: (length: number) => random.bytes(length),
  };
  const fields = rawFields(header.subarray(prefixLength));
  const added = (tag: number) => random.bytes(Math.min(numberIn(fields, tag) ?? 0, 20_000));
  return Buffer.concat([
    header,
    sealMetadata(header, random),
    added(sectionLengthTag),
    encryptAll(parameters, dataKey, header, sound.subarray(0, size), random.chance(0.3)),
    added(trailerLengthTag),
  ]);
}

const seeds = allHeaders.flatMap((header, which) =>
  plaintextSizes.map((size) => seal(header, size, new Random("seed", which, size))),
);

/** A header of these fields with a valid length and padding, so that only the fields decide. */
function headerOf(fieldBytes: Buffer): Buffer {
  const fields = rawFields(fieldBytes).filter(({ tag }) => tag !== paddingTag);
  const length =
    prefixLength +
    joinFields(fields).length +
    4 +
    (numberIn(fields, metadataLengthTag) ?? 0) +
    (numberIn(fields, sectionLengthTag) ?? 0) +
    floeHeaderLength +
    16;
  const padding = Buffer.alloc((32 - (length % 32)) % 32);
  const behind = fields.findIndex(({ tag }) => (tag & 0x7fff) > paddingTag);
  fields.splice(behind < 0 ? fields.length : behind, 0, { tag: paddingTag, claimed: padding.length, value: padding });
  const body = joinFields(fields);
  const prefix = Buffer.from("RKSREC\0\x01\0\0\0\0", "latin1");
  prefix.writeUInt32BE(body.length, 8);
  return Buffer.concat([prefix, body]);
}

/** Whether a header has fields that decoding skips. */
export function hasUnknownFields(header: Buffer): boolean {
  return rawFields(header.subarray(prefixLength)).some(({ tag, value }) => {
    if (tag !== 0x8004) return (tag & 0x7fff) > 8 && tag !== paddingTag;
    return recipientsIn(value).some((recipient) => rawFields(recipient).some((field) => (field.tag & 0x7fff) > 4));
  });
}

function recipientsIn(value: Buffer): Buffer[] {
  const recipients: Buffer[] = [];
  for (let offset = 0; offset + 2 <= value.length; offset += 2 + value.readUInt16BE(offset))
    recipients.push(value.subarray(offset + 2, offset + 2 + value.readUInt16BE(offset)));
  return recipients;
}

/** Mutates inside recipients (field 4) and their birth records. */
function mutateInner(tag: number, value: Buffer, random: Random): Buffer | undefined {
  if (tag !== 4) return undefined;
  const recipients = recipientsIn(value);
  const at = random.below(recipients.length);
  recipients[at] = mutateFields(recipients[at] ?? Buffer.alloc(0), random, (inner, bytes) =>
    inner === 1 ? mutateBirthRecord(bytes, random) : undefined,
  );
  if (random.chance(0.2)) recipients.push(...recipients);
  return Buffer.concat(
    recipients.flatMap((bytes) => [Buffer.from([(bytes.length >> 8) & 0xff, bytes.length & 0xff]), bytes]),
  );
}

export function mutateBirthRecord(bytes: Buffer, random: Random): Buffer {
  if (random.chance(0.3)) return mutateBytes(bytes, random);
  return Buffer.concat([bytes.subarray(0, 8), mutateFields(bytes.subarray(8), random)]);
}

export function mutateHeader(random: Random): Buffer {
  const header = random.pick(allHeaders);
  if (random.chance(0.3)) return mutateBytes(header, random);
  return headerOf(mutateFields(header.subarray(prefixLength), random, mutateInner));
}

/** Drops, doubles, swaps or cuts segments, takes them from another recording, or changes a length field. */
function mutateSegments(recording: Buffer, random: Random): Buffer {
  const { header, segmentLength, metadata, section, payload, trailer } = takeApart(recording) as TakenApart;
  const segments: Buffer[] = [];
  for (let offset = floeHeaderLength; offset < payload.length; offset += segmentLength)
    segments.push(Buffer.from(payload.subarray(offset, offset + segmentLength)));
  const at = random.below(segments.length);
  const other = takeApart(random.pick(seeds))?.payload ?? payload;
  const segment = segments[at] as Buffer;
  switch (random.below(6)) {
    case 0:
      segments.splice(at, 1);
      break;
    case 1:
      segments.splice(random.below(segments.length + 1), 0, segment);
      break;
    case 2:
      segments[at] = other.subarray(floeHeaderLength, floeHeaderLength + segmentLength);
      break;
    case 3:
      segments[at] = segment.subarray(0, random.below(segment.length + 1));
      break;
    case 4:
      segments.reverse();
      break;
    default:
      segment.writeUInt32BE(
        random.pick([
          0,
          31,
          32,
          33,
          segment.length,
          segment.length - 1,
          segment.length + 1,
          segmentLength,
          0x80000000,
          0xffffffff,
        ]),
        0,
      );
  }
  return Buffer.concat([
    header,
    metadata,
    section,
    random.chance(0.9) ? payload.subarray(0, floeHeaderLength) : other.subarray(0, floeHeaderLength),
    ...segments,
    trailer,
  ]);
}

/** A recording changed in bytes, fields or segments, or encrypted again around a changed header by an owner of the key. */
export function mutateRecording(random: Random): Buffer {
  const seed = random.pick(seeds);
  switch (random.below(7)) {
    case 0:
      return mutateBytes(seed, random);
    case 1:
      return Buffer.concat([mutateHeader(random), seed.subarray((takeApart(seed) as TakenApart).header.length)]);
    case 2: {
      const { header, metadata, section } = takeApart(seed) as TakenApart;
      const start = header.length + metadata.length + section.length + floeHeaderLength;
      return Buffer.concat([mutateBytes(seed.subarray(0, start), random), seed.subarray(start)]);
    }
    case 3:
    case 4:
      return mutateSegments(seed, random);
    case 5:
      return seed.subarray(0, random.below(seed.length + 1));
    default:
      return seal(mutateHeader(random), random.pick(plaintextSizes), random);
  }
}
