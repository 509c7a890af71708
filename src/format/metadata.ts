import { RecordingKeyStoreError } from "../errors.js";
import { wipe } from "../util/secrets.js";
import { decodeJsonObject, encodeJsonObject, type Metadata } from "./canonical-json.js";
import { tampered } from "./damage.js";
import { FloeDecryptor, FloeEncryptor } from "./floe.js";
import { segmentParts } from "./segment-parts.js";
import { defaultSegmentLength, floeHeaderLength, segmentOverhead } from "./segments.js";

/*
 * Encrypted metadata: a FLOE message of one segment between header and payload, under the recording's data key
 * (docs/FORMAT.md). It opens without the payload, and the payload without it.
 */

/** Longest metadata as JSON text in UTF-8, in bytes. */
const maxMetadata = 65_536;
/** Multiple to which spaces pad the text, so that its length says little. In bytes. */
const block = 256;
const space = 0x20;
const sectionOverhead = floeHeaderLength + segmentOverhead;
/** The same for every payload. The longest text just fits into one segment. */
const parameters = { segmentLength: defaultSegmentLength };
/** Follows the header in the associated data. A header holds its own length, so none is another one followed by this. */
const label = Buffer.from("recording-keystore metadata v1");

/** Encodes metadata for {@link sealMetadata}. The caller wipes the result. @throws InvalidInputError without the content */
export function encodeMetadata(metadata: Metadata): Buffer {
  const text = encodeJsonObject("metadata", metadata, maxMetadata);
  const padded = Buffer.alloc(Math.ceil(text.length / block) * block, space);
  padded.set(text);
  wipe(text);
  return padded;
}

/** Length of the encrypted section, in bytes. @param encoded - from {@link encodeMetadata} */
export function metadataSectionLength(encoded: Uint8Array): number {
  return encoded.length + sectionOverhead;
}

export function isMetadataSectionLength(length: number): boolean {
  const text = length - sectionOverhead;
  return text >= block && text <= maxMetadata && text % block === 0;
}

/** Encrypts metadata. @param encoded - from {@link encodeMetadata}; left to its owner, as is the data key */
export function sealMetadata(encoded: Buffer, header: Buffer, dataKey: Uint8Array): Buffer {
  const floe = new FloeEncryptor(dataKey, Buffer.concat([header, label]), parameters);
  return Buffer.concat([floe.header, ...floe.segment([encoded], true)]);
}

/**
 * Decrypts metadata.
 * @throws RecordingKeyStoreError `ERR_RECORDING_TAMPERED`; `ERR_FORMAT_INVALID` for a genuine section that is not canonical
 */
export function openMetadata(section: Buffer, header: Buffer, dataKey: Uint8Array): Metadata {
  const floe = openFloe(section.subarray(0, floeHeaderLength), header, dataKey);
  try {
    const plaintext = floe.segment(segmentParts(section.subarray(floeHeaderLength)), 0, true);
    const text = Buffer.concat(plaintext);
    try {
      return decodeText(text);
    } finally {
      wipe(text, ...plaintext);
    }
  } catch (error) {
    throw isTampered(error) ? changed() : error;
  } finally {
    floe.destroy();
  }
}

function openFloe(floeHeader: Buffer, header: Buffer, dataKey: Uint8Array): FloeDecryptor {
  try {
    return new FloeDecryptor(dataKey, Buffer.concat([header, label]), floeHeader, parameters);
  } catch (error) {
    throw isTampered(error) ? changed() : error;
  }
}

function decodeText(padded: Buffer): Metadata {
  const end = padded.lastIndexOf("}") + 1;
  const asPadded =
    Math.ceil(end / block) * block === padded.length && padded.subarray(end).every((byte) => byte === space);
  const metadata = asPadded ? decodeJsonObject(padded.subarray(0, end)) : undefined;
  if (metadata) return metadata; // errors never show content
  throw new RecordingKeyStoreError(
    "ERR_FORMAT_INVALID",
    "its metadata is not a canonical JSON object, padded with spaces",
  );
}

function isTampered(error: unknown): boolean {
  return error instanceof RecordingKeyStoreError && error.code === "ERR_RECORDING_TAMPERED";
}

function changed(): RecordingKeyStoreError {
  return tampered("the recording's metadata was changed, or belongs to another recording");
}
