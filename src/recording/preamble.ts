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
import type { ByteReader } from "./byte-reader.js";
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

/** The first `end` bytes of a recording; fewer where it ends before. */
type ReadUpTo = (end: number) => Promise<Buffer>;

/**
 * Reads a recording up to its first segment, and nothing but the header before `checkNames` has seen it.
 * @throws RecordingKeyStoreError `ERR_FORMAT_*`, `ERR_RECORDING_TRUNCATED`; what `checkNames` and `readUpTo` throw
 */
async function readPreamble(readUpTo: ReadUpTo, checkNames?: (header: RecordingHeader) => void): Promise<Preamble> {
  const whole = async (end: number) => {
    const bytes = await readUpTo(end);
    if (bytes.length < end) throw truncated();
    return bytes;
  };
  checkMagic(await readUpTo(headerPrefixLength));
  const headerLength = headerLengthOf(await whole(headerPrefixLength));
  const encodedHeader = Buffer.from(await whole(headerLength));
  const header = decodeHeader(encodedHeader);
  checkNames?.(header);
  const floeStart = headerLength + (header.metadataLength ?? 0);
  const length = floeStart + floeHeaderLength;
  // Copies, since FLOE keeps them, and a source may use its memory again.
  const rest = Buffer.from((await whole(length)).subarray(headerLength));
  return {
    header,
    encodedHeader,
    metadata: rest.subarray(0, floeStart - headerLength),
    floeHeader: rest.subarray(floeStart - headerLength),
    length,
  };
}

/** Reads the preamble of a stream, and leaves the reader at segment 0. @throws as {@link preambleOfSource} */
export function preambleOfStream(reader: ByteReader): Promise<Preamble> {
  let bytes: Buffer = Buffer.alloc(0);
  return readPreamble(async (end) => {
    if (bytes.length === 0) bytes = await reader.read(end);
    else if (bytes.length < end) bytes = Buffer.concat([bytes, await reader.read(end - bytes.length)]);
    return bytes;
  });
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
  let bytes: Buffer = Buffer.alloc(0);
  return readPreamble(async (end) => {
    const upTo = Math.min(Math.max(end, firstRead), source.size);
    if (bytes.length < Math.min(end, upTo)) {
      const rest = await readExactly(source, bytes.length, upTo - bytes.length, signal);
      bytes = bytes.length === 0 ? rest : Buffer.concat([bytes, rest]);
    }
    return bytes.subarray(0, end);
  }, checkNames);
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
