import { InvalidInputError } from "../errors.js";
import { truncated } from "./damage.js";

/*
 * Arithmetic of segments: how long an encrypted recording is, and where each segment lies in it and in its plaintext.
 */

/** Length of a segment beyond its plaintext, in bytes: 4 of length, 12 of IV, 16 of tag (FLOE, "Ciphertext Layout"). */
export const segmentOverhead = 32;

/** Length of a FLOE header, in bytes: 10 of parameters, 32 of IV, 32 of header tag. */
export const floeHeaderLength = 74;

/** Default length of an encrypted segment, in bytes: 64 KiB of plaintext. */
export const defaultSegmentLength = 65_536 + segmentOverhead;
export const minSegmentLength = 4_096;
export const maxSegmentLength = 16_777_216 + segmentOverhead;

/** Bytes that went in and came out. */
export interface StreamTotals {
  readonly plaintextSize: number;
  readonly encryptedSize: number;
}

/**
 * Length of an encrypted recording in bytes.
 * @throws InvalidInputError for a plaintext size that is no whole number of bytes
 */
export function encryptedSize(plaintextSize: number, measures: RecordingMeasures): number {
  if (!Number.isSafeInteger(plaintextSize) || plaintextSize < 0)
    throw new InvalidInputError("plaintextSize", "must be a whole number of bytes", plaintextSize);
  return encryptionLayout(plaintextSize, measures).target.end;
}

/** @throws RecordingKeyStoreError `ERR_RECORDING_TRUNCATED` where what lies at the end is too short for a segment */
export function checkWholeEnd({ segments, source }: SegmentLayout): void {
  const lastSegment = source.end - source.start - (segments - 1) * source.segment;
  if (lastSegment < segmentOverhead) throw truncated();
}

/** What the places of segments depend on besides the size, in bytes. */
export interface RecordingMeasures {
  /** Length of everything before segment 0: header, encrypted metadata, a reserved section, and FLOE header. */
  readonly preambleLength: number;
  readonly segmentLength: number;
  /** Length of what follows the last segment, as the header announces it. Default 0. */
  readonly trailerLength?: number | undefined;
}

/** Where the segments of a recording lie, in its plaintext and in its encrypted form. Holds no secret; threads share it. */
export interface SegmentLayout {
  readonly direction: "encrypt" | "decrypt";
  /** Number of segments in the whole recording, at least 1. */
  readonly segments: number;
  readonly source: Side;
  readonly target: Side;
}

/** One side of a layout, in bytes. */
interface Side {
  /** Where segment 0 begins. */
  readonly start: number;
  /** Length of every segment but the last. */
  readonly segment: number;
  /** Where the last segment ends: the size of the whole. */
  readonly end: number;
}

export function encryptionLayout(plaintextSize: number, measures: RecordingMeasures): SegmentLayout {
  const { preambleLength, segmentLength } = measures;
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

/**
 * Layout for any size, whichever form the recording's end has. Arithmetic only: it holds once the last segment has been
 * verified.
 */
export function decryptionLayout(size: number, measures: RecordingMeasures): SegmentLayout {
  const { preambleLength, segmentLength, trailerLength = 0 } = measures;
  const encryptedSize = size - trailerLength;
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

/** Consecutive segments: what one worker reads, transforms and writes at a time. */
export interface SegmentRange {
  readonly first: number;
  readonly count: number;
}

/** The whole recording in ranges of about `bytes` bytes of the source. */
export function* rangesOf(layout: SegmentLayout, bytes: number): Generator<SegmentRange> {
  const most = segmentsIn(layout, bytes);
  for (let first = 0; first < layout.segments; first += most)
    yield { first, count: Math.min(most, layout.segments - first) };
}

/** Number of whole segments in `bytes` bytes of the source, at least 1. */
export function segmentsIn({ source }: SegmentLayout, bytes: number): number {
  return Math.max(1, Math.floor(bytes / source.segment));
}

/** Where a range lies in the source, in bytes. */
export function sourceBytes(layout: SegmentLayout, { first, count }: SegmentRange): { offset: number; length: number } {
  const { start, segment, end } = layout.source;
  const offset = start + first * segment;
  return { offset, length: Math.min(offset + count * segment, end) - offset };
}

/** Where the output of a segment lies in the target, in bytes. */
export function targetOffset({ target }: SegmentLayout, segment: number): number {
  return target.start + segment * target.segment;
}
