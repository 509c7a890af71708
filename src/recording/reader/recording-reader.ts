import type { Metadata } from "../../format/canonical-json.js";
import type { BodyBytes, BodyStream } from "../body-types.js";

export interface ReadOptions {
  signal?: AbortSignal | undefined;
}

/** A range of a recording's plaintext, as byte positions. */
export interface RangeOptions extends ReadOptions {
  /** First byte; 0 unless given. */
  start?: number | undefined;
  /** Byte after the last one; the recording's size unless given. */
  end?: number | undefined;
}

/**
 * A recording open for reading anywhere in it. It asks custody, and so perhaps KMS, again whenever `privateKeyTtl` has
 * passed. Several reads and streams may run at once. Close it when done: until then it holds keys.
 */
export interface RecordingReader {
  /** Length of the plaintext in bytes, authenticated by the last segment. */
  readonly size: number;
  readonly keyPairId: string;
  /** How far the key was vouched for when the recording was made. */
  readonly confirmation: "confirmed" | "unconfirmed";
  readonly publicMetadata: Metadata | undefined;
  /** What was encrypted with the recording. */
  readonly metadata: Metadata | undefined;
  /**
   * Up to `length` bytes of plaintext from `offset` on; fewer only at the recording's end. Fetches the segments they lie in
   * and no other (64 KiB lie in two at most), or none if they were read just before. Nothing is released unless all of it
   * has been verified.
   * @throws InvalidInputError; `ERR_CLOSED`, `ERR_RECORDING_TAMPERED`, `ERR_RECORDING_TRUNCATED`, `ERR_KEYS_FORGOTTEN`; KmsError
   * when custody has to ask KMS again; what the source throws; the signal's reason
   */
  read(offset: number, length: number, options?: ReadOptions): Promise<BodyBytes>;
  /**
   * A range as a stream, as `decryptRecording` would give it: what it releases before it fails is a verified prefix of the
   * range. Fetches ahead, by steps that grow to a MiB. It counts as running until it ends, fails or is cancelled.
   * @throws InvalidInputError for a range outside the recording; the stream fails with what {@link read} throws
   */
  stream(options?: RangeOptions): BodyStream;
  /**
   * Wipes keys and plaintext at once. Reads and streams that are under way fail with `ERR_CLOSED`; resolves when they have.
   * The source is left to its owner.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
