import type { RecordingKeyStoreError } from "../errors.js";
import type { Metadata } from "../format/canonical-json.js";
import { isDamage, truncated } from "../format/damage.js";
import type { DataKeyLease } from "../format/data-key-lease.js";
import {
  checkMagic,
  decodeHeader,
  headerLengthOf,
  headerPrefixLength,
  type RecordingHeader,
} from "../format/header.js";
import { openMetadata } from "../format/metadata.js";
import { floeHeaderLength } from "../format/segments.js";
import { ByteReader } from "./byte-reader.js";
import { readExactly, type RandomAccessSource } from "./random-access-source.js";
import { SegmentKeys } from "./segment-keys.js";

/** What stands before a recording's first segment, as it was read: nothing is authenticated yet. */
export interface Preamble {
  readonly header: RecordingHeader;
  /** The whole encoded header; FLOE's associated data. */
  readonly encodedHeader: Buffer;
  /** The encrypted metadata; empty if there is none. */
  readonly metadata: Buffer;
  /** 74 bytes. */
  readonly floeHeader: Buffer;
  /** Where segment 0 begins, in bytes. */
  readonly length: number;
}

export type HeaderRead = Pick<Preamble, "header" | "encodedHeader">;

/** Bytes of a recording; fewer where it ends before. Called for ascending offsets. */
type ReadAt = (offset: number, length: number) => Promise<Buffer>;

/**
 * Reads a recording up to its first segment, and nothing but the header before `checkNames` has seen it. A reserved section
 * is left out: its place and length are all that this version knows of it.
 * @throws RecordingKeyStoreError `ERR_FORMAT_*`, `ERR_RECORDING_TRUNCATED`; what `checkNames` and `readAt` throw
 */
async function readPreamble(readAt: ReadAt, checkNames?: (header: RecordingHeader) => void): Promise<Preamble> {
  const { header, encodedHeader } = await readHeader(readAt);
  checkNames?.(header);
  const { metadataLength = 0, sectionLength = 0 } = header;
  const sectionStart = encodedHeader.length + metadataLength;
  const length = sectionStart + sectionLength + floeHeaderLength;
  // Copies, since FLOE keeps them, and a source may use its memory again.
  const rest = Buffer.concat(
    sectionLength === 0
      ? [await whole(readAt, encodedHeader.length, metadataLength + floeHeaderLength)]
      : [
          await whole(readAt, encodedHeader.length, metadataLength),
          await whole(readAt, sectionStart + sectionLength, floeHeaderLength),
        ],
  );
  return {
    header,
    encodedHeader,
    metadata: rest.subarray(0, metadataLength),
    floeHeader: rest.subarray(metadataLength),
    length,
  };
}

/** Reads a recording's header and nothing else. @throws RecordingKeyStoreError `ERR_FORMAT_*`, `ERR_RECORDING_TRUNCATED` */
async function readHeader(readAt: ReadAt): Promise<HeaderRead> {
  const prefix = Buffer.from(await readAt(0, headerPrefixLength));
  checkMagic(prefix);
  if (prefix.length < headerPrefixLength) throw truncated();
  const fields = await whole(readAt, headerPrefixLength, headerLengthOf(prefix) - headerPrefixLength);
  const encodedHeader = Buffer.concat([prefix, fields]);
  return { header: decodeHeader(encodedHeader), encodedHeader };
}

async function whole(readAt: ReadAt, offset: number, length: number): Promise<Buffer> {
  if (length === 0) return Buffer.alloc(0);
  const bytes = await readAt(offset, length);
  if (bytes.length < length) throw truncated();
  return bytes;
}

/** Reads the preamble of a stream, and leaves the reader at segment 0. @throws as {@link preambleOfSource} */
export function preambleOfStream(reader: ByteReader): Promise<Preamble> {
  return readPreamble(streamed(reader));
}

/** Reads the header of a stream or of a source and nothing else. @throws as {@link preambleOfSource} */
export async function headerIn(input: ByteReader | RandomAccessSource, signal?: AbortSignal): Promise<HeaderRead> {
  return readHeader(input instanceof ByteReader ? streamed(input) : sourced(input, signal));
}

function streamed(reader: ByteReader): ReadAt {
  let position = 0;
  return async (offset, length) => {
    position += await reader.discard(offset - position);
    const bytes = await reader.read(length);
    position += bytes.length;
    return bytes;
  };
}

/** Size of the first read of a source, in bytes: long enough for nearly every preamble. */
const firstRead = 4_096;

/**
 * Reads the preamble of a source, in one read of it if it is no longer than most.
 * @throws RecordingKeyStoreError `ERR_FORMAT_*`, `ERR_RECORDING_TRUNCATED`; what `checkNames` and the source throw; the
 * signal's reason
 */
export function preambleOfSource(
  source: RandomAccessSource,
  checkNames: (header: RecordingHeader) => void,
  signal?: AbortSignal,
): Promise<Preamble> {
  return readPreamble(sourced(source, signal), checkNames);
}

function sourced(source: RandomAccessSource, signal: AbortSignal | undefined): ReadAt {
  let bytes: Buffer = Buffer.alloc(0);
  return async (offset, length) => {
    const end = Math.min(Math.max(offset + length, firstRead), source.size);
    if (offset > bytes.length && end > bytes.length)
      return offset < end ? readExactly(source, offset, end - offset, signal) : Buffer.alloc(0);
    if (bytes.length < Math.min(offset + length, end)) {
      const rest = await readExactly(source, bytes.length, end - bytes.length, signal);
      bytes = bytes.length === 0 ? rest : Buffer.concat([bytes, rest]);
    }
    return bytes.subarray(offset, offset + length);
  };
}

/** What opening a preamble gives. */
export interface OpenedPreamble {
  readonly keys: SegmentKeys;
  readonly metadata: Metadata | undefined;
  /** Why the metadata can't be read, where that is no reason not to open the recording. */
  readonly damage: RecordingKeyStoreError | undefined;
}

/** How {@link openPreamble} opens. */
interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  /** Whether damaged metadata leaves the payload readable. */
  readonly salvage?: boolean;
}

/**
 * Authenticates a preamble with the data key, and opens its metadata. Takes the lease over, and releases it on failure.
 * @throws RecordingKeyStoreError `ERR_RECORDING_TAMPERED`; what the lease throws; the signal's reason
 */
export async function openPreamble(
  preamble: Preamble,
  lease: DataKeyLease,
  { signal, salvage = false }: OpenOptions,
): Promise<OpenedPreamble> {
  let metadata: Metadata | undefined;
  let damage: RecordingKeyStoreError | undefined;
  const keys = await SegmentKeys.open(lease, preamble, signal, (dataKey) => {
    if (preamble.metadata.length === 0) return;
    try {
      metadata = openMetadata(preamble.metadata, preamble.encodedHeader, dataKey);
    } catch (error) {
      if (!salvage || !isDamage(error)) throw error;
      damage = error;
    }
  });
  return { keys, metadata, damage };
}
