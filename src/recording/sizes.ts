import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";

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
