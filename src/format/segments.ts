import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
/** How the segments of a recording lie in its plaintext and in its encrypted form. Holds no secret; threads share it. */
export interface SegmentLayout {
  readonly direction: "encrypt" | "decrypt";
  /** Of the whole recording, at least one. */
  readonly segments: number;
  readonly source: Side;
  readonly target: Side;
}

/** All in bytes. */
interface Side {
  /** Where segment 0 begins. */
  readonly start: number;
  /** Length of every segment but the last. */
  readonly segment: number;
  /** Where the last one ends: the size of the whole. */
  readonly end: number;
}

/** Segments that follow each other: what one thread reads, transforms and writes at a time. */
export interface SegmentRange {
  readonly first: number;
  readonly count: number;
}

export interface RecordingMeasures {
  /** Bytes before segment 0: header, and whatever else stands before the payload, FLOE header included. */
  readonly preambleLength: number;
  readonly segmentLength: number;
}

export function encryptionLayout(
  plaintextSize: number,
  { preambleLength, segmentLength }: RecordingMeasures,
): SegmentLayout {
  const capacity = segmentLength - segmentOverhead;
  const segments = Math.max(1, Math.ceil(plaintextSize / capacity));
  return {
    direction: "encrypt",
    segments,
    source: { start: 0, segment: capacity, end: plaintextSize },
    target: {
      start: preambleLength,
      segment: segmentLength,
      end: preambleLength + plaintextSize + segments * segmentOverhead,
    },
  };
}

/** Holds for every size; that the last segment is whole, and the last, shows when it is decrypted. */
export function decryptionLayout(
  encryptedSize: number,
  { preambleLength, segmentLength }: RecordingMeasures,
): SegmentLayout {
  const segments = Math.max(1, Math.ceil((encryptedSize - preambleLength) / segmentLength));
  return {
    direction: "decrypt",
    segments,
    source: { start: preambleLength, segment: segmentLength, end: encryptedSize },
    target: {
      start: 0,
      segment: segmentLength - segmentOverhead,
      end: Math.max(0, encryptedSize - preambleLength - segments * segmentOverhead),
    },
  };
}

/** Where a range lies in the source. */
export function sourceBytes(
  { source }: SegmentLayout,
  { first, count }: SegmentRange,
): { offset: number; length: number } {
  const offset = source.start + first * source.segment;
  return { offset, length: Math.min(offset + count * source.segment, source.end) - offset };
}

/** Where what becomes of a segment lies in the target. */
export function targetOffset({ target }: SegmentLayout, segment: number): number {
  return target.start + segment * target.segment;
}

/** How many segments make about so many bytes, at least one. */
export function segmentsIn({ source }: SegmentLayout, bytes: number): number {
  return Math.max(1, Math.floor(bytes / source.segment));
}

/** The whole recording in ranges of about so many bytes. */
export function* rangesOf(layout: SegmentLayout, bytes: number): Generator<SegmentRange> {
  const most = segmentsIn(layout, bytes);
  for (let first = 0; first < layout.segments; first += most)
    yield { first, count: Math.min(most, layout.segments - first) };
}

/** Bytes that went in and came out. */
export interface StreamTotals {
  readonly plaintextSize: number;
  readonly encryptedSize: number;
}

/** What a segment is longer than its plaintext: 4 bytes of length, 12 of IV, 16 of tag (FLOE, "Ciphertext Layout"). */
export const segmentOverhead = 32;

/** 10 bytes of parameters, 32 of IV, 32 of header tag. */
export const floeHeaderLength = 74;

/** Encrypted length of a segment unless another is chosen: 64 KiB of plaintext. */
export const defaultSegmentLength = 65_536 + segmentOverhead;

export const minSegmentLength = 4_096;

export const maxSegmentLength = 16_777_216 + segmentOverhead;

/** Length in bytes of an encrypted recording whose header and encrypted metadata together have `headerLength` bytes. */
export function encryptedSize(
  plaintextSize: number,
  { headerLength, segmentLength }: { headerLength: number; segmentLength: number },
): number {
  if (!Number.isSafeInteger(plaintextSize) || plaintextSize < 0)
    throw new InvalidInputError("plaintextSize", "must be a whole number of bytes", plaintextSize);
  const segments = Math.max(1, Math.ceil(plaintextSize / (segmentLength - segmentOverhead)));
  return headerLength + floeHeaderLength + plaintextSize + segments * segmentOverhead;
}

/**
 * Length in bytes of the plaintext of an encrypted recording, whole or cut to whole segments; both forms of the end.
 * Arithmetic only: it holds once the last segment has been verified.
 * @throws RecordingKeyStoreError `ERR_RECORDING_TRUNCATED` for a length that no recording with such a header has
 */
export function plaintextSizeOf(
  size: number,
  { headerLength, segmentLength }: { headerLength: number; segmentLength: number },
): number {
  const payload = size - headerLength - floeHeaderLength;
  const segments = Math.ceil(payload / segmentLength);
  const last = payload - (segments - 1) * segmentLength;
  if (payload < segmentOverhead || last < segmentOverhead)
    throw new RecordingKeyStoreError("ERR_RECORDING_TRUNCATED", "the recording ends before its last segment");
  return payload - segments * segmentOverhead;
}
