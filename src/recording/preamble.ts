import {
  checkMagic,
  decodeHeader,
  headerLengthOf,
  headerPrefixLength,
  type RecordingHeader,
} from "../format/header.js";
import { LeasedFloe, type FloeMessage } from "./segment-keys.js";
import { openMetadata } from "../format/metadata.js";
import { checkSource, readExactly, type RandomAccessSource } from "./random-access-source.js";
import type { Metadata } from "../format/canonical-json.js";
import { floeHeaderLength } from "../format/segments.js";
import { truncated } from "../format/damage.js";
import type { DataKeyLease } from "../format/data-key-lease.js";

/** What stands before a recording's first segment. */
export interface RecordingHead {
  readonly header: RecordingHeader;
  readonly message: FloeMessage;
  /** The encrypted metadata; empty if there is none. */
  readonly metadata: Buffer;
  /** Where segment 0 begins. */
  readonly start: number;
}

/**
 * Authenticates a head with the data key, and opens its metadata. Takes the lease over, and releases it if this fails.
 * @throws RecordingKeyStoreError `ERR_RECORDING_TAMPERED`
 */
export async function openHead(
  { message, metadata: section }: RecordingHead,
  lease: DataKeyLease,
  signal?: AbortSignal,
): Promise<{ keys: LeasedFloe; metadata: Metadata | undefined }> {
  let metadata: Metadata | undefined;
  const keys = await LeasedFloe.open(lease, message, signal, (dataKey) => {
    if (section.length > 0) metadata = openMetadata(section, message.header, dataKey);
  });
  return { keys, metadata };
}

/** Long enough for nearly every head, so that opening asks the source once for it, bytes. */
const firstRead = 4_096;

/**
 * Reads a recording up to its first segment, and nothing but the header before the names in it have been checked.
 * @throws RecordingKeyStoreError `ERR_FORMAT_*`, `ERR_RECORDING_TRUNCATED`; what `checkNames` and the source throw; the
 * signal's reason
 */
export async function readHead(
  source: RandomAccessSource,
  checkNames: (header: RecordingHeader) => void,
  signal?: AbortSignal,
): Promise<RecordingHead> {
  checkSource(source);
  let bytes: Buffer = Buffer.alloc(0);
  const upTo = async (end: number) => {
    if (source.size < end) throw truncated();
    if (bytes.length < end)
      bytes = Buffer.concat([bytes, await readExactly(source, bytes.length, end - bytes.length, signal)]);
  };
  await upTo(Math.min(firstRead, source.size));
  checkMagic(bytes);
  await upTo(headerPrefixLength);
  const headerLength = headerLengthOf(bytes);
  await upTo(headerLength);
  const header = decodeHeader(Buffer.from(bytes.subarray(0, headerLength)));
  checkNames(header);
  const floeStart = headerLength + (header.metadataLength ?? 0);
  const start = floeStart + floeHeaderLength;
  await upTo(start);
  // Copies: FLOE keeps them, and the source may use its memory again.
  const part = (from: number, to: number) => Buffer.from(bytes.subarray(from, to));
  return {
    header,
    message: { header: part(0, headerLength), floeHeader: part(floeStart, start), segmentLength: header.segmentLength },
    metadata: part(headerLength, floeStart),
    start,
  };
}
