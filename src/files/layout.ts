import { segmentOverhead } from "../recording/sizes.js";

/** How the segments of a recording lie in a plain file and in an encrypted one. Holds no secret; threads share it. */
export interface FileLayout {
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
  /** Where the last one ends: the size of the file. */
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

export function encryptionLayout(plaintextSize: number, { preambleLength, segmentLength }: RecordingMeasures): FileLayout {
  const capacity = segmentLength - segmentOverhead;
  const segments = Math.max(1, Math.ceil(plaintextSize / capacity));
  return {
    direction: "encrypt",
    segments,
    source: { start: 0, segment: capacity, end: plaintextSize },
    target: { start: preambleLength, segment: segmentLength, end: preambleLength + plaintextSize + segments * segmentOverhead },
  };
}

/** Holds for every size of file; that the last segment is whole, and the last, shows when it is decrypted. */
export function decryptionLayout(encryptedSize: number, { preambleLength, segmentLength }: RecordingMeasures): FileLayout {
  const segments = Math.max(1, Math.ceil((encryptedSize - preambleLength) / segmentLength));
  return {
    direction: "decrypt",
    segments,
    source: { start: preambleLength, segment: segmentLength, end: encryptedSize },
    target: { start: 0, segment: segmentLength - segmentOverhead, end: Math.max(0, encryptedSize - preambleLength - segments * segmentOverhead) },
  };
}

/** Where a range lies in the source. */
export function sourceBytes({ source }: FileLayout, { first, count }: SegmentRange): { offset: number; length: number } {
  const offset = source.start + first * source.segment;
  return { offset, length: Math.min(offset + count * source.segment, source.end) - offset };
}

/** Where what becomes of a segment lies in the target. */
export function targetOffset({ target }: FileLayout, segment: number): number {
  return target.start + segment * target.segment;
}

/** How many segments make about so many bytes, at least one. */
export function segmentsIn({ source }: FileLayout, bytes: number): number {
  return Math.max(1, Math.floor(bytes / source.segment));
}

