import { RecordingKeyStoreError } from "../errors.js";
import type { ByteReader } from "./byte-source.js";
import type { DataKeyLease } from "./data-key-lease.js";
import { FloeDecryptor, isInnerSegment, tampered } from "./floe.js";
import { decodeHeader, headerLengthOf, headerPrefixLength, type RecordingHeader } from "./header.js";
import { floeHeaderLength, segmentOverhead } from "./sizes.js";

/** Finds the data key for a header, after checking that it is the recording the caller expects. */
export type OpenHeader = (header: RecordingHeader) => Promise<DataKeyLease>;

/** How many segments one pull opens at most, so that a fast source does not starve the event loop. */
const maxBatch = 16;

/** An encrypted recording read up to its first segment, whose header has been authenticated. */
export class RecordingDecryptor {
  readonly header: RecordingHeader;
  readonly #reader: ByteReader;
  readonly #lease: DataKeyLease;
  readonly #floe: FloeDecryptor;
  readonly #signal: AbortSignal | undefined;
  #position = 0;
  #released = false;
  #failure: unknown;
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

  /** Plaintext of the next segments, verified, as many as are at hand; `undefined` after the last, when nothing follows. */
  async next(): Promise<Buffer[] | undefined> {
    if (this.#released) return undefined;
    this.#signal?.throwIfAborted();
    if (!this.#lease.valid()) await this.#lease.renew(this.#signal);
    const { segmentLength } = this.header;
    const batch = [await this.#open(await this.#reader.read(segmentLength))];
    // Without a promise each; one that may be the last waits for what follows it.
    while (!this.#released && batch.length < maxBatch && this.#lease.valid()) {
      const segment = this.#reader.readInner(segmentLength);
      if (!segment) break;
      try {
        batch.push(this.#openInner(segment));
      } catch (error) {
        this.#failure = error; // what was verified before it is released first
        break;
      }
    }
    return batch;
  }

  async #open(segment: Buffer): Promise<Buffer> {
    if (this.#failure !== undefined) throw this.#failure;
    const { segmentLength } = this.header;
    if (segment.length < segmentOverhead) throw truncated();
    const lengthField = segment.readUInt32BE(0);
    if (isInnerSegment(lengthField)) {
      if (segment.length < segmentLength) throw truncated();
      return this.#openInner(segment);
    }
    if (segment.length < Math.min(lengthField, segmentLength)) throw truncated();
    if (lengthField < segment.length) throw tampered("bytes follow the recording's last segment");
    const plaintext = this.#count(segment, this.#floe.segment(segment, this.#position, true));
    if ((await this.#reader.read(1)).length > 0) {
      plaintext.fill(0);
      throw tampered("bytes follow the recording's last segment");
    }
    this.destroy();
    return plaintext;
  }

  #openInner(segment: Buffer): Buffer {
    return this.#count(segment, this.#floe.segment(segment, this.#position, false));
  }

  #count(segment: Buffer, plaintext: Buffer): Buffer {
    this.#position += 1;
    this.plaintextSize += plaintext.length;
    this.encryptedSize += segment.length;
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
