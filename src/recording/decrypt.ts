import { RecordingKeyStoreError } from "../errors.js";
import type { ByteReader } from "./byte-source.js";
import type { DataKeyLease } from "./data-key-lease.js";
import { FloeDecryptor, isInnerSegment, tampered } from "./floe.js";
import { checkMagic, decodeHeader, headerLengthOf, headerPrefixLength, type RecordingHeader } from "./header.js";
import { floeHeaderLength, segmentOverhead, type StreamTotals } from "./sizes.js";

/** Finds the data key for a header, after checking that it is the recording the caller expects. */
export type OpenHeader = (header: RecordingHeader) => Promise<DataKeyLease>;

export interface DecryptRequest {
  readonly open: OpenHeader;
  readonly signal?: AbortSignal | undefined;
  /** Whether damage ends the recording instead of failing it. */
  readonly salvage: boolean;
}

/** How many encrypted bytes one pull opens at most (but always one segment), so that a fast source does not starve the event loop. */
const maxBatchBytes = 1_048_576;

/** An encrypted recording read up to its first segment, whose header has been authenticated. */
export class RecordingDecryptor {
  readonly header: RecordingHeader;
  /** Of the encoded header, bytes. */
  readonly headerLength: number;
  readonly #reader: ByteReader;
  readonly #lease: DataKeyLease;
  readonly #floe: FloeDecryptor;
  readonly #request: DecryptRequest;
  #position = 0;
  #released = false;
  #failure: { readonly error: unknown } | undefined;
  #complete = false;
  #plaintextSize = 0;
  #encryptedSize: number;

  private constructor(init: { header: RecordingHeader; reader: ByteReader; lease: DataKeyLease; floe: FloeDecryptor; request: DecryptRequest; headerLength: number }) {
    this.header = init.header;
    this.#reader = init.reader;
    this.#lease = init.lease;
    this.#floe = init.floe;
    this.#request = init.request;
    this.headerLength = init.headerLength;
    this.#encryptedSize = init.headerLength + floeHeaderLength;
  }

  /** @throws RecordingKeyStoreError `ERR_FORMAT_*`, `ERR_RECORDING_TRUNCATED`, `ERR_RECORDING_TAMPERED`, and what `open` throws */
  static async open(reader: ByteReader, request: DecryptRequest): Promise<RecordingDecryptor> {
    const prefix = await reader.read(headerPrefixLength);
    checkMagic(prefix);
    if (prefix.length < headerPrefixLength) throw truncated();
    const rest = await exactly(reader, headerLengthOf(prefix) - headerPrefixLength);
    const bytes = Buffer.concat([prefix, rest]);
    const header = decodeHeader(bytes);
    const floeHeader = await exactly(reader, floeHeaderLength);
    const lease = await request.open(header);
    try {
      request.signal?.throwIfAborted();
      const floe = new FloeDecryptor(lease.dataKey, bytes, floeHeader, { segmentLength: header.segmentLength });
      return new RecordingDecryptor({ header, reader, lease, floe, request, headerLength: bytes.length });
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  /** Plaintext of the next segments, verified, as many as are at hand; `undefined` after the last, when nothing follows. */
  async next(): Promise<Buffer[] | undefined> {
    if (this.#failure) throw this.#failure.error;
    if (this.#released) return undefined;
    const { segmentLength } = this.header;
    const first = await this.#reader.read(segmentLength);
    // After the wait, not before it: a live source may take longer than a lease.
    if (!this.#released && !this.#lease.valid()) await this.#lease.renew(this.#request.signal);
    if (this.#released) return undefined;
    const batch: Buffer[] = [];
    try {
      batch.push(await this.#open(first));
      // Without a promise each; one that may be the last waits for what follows it.
      for (let bytes = 2 * segmentLength; bytes <= maxBatchBytes && !this.#released && this.#lease.valid(); bytes += segmentLength) {
        const segment = this.#reader.readInner(segmentLength);
        if (!segment) break;
        batch.push(this.#openInner(segment));
      }
    } catch (error) {
      if (this.#request.salvage && isDamage(error)) this.destroy();
      else if (batch.length === 0) throw error;
      else this.#failure = { error }; // what was verified before it is released first
    }
    return batch;
  }

  async #open(segment: Buffer): Promise<Buffer> {
    const { segmentLength } = this.header;
    if (segment.length < segmentOverhead) throw truncated();
    const lengthField = segment.readUInt32BE(0);
    if (isInnerSegment(lengthField)) {
      if (segment.length < segmentLength) throw truncated();
      return this.#openInner(segment);
    }
    if (segment.length < Math.min(lengthField, segmentLength)) throw truncated();
    const rest = segment.length - lengthField;
    if (rest > 0 && !this.#request.salvage) throw tampered("bytes follow the recording's last segment");
    const last = segment.subarray(0, lengthField);
    const plaintext = this.#count(last, this.#floe.segment(last, this.#position, true));
    this.#complete = rest <= 0 && (await this.#reader.read(1)).length === 0;
    if (!this.#complete && !this.#request.salvage) {
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
    this.#plaintextSize += plaintext.length;
    this.#encryptedSize += segment.length;
    return plaintext;
  }

  /** Whether the last segment was there, and nothing behind it. Only salvage ever ends without. */
  get complete(): boolean {
    return this.#complete;
  }

  totals(): StreamTotals {
    return { plaintextSize: this.#plaintextSize, encryptedSize: this.#encryptedSize };
  }

  /** Wipes all keys. */
  destroy(): void {
    if (this.#released) return;
    this.#released = true;
    this.#floe.destroy();
    this.#lease.release();
  }
}

/** Of the recording itself, as against the keys, the source or the signal. */
function isDamage(error: unknown): boolean {
  return error instanceof RecordingKeyStoreError && (error.code === "ERR_RECORDING_TAMPERED" || error.code === "ERR_RECORDING_TRUNCATED");
}

async function exactly(reader: ByteReader, length: number): Promise<Buffer> {
  const bytes = await reader.read(length);
  if (bytes.length === length) return bytes;
  throw truncated();
}

export function truncated(): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_RECORDING_TRUNCATED", "the recording ends before its last segment");
}
