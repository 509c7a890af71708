import { RecordingKeyStoreError } from "../errors.js";
import type { ByteReader } from "./byte-source.js";
import type { DataKeyLease } from "./data-key-lease.js";
import { FloeDecryptor, isInnerSegment, tampered } from "./floe.js";
import { decodeHeader, headerLengthOf, headerPrefixLength, type RecordingHeader } from "./header.js";
import { floeHeaderLength, segmentOverhead } from "./sizes.js";

/** Finds the data key for a header, after checking that it is the recording the caller expects. */
export type OpenHeader = (header: RecordingHeader) => Promise<DataKeyLease>;

/** An encrypted recording read up to its first segment, whose header has been authenticated. */
export class RecordingDecryptor {
  readonly header: RecordingHeader;
  readonly #reader: ByteReader;
  readonly #lease: DataKeyLease;
  readonly #floe: FloeDecryptor;
  readonly #signal: AbortSignal | undefined;
  #position = 0;
  #released = false;
  plaintextSize = 0;
  encryptedSize: number;

  private constructor(init: { header: RecordingHeader; reader: ByteReader; lease: DataKeyLease; floe: FloeDecryptor; signal: AbortSignal | undefined; read: number }) {
    this.header = init.header;
    this.#reader = init.reader;
    this.#lease = init.lease;
    this.#floe = init.floe;
    this.#signal = init.signal;
    this.encryptedSize = init.read;
  }

  /** @throws RecordingKeyStoreError `ERR_FORMAT_*`, `ERR_RECORDING_TRUNCATED`, `ERR_RECORDING_TAMPERED`, and what `open` throws */
  static async open(reader: ByteReader, open: OpenHeader, signal: AbortSignal | undefined): Promise<RecordingDecryptor> {
    const prefix = await exactly(reader, headerPrefixLength);
    const rest = await exactly(reader, headerLengthOf(prefix) - headerPrefixLength);
    const bytes = Buffer.concat([prefix, rest]);
    const header = decodeHeader(bytes);
    const floeHeader = await exactly(reader, floeHeaderLength);
    const lease = await open(header);
    try {
      const floe = new FloeDecryptor(lease.dataKey, bytes, floeHeader, { segmentLength: header.segmentLength });
      return new RecordingDecryptor({ header, reader, lease, floe, signal, read: bytes.length + floeHeaderLength });
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  /** Plaintext of the next segment, verified; `undefined` after the last one, when nothing follows it. */
  async next(): Promise<Buffer | undefined> {
    if (this.#released) return undefined;
    this.#signal?.throwIfAborted();
    if (!this.#lease.valid()) await this.#lease.renew(this.#signal);
    const { segmentLength } = this.header;
    const segment = await this.#reader.read(segmentLength);
    if (segment.length < segmentOverhead) throw truncated();
    const lengthField = segment.readUInt32BE(0);
    const last = !isInnerSegment(lengthField);
    if (segment.length < (last ? Math.min(lengthField, segmentLength) : segmentLength)) throw truncated();
    if (last && lengthField < segment.length) throw tampered("bytes follow the recording's last segment");
    const plaintext = this.#floe.segment(segment, this.#position, last);
    this.#position += 1;
    if (last && (await this.#reader.read(1)).length > 0) {
      plaintext.fill(0);
      throw tampered("bytes follow the recording's last segment");
    }
    this.plaintextSize += plaintext.length;
    this.encryptedSize += segment.length;
    if (last) this.destroy();
    return plaintext;
  }

  /** Wipes all keys. */
  destroy(): void {
    if (this.#released) return;
    this.#released = true;
    this.#floe.destroy();
    this.#lease.release();
  }
}

async function exactly(reader: ByteReader, length: number): Promise<Buffer> {
  const bytes = await reader.read(length);
  if (bytes.length === length) return bytes;
  throw truncated();
}

function truncated(): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_RECORDING_TRUNCATED", "the recording ends before its last segment");
}
