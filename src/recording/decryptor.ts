import { type RecordingKeyStoreError } from "../errors.js";
import { followed, isDamage, truncated } from "../format/damage.js";
import type { DataKeyLease } from "../format/data-key-lease.js";
import { type FloeDecryptor } from "../format/floe.js";
import type { OpenedHeader, RecordingHeader } from "../format/header.js";
import { aeadIvLength, isInnerSegment, segmentLengthAt, tagLength } from "../format/segment-parts.js";
import { segmentOverhead, type StreamTotals } from "../format/segments.js";
import { wipe } from "../util/secrets.js";
import type { ByteReader } from "./byte-reader.js";
import { openPreamble, preambleOfStream } from "./preamble.js";
import type { SegmentAccess, SegmentKeys } from "./segment-keys.js";

/** Finds the data key for a header, after checking that it is the recording the caller expects. */
export type OpenHeader = (header: RecordingHeader) => Promise<DataKeyLease>;

export interface DecryptRequest {
  readonly open: OpenHeader;
  readonly signal?: AbortSignal | undefined;
  /** Whether damage ends the recording instead of failing it. */
  readonly salvage: boolean;
}

/** Most encrypted bytes opened in one step (always one segment at least), before yielding to the event loop. */
const maxBatchBytes = 1_048_576;

/** An encrypted recording read up to its first segment, whose header has been authenticated. */
export class RecordingDecryptor {
  readonly header: OpenedHeader;
  /** Where segment 0 begins, in bytes. */
  readonly preambleLength: number;
  readonly #reader: ByteReader;
  readonly #keys: SegmentKeys;
  readonly #request: DecryptRequest;
  #position = 0;
  #released = false;
  #failure: { readonly error: unknown } | undefined;
  #failed: (error: unknown) => void = () => undefined;
  #last = false;
  #complete = false;
  #damage: RecordingKeyStoreError | undefined;
  #plaintextSize = 0;
  #encryptedSize: number;

  private constructor(init: {
    header: OpenedHeader;
    reader: ByteReader;
    keys: SegmentKeys;
    request: DecryptRequest;
    preambleLength: number;
  }) {
    this.header = init.header;
    this.#reader = init.reader;
    this.#keys = init.keys;
    this.#request = init.request;
    this.preambleLength = init.preambleLength;
    this.#encryptedSize = init.preambleLength;
  }

  /** @throws RecordingKeyStoreError `ERR_FORMAT_*`, `ERR_RECORDING_TRUNCATED`, `ERR_RECORDING_TAMPERED`, and what `open` throws */
  static async open(reader: ByteReader, request: DecryptRequest): Promise<RecordingDecryptor> {
    const preamble = await preambleOfStream(reader);
    const { header } = preamble;
    const { signal, salvage } = request;
    const { keys, metadata, damage } = await openPreamble(preamble, await request.open(header), { signal, salvage });
    const decryptor = new RecordingDecryptor({
      header: metadata ? { ...header, metadata } : header,
      reader,
      keys,
      request,
      preambleLength: preamble.length,
    });
    decryptor.#damage = damage;
    keys.onEnd((forgotten) => {
      if (forgotten) decryptor.#fail(forgotten);
    });
    return decryptor;
  }

  /** Verified plaintext of the next segments, as many as are at hand; `undefined` after the last. */
  async next(): Promise<Buffer[] | undefined> {
    this.#throwFailure();
    if (this.#released) return undefined;
    await this.#reader.fill(this.header.segmentLength);
    try {
      // Keys are asked for after the wait: a live source may take longer than a lease.
      const { held } = this.#keys;
      const pieces = held
        ? this.#openAtHand(held)
        : await this.#keys.use((floe) => this.#openAtHand(floe), this.#request.signal);
      if (this.#last && !this.#released) await this.#checkEnd(pieces);
      return pieces;
    } catch (error) {
      this.#throwFailure();
      if (!this.#request.salvage || !isDamage(error)) throw error;
      this.#endAt(error);
      return undefined;
    }
  }

  /** Calls `failed` as soon as keys are forgotten, also between two reads. */
  onFailure(failed: (error: unknown) => void): void {
    this.#failed = failed;
    if (this.#failure) failed(this.#failure.error);
  }

  #openAtHand(floe: FloeDecryptor): Buffer[] {
    this.#throwFailure();
    const batch: Buffer[] = [];
    if (this.#released) return batch;
    const { segmentLength } = this.header;
    this.#openNext(floe, batch);
    // Without a promise each; one that may be the last waits for what follows it.
    for (let bytes = 2 * segmentLength; bytes <= maxBatchBytes && !this.#last; bytes += segmentLength) {
      if (this.#reader.atHand <= segmentLength || !isInnerSegment(this.#reader.peekUInt32())) break;
      try {
        this.#openNext(floe, batch);
      } catch (error) {
        // What was verified before it is released first.
        if (this.#request.salvage && isDamage(error)) this.#endAt(error);
        else this.#failure = { error };
        break;
      }
    }
    return batch;
  }

  #openNext(floe: FloeDecryptor, batch: Buffer[]): void {
    const { segmentLength } = this.header;
    const available = Math.min(this.#reader.atHand, segmentLength);
    const lengthField = this.#reader.peekUInt32() ?? 0;
    const length = segmentLengthAt({ lengthField, available, segmentLength, position: this.#position });
    this.#last = !isInnerSegment(lengthField);
    this.#reader.skip(4);
    const iv = this.#reader.take(aeadIvLength);
    const ciphertext = this.#reader.takePieces(length - segmentOverhead);
    const pieces = floe.segment(
      { lengthField, iv, ciphertext, tag: this.#reader.take(tagLength) },
      this.#position,
      this.#last,
    );
    this.#position += 1;
    this.#encryptedSize += length;
    for (const piece of pieces) {
      this.#plaintextSize += piece.length;
      batch.push(piece);
    }
  }

  async #checkEnd(last: readonly Buffer[]): Promise<void> {
    const { trailerLength = 0 } = this.header;
    const trailer = await this.#reader.discard(trailerLength);
    this.#encryptedSize += trailer;
    const cut = trailer < trailerLength;
    const whole = !cut && (await this.#reader.fill(1)) === 0;
    this.#complete = whole && !this.#damage;
    this.destroy();
    if (whole) return;
    const error = cut ? truncated() : followed();
    if (this.#request.salvage) return this.#endAt(error);
    wipe(...last);
    throw error;
  }

  /** Ends a salvage: what came before is all there is. */
  #endAt(error: RecordingKeyStoreError): void {
    this.#damage ??= error;
    this.destroy();
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.destroy();
    this.#failed(this.#failure.error);
  }

  /** The keys, for code that reads the segments itself. They end with {@link destroy}. */
  get segmentKeys(): SegmentAccess {
    return this.#keys.access(this.#request.signal);
  }

  /** Whether everything was there and verified, with nothing behind it. Only salvage ends without. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Why it is not complete: what would have been thrown without salvage. */
  get damage(): RecordingKeyStoreError | undefined {
    return this.#damage;
  }

  totals(): StreamTotals {
    return { plaintextSize: this.#plaintextSize, encryptedSize: this.#encryptedSize };
  }

  /** Wipes all keys. */
  destroy(): void {
    if (this.#released) return;
    this.#released = true;
    this.#keys.destroy();
  }
}
