import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import { defined } from "../util/defined.js";
import { decodeJsonObject, encodeJsonObject, type Metadata } from "./canonical-json.js";
import { isTooNew } from "./damage.js";
import { decodeFields, decodeText, encodeFields, fieldPrefixLength, type Field } from "./fields.js";
import { isMetadataSectionLength } from "./metadata.js";
import { wrongName, type RecordingNames } from "./names.js";
import { segmentPrefixLength } from "./segment-parts.js";
import { floeHeaderLength, maxSegmentLength, minSegmentLength } from "./segments.js";

/** A wrapped data key, and what it takes to find or unwrap the private half that opens it. */
export interface HeaderRecipient {
  /** The pair's birth record, in canonical bytes. */
  readonly birthRecord: Uint8Array;
  readonly wrappedDataKey: Uint8Array;
  /** Present if and only if `wrappedPrivateKey` is. */
  readonly kmsKeyArn?: string;
  readonly wrappedPrivateKey?: Uint8Array;
}

/** Header of a recording, readable by anyone and authenticated by the payload (`docs/FORMAT.md`). */
export interface RecordingHeader extends RecordingNames {
  /** 1 to 8, without those of later versions. */
  readonly recipients: readonly HeaderRecipient[];
  /** Number of wrapped data keys of later versions, if there are any. */
  readonly laterRecipients?: number;
  /** Length of an encrypted segment in bytes. */
  readonly segmentLength: number;
  readonly confirmation: "confirmed" | "unconfirmed";
  readonly publicMetadata?: Metadata;
  /** Length of the encrypted metadata between header and payload, in bytes. Absent if there is none. */
  readonly metadataLength?: number;
  /** Length of a section behind the metadata, in bytes, for which this version has no use. Never written. */
  readonly sectionLength?: number;
  /** Length of what follows the last segment, in bytes, for which this version has no use. Never written. */
  readonly trailerLength?: number;
}

/** A header with its decrypted metadata. */
export interface OpenedHeader extends RecordingHeader {
  readonly metadata?: Metadata;
}

const magic = Buffer.from("RKSREC", "latin1");
const version = 1;
/** Length of magic (6 bytes), version (u16) and length of the fields (u32), in bytes. */
export const headerPrefixLength = 12;
const maxHeaderLength = 32_768;
const maxRecipients = 8;
/** Longest public metadata as JSON text in UTF-8, in bytes. */
const maxPublicMetadata = 8_192;
/** Longest ciphertext of KMS, in bytes: a limit of its API. */
const maxKmsCiphertext = 6_144;
const confirmations = ["confirmed", "unconfirmed"] as const;

const tags = {
  organizationId: 1,
  recordingId: 2,
  asset: 3,
  recipients: 4,
  segmentLength: 5,
  confirmation: 6,
  publicMetadata: 7,
  metadataLength: 8,
  recorder: 9,
  padding: 10,
  sectionLength: 11,
  trailerLength: 12,
} as const;
const notCritical: readonly string[] = ["confirmation", "publicMetadata", "recorder", "padding"];
/** Longest reserved section and trailer, in bytes. */
const maxReserved = 16_777_216;
const criticality = new Map<number, boolean>(
  Object.entries(tags).map(([name, tag]) => [tag, !notCritical.includes(name)]),
);
const recipientTags = { birthRecord: 1, wrappedDataKey: 2, kmsKeyArn: 3, wrappedPrivateKey: 4 } as const;
const recipientCriticality = new Map<number, boolean>([
  [recipientTags.birthRecord, true],
  [recipientTags.wrappedDataKey, true],
  [recipientTags.kmsKeyArn, false],
  [recipientTags.wrappedPrivateKey, false],
]);

/** @throws InvalidInputError when public metadata is not JSON or makes the header longer than 32 KiB */
export function encodeHeader(header: RecordingHeader): Buffer {
  const fields: Field[] = [
    { tag: tags.organizationId, critical: true, value: Buffer.from(header.organizationId) },
    { tag: tags.recordingId, critical: true, value: Buffer.from(header.recordingId) },
    { tag: tags.asset, critical: true, value: Buffer.from(header.asset) },
    { tag: tags.recipients, critical: true, value: Buffer.concat(header.recipients.map(encodeRecipient)) },
    { tag: tags.segmentLength, critical: true, value: u32(header.segmentLength) },
    { tag: tags.confirmation, critical: false, value: Uint8Array.of(confirmations.indexOf(header.confirmation) + 1) },
  ];
  if (header.publicMetadata)
    fields.push({
      tag: tags.publicMetadata,
      critical: false,
      value: encodeJsonObject("publicMetadata", header.publicMetadata, maxPublicMetadata),
    });
  if (header.metadataLength !== undefined)
    fields.push({ tag: tags.metadataLength, critical: true, value: u32(header.metadataLength) });
  const unpadded = encodeFields(fields);
  const padding = paddingAfter(headerPrefixLength + unpadded.length + fieldPrefixLength + (header.metadataLength ?? 0));
  const padded = encodeFields([{ tag: tags.padding, critical: false, value: Buffer.alloc(padding) }]); // the highest tag
  const length = unpadded.length + padded.length;
  if (headerPrefixLength + length > maxHeaderLength)
    throw new InvalidInputError("publicMetadata", `makes the recording's header longer than ${maxHeaderLength} bytes`);
  const prefix = Buffer.alloc(headerPrefixLength);
  prefix.set(magic);
  prefix.writeUInt16BE(version, 6);
  prefix.writeUInt32BE(length, 8);
  return Buffer.concat([prefix, unpadded, padded]);
}

