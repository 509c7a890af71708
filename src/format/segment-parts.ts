import { tampered, truncated } from "./damage.js";
import { segmentOverhead } from "./segments.js";

/* A FLOE segment as bytes (c2sp.org/FLOE): length field, IV, ciphertext, tag. No keys. */

/** In bytes. */
export const aeadIvLength = 12;
/** In bytes. */
export const tagLength = 16;
/** Length field of every segment but the last. */
export const notLast = 0xffffffff;

/** Length of a segment before its ciphertext, in bytes: length field and IV. */
export const segmentPrefixLength = 4 + aeadIvLength;

/** An encrypted segment in its parts, together at least 32 bytes. The ciphertext may lie in several buffers. */
export interface SegmentParts {
  readonly lengthField: number;
  /** 12 bytes. */
  readonly iv: Buffer;
  readonly ciphertext: readonly Buffer[];
  /** 16 bytes. */
  readonly tag: Buffer;
}

/** The parts of an encrypted segment of at least 32 bytes that lies in one buffer. */
export function segmentParts(segment: Buffer): SegmentParts {
  const end = segment.length - tagLength;
  return {
    lengthField: segment.readUInt32BE(0),
    iv: segment.subarray(4, segmentPrefixLength),
    ciphertext: [segment.subarray(segmentPrefixLength, end)],
    tag: segment.subarray(end),
  };
}

/** Whether a segment is not the last one, by its length field. */
export function isInnerSegment(lengthField: number | undefined): boolean {
  return lengthField === notLast;
}

/** What is known of a segment before it is decrypted. Lengths are in bytes. */
interface SegmentAtHand {
  /** `undefined` where there is none. */
  readonly lengthField: number | undefined;
  /** Bytes from its beginning on, as far as they can be its own. */
  readonly available: number;
  /** Length of every segment but the last. */
  readonly segmentLength: number;
  readonly position: number;
}

/**
 * Length of a segment, in bytes. One rule for every reader, so that the same damage has the same code.
 * @throws RecordingKeyStoreError `ERR_RECORDING_TRUNCATED` where it ends too early, `ERR_RECORDING_TAMPERED` for a length that
 * no segment has
 */
export function segmentLengthAt({ lengthField, available, segmentLength, position }: SegmentAtHand): number {
  if (lengthField === undefined || available < segmentOverhead) throw truncated();
  const length = isInnerSegment(lengthField) ? segmentLength : lengthField;
  if (length < segmentOverhead || length > segmentLength) throw tampered(`segment ${position} has the wrong length`);
  if (available < length) throw truncated();
  return length;
}
