import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import { abortable } from "../util/abort.js";
import { isBytes } from "../util/bytes.js";
import { member } from "../util/safe-cause.js";

/** An encrypted recording that can be read anywhere: a file, an object in S3, a URL with `Range`. */
export interface RandomAccessSource {
  /** Length of the whole encrypted recording in bytes. Not believed until the last segment has been verified. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset` on, all of them below `size`. The bytes belong to the caller and must stay as they
   * are. Several reads may be under way at once.
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/**
 * Bytes in memory as a source. They must not change while the recording is open.
 * @throws InvalidInputError
 */
export function bytesSource(bytes: Uint8Array): RandomAccessSource {
  if (!isBytes(bytes)) throw new InvalidInputError("bytes", "must be a Uint8Array", bytes);
  return { size: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) };
}

/**
 * A source whose members are read once: a size that answers otherwise later must not make a cut recording pass for whole.
 * @throws InvalidInputError
 */
export function checkedSource(source: RandomAccessSource): RandomAccessSource {
  const given: unknown = source;
  const [size, read] =
    typeof given === "object" && given !== null ? [member(given, "size"), member(given, "read")] : [];
  if (typeof read !== "function")
    throw new InvalidInputError("source", "must have size and read(offset, length, signal)", source);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw new InvalidInputError("source.size", "must be a whole number of bytes", size);
  return { size, read: (...args) => (read as RandomAccessSource["read"]).apply(source, args) };
}

/**
 * Bytes of a source, as many as were asked for. Ends with the signal, also if the source does not.
 * @throws RecordingKeyStoreError `ERR_RECORDING_TRUNCATED` if it has fewer than it said; InvalidInputError if it gives
 * something else than bytes; what the source throws; the signal's reason
 */
export async function readExactly(
  source: RandomAccessSource,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  signal?.throwIfAborted();
  const bytes: unknown = await abortable((async () => source.read(offset, length, signal))(), signal);
  if (!isBytes(bytes)) throw new InvalidInputError("source.read", "must give a Uint8Array", bytes);
  if (bytes.length > length)
    throw new InvalidInputError("source.read", `must give the ${length} bytes it was asked for`, bytes);
  if (bytes.length < length)
    throw new RecordingKeyStoreError("ERR_RECORDING_TRUNCATED", "the recording is shorter than its source said");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