/** Alignment of every segment's ciphertext in the recording, in bytes. Without it AES-GCM loses a seventh of its speed. */
const alignment = 32;

/** Length of the padding after `length` bytes that aligns the first ciphertext, and so all others, in bytes. */
function paddingAfter(length: number): number {
  return (alignment - ((length + floeHeaderLength + segmentPrefixLength) % alignment)) % alignment;
}

/** Whether KMS makes ciphertexts of that many bytes. */
export function isCiphertextLength(length: number): boolean {
  return length >= 1 && length <= maxKmsCiphertext;
}

/** @throws RecordingKeyStoreError `ERR_FORMAT_INVALID` if no recording begins with the bytes of `prefix` */
export function checkMagic(prefix: Buffer): void {
  if (!magic.subarray(0, prefix.length).equals(prefix.subarray(0, magic.length)))
    throw invalid("this is not an encrypted recording");
}

/**
 * Length of the whole header in bytes, from its first 12 bytes. Checked before memory is allocated for it.
 * @throws RecordingKeyStoreError `ERR_FORMAT_INVALID`, `ERR_FORMAT_TOO_NEW`
 */
export function headerLengthOf(prefix: Buffer): number {
  checkMagic(prefix);
  const found = prefix.readUInt16BE(6);
  if (found !== version)
    throw new RecordingKeyStoreError(
      "ERR_FORMAT_TOO_NEW",
      `the recording has format version ${found}; this library knows version ${version}`,
    );
  const length = headerPrefixLength + prefix.readUInt32BE(8);
  if (length > maxHeaderLength)
    throw invalid(`its header claims ${length} bytes; at most ${maxHeaderLength} are allowed`);
  return length;
}

/** Decodes a whole header. @throws RecordingKeyStoreError `ERR_FORMAT_INVALID`, `ERR_FORMAT_TOO_NEW` */
export function decodeHeader(bytes: Buffer): RecordingHeader {
  if (bytes.length < headerPrefixLength || headerLengthOf(bytes) !== bytes.length)
    throw invalid("its header is cut short");
  const fields = decodeFields(bytes.subarray(headerPrefixLength), criticality, "recording header");
  const segmentLength = integer(required(fields, tags.segmentLength, "recording header"), 4);
  if (segmentLength < minSegmentLength || segmentLength > maxSegmentLength)
    throw invalid(`its segment length ${segmentLength} is out of range`);
  const confirmation = confirmations[integer(required(fields, tags.confirmation, "recording header"), 1) - 1];
  if (!confirmation) throw invalid("its confirmation is not known");
  const publicMetadata = publicMetadataIn(fields);
  const padding = required(fields, tags.padding, "recording header");
  const lengths = lengthsIn(fields);
  if (
    paddingAfter(bytes.length + (lengths.metadataLength ?? 0) + (lengths.sectionLength ?? 0)) !== 0 ||
    padding.length >= alignment ||
    padding.some((byte) => byte !== 0)
  )
    throw invalid("its padding is not the zero bytes that align what follows");
  const names = {
    organizationId: name(fields, tags.organizationId),
    recordingId: name(fields, tags.recordingId),
    asset: name(fields, tags.asset),
  };
  const wrong = wrongName(names);
  if (wrong) throw invalid(`its ${wrong} is none`);
  return {
    ...names,
    ...decodeRecipients(required(fields, tags.recipients, "recording header")),
    segmentLength,
    confirmation,
    ...lengths,
    ...defined({ publicMetadata }),
  };
}

/** Lengths of what a header announces, in bytes. */
function lengthsIn(fields: Map<number, Buffer>) {
  const lengthOf = (tag: number, fits: (length: number) => boolean) => {
    const value = fields.get(tag);
    const length = value && integer(value, 4);
    if (length === undefined || fits(length)) return length;
    throw invalid(`the length ${length} in field ${tag} is out of range`);
  };
  const isReserved = (length: number) => length >= 1 && length <= maxReserved;
  return defined({
    metadataLength: lengthOf(tags.metadataLength, isMetadataSectionLength),
    sectionLength: lengthOf(tags.sectionLength, isReserved),
    trailerLength: lengthOf(tags.trailerLength, isReserved),
  });
}

function encodeRecipient({ birthRecord, wrappedDataKey, kmsKeyArn, wrappedPrivateKey }: HeaderRecipient): Buffer {
  const fields: Field[] = [
    { tag: recipientTags.birthRecord, critical: true, value: birthRecord },
    { tag: recipientTags.wrappedDataKey, critical: true, value: wrappedDataKey },
  ];
  if (kmsKeyArn !== undefined && wrappedPrivateKey) {
    fields.push({ tag: recipientTags.kmsKeyArn, critical: false, value: Buffer.from(kmsKeyArn) });
    fields.push({ tag: recipientTags.wrappedPrivateKey, critical: false, value: wrappedPrivateKey });
  }
  const body = encodeFields(fields);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  return Buffer.concat([length, body]);
}

/** Those that this version knows. One of a later version, in another place, must not keep a recording shut. */
function decodeRecipients(bytes: Buffer): Pick<RecordingHeader, "recipients" | "laterRecipients"> {
  const recipients: HeaderRecipient[] = [];
  const later: unknown[] = [];
  let offset = 0;
  for (let count = 0; offset < bytes.length; count += 1) {
    if (count === maxRecipients) throw invalid(`it has more than ${maxRecipients} wrapped data keys`);
    const end = bytes.length - offset < 2 ? Infinity : offset + 2 + bytes.readUInt16BE(offset);
    if (end > bytes.length) throw invalid("a wrapped data key is cut short");
    try {
      recipients.push(decodeRecipient(bytes.subarray(offset + 2, end)));
    } catch (error) {
      if (!isTooNew(error)) throw error;
      later.push(error);
    }
    offset = end;
  }
  if (recipients.length === 0 && later.length > 0) throw later[0];
  if (recipients.length === 0) throw invalid("it has no wrapped data key");
  return { recipients, ...defined({ laterRecipients: later.length || undefined }) };
}

function decodeRecipient(bytes: Buffer): HeaderRecipient {
  const what = "wrapped data key";
  const fields = decodeFields(bytes, recipientCriticality, what);
  const kmsKeyArn = fields.get(recipientTags.kmsKeyArn);
  const wrappedPrivateKey = fields.get(recipientTags.wrappedPrivateKey);
  if ((kmsKeyArn === undefined) !== (wrappedPrivateKey === undefined))
    throw invalid("a wrapped private half stands without its KMS key ARN, or the reverse");
  if (wrappedPrivateKey && !isCiphertextLength(wrappedPrivateKey.length))
    throw invalid(`a wrapped private half is not 1 to ${maxKmsCiphertext} bytes`);
  return {
    birthRecord: Buffer.from(required(fields, recipientTags.birthRecord, what)),
    wrappedDataKey: Buffer.from(required(fields, recipientTags.wrappedDataKey, what)),
    ...defined({
      kmsKeyArn: kmsKeyArn && utf8(kmsKeyArn),
      wrappedPrivateKey: wrappedPrivateKey && Buffer.from(wrappedPrivateKey),
    }),
  };
}

function publicMetadataIn(fields: Map<number, Buffer>): Metadata | undefined {
  const bytes = fields.get(tags.publicMetadata);
  if (!bytes) return undefined;
  const metadata = bytes.length <= maxPublicMetadata ? decodeJsonObject(bytes) : undefined;
  if (!metadata)
    throw invalid(`its public metadata is not a canonical JSON object of at most ${maxPublicMetadata} bytes`);
  return metadata;
}

function required(fields: Map<number, Buffer>, tag: number, what: string): Buffer {
  const value = fields.get(tag);
  if (!value) throw new RecordingKeyStoreError("ERR_FORMAT_INVALID", `${what}: field ${tag} is missing`);
  return value;
}

function name(fields: Map<number, Buffer>, tag: number): string {
  return utf8(required(fields, tag, "recording header"));
}

function utf8(bytes: Buffer): string {
  return decodeText(bytes, (rule) => invalid(`a text in its header ${rule}`));
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function integer(bytes: Buffer, length: 1 | 4): number {
  if (bytes.length !== length) throw invalid("a number in its header has the wrong length");
  return bytes.readUIntBE(0, length);
}

function invalid(rule: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_FORMAT_INVALID", rule);
}
