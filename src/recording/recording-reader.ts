import { ReadableStream } from "node:stream/web";
import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import { truncated, type OpenHeader } from "./decrypt.js";
import { isInnerSegment, segmentParts, type FloeDecryptor } from "./floe.js";
import { checkMagic, decodeHeader, headerLengthOf, headerPrefixLength, type RecordingHeader } from "./header.js";
import { LeasedFloe } from "./leased-floe.js";
import { checkSource, readExactly, type RandomAccessSource } from "./random-access-source.js";
import { floeHeaderLength, plaintextSizeOf, segmentOverhead } from "./sizes.js";

/** Long enough for nearly every header, so that opening asks the source once for it, bytes. */
const firstRead = 4_096;
/** Encrypted bytes fetched and decrypted in one step of a long read or a stream; always at least one segment. */
const stepBytes = 1_048_576;
/** Plaintext kept for the next read, bytes; always at least the last segment that was read. */
const cacheBytes = 262_144;

export interface RangeOptions {
  /** First byte of plaintext; 0 unless given. */
  start?: number | undefined;
  /** Byte after the last one; the recording's size unless given. */
  end?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** A recording open for reading anywhere in it. Close it: until then it holds keys derived from the data key. */
export class RecordingReader {
  /** Length of the plaintext in bytes, authenticated by the last segment. */
  readonly size: number;
  readonly header: RecordingHeader;
  readonly #source: RandomAccessSource;
  readonly #keys: LeasedFloe;
  /** Where segment 0 begins. */
  readonly #start: number;
  readonly #lastPosition: number;
  /** Plaintext by position, the least recently read first. */
  readonly #cache = new Map<number, Buffer>();
  #closed = false;
  #forgotten: RecordingKeyStoreError | undefined;

  private constructor(init: { source: RandomAccessSource; header: RecordingHeader; keys: LeasedFloe; start: number; size: number }) {
    this.#source = init.source;
    this.header = init.header;
    this.#keys = init.keys;
    this.#start = init.start;
    this.size = init.size;
    this.#lastPosition = Math.ceil((init.source.size - init.start) / init.header.segmentLength) - 1;
  }

  /**
   * Reads the header and the last segment, and nothing else.
   * @throws RecordingKeyStoreError `ERR_FORMAT_*`, `ERR_RECORDING_TRUNCATED`, `ERR_RECORDING_TAMPERED`; what `open` and the
   * source throw; the signal's reason
   */
  static async open(source: RandomAccessSource, open: OpenHeader, signal?: AbortSignal): Promise<RecordingReader> {
    checkSource(source);
    let bytes = await readExactly(source, 0, Math.min(firstRead, source.size), signal);
    checkMagic(bytes);
    if (bytes.length < headerPrefixLength) throw truncated();
    const headerLength = headerLengthOf(bytes);
    const start = headerLength + floeHeaderLength;
    if (source.size < start) throw truncated();
    if (bytes.length < start) bytes = Buffer.concat([bytes, await readExactly(source, bytes.length, start - bytes.length, signal)], start);
    const headerBytes = Buffer.from(bytes.subarray(0, headerLength)); // FLOE keeps it; the source may not
    const header = decodeHeader(headerBytes);
    const size = plaintextSizeOf(source.size, { headerLength, segmentLength: header.segmentLength });
    const message = { header: headerBytes, floeHeader: Buffer.from(bytes.subarray(headerLength, start)), segmentLength: header.segmentLength };
    const keys = await LeasedFloe.open(await open(header), message, signal);
    const reader = new RecordingReader({ source, header, keys, start, size });
    keys.onEnd((forgotten) => reader.#ended(forgotten));
    try {
      await reader.#load(reader.#lastPosition, reader.#lastPosition, signal);
      return reader;
    } catch (error) {
      reader.close();
      throw error;
    }
  }

  /**
   * Up to `length` bytes of plaintext from `offset` on; fewer only at the end. Fetches the segments they lie in, and no
   * other; 64 KiB lie in two at most.
   * @throws InvalidInputError; `ERR_CLOSED`, `ERR_RECORDING_TAMPERED`, `ERR_RECORDING_TRUNCATED`, `ERR_KEYS_FORGOTTEN`,
   * KmsError when custody has to ask KMS again; what the source throws
   */
  async read(offset: number, length: number, options: { signal?: AbortSignal | undefined } = {}): Promise<Buffer> {
    checkWhole("offset", offset, this.size);
    checkWhole("length", length, Number.MAX_SAFE_INTEGER);
    const size = Math.min(length, this.size - offset);
    const result = Buffer.allocUnsafeSlow(size);
    for (let filled = 0; filled < size; ) {
      for (const piece of await this.#step(offset + filled, offset + size, options.signal)) {
        result.set(piece, filled);
        filled += piece.length;
      }
    }
    return result;
  }

  /**
   * A range of plaintext as a stream. One step is fetched ahead; cancelling ends that too.
   * @throws InvalidInputError for a range outside the recording; the stream fails with what {@link read} throws
   */
  stream({ start = 0, end = this.size, signal }: RangeOptions = {}): ReadableStream<Uint8Array> {
    checkWhole("end", end, this.size);
    checkWhole("start", start, end);
    const cancelled = new AbortController();
    const both = signal ? AbortSignal.any([signal, cancelled.signal]) : cancelled.signal;
    let position = start;
    const fetchNext = () => {
      const step = this.#step(position, end, both);
      step.catch(() => undefined); // reported when it is its turn
      return step;
    };
    let ahead: Promise<Buffer[]> | undefined;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          if (position < end) {
            for (const piece of await (ahead ?? fetchNext())) {
              position += piece.length;
              controller.enqueue(Buffer.from(piece)); // the cache keeps its own
            }
          }
          ahead = position < end ? fetchNext() : undefined;
          if (position >= end) controller.close();
        },
        cancel: (reason) => cancelled.abort(reason),
      },
      { highWaterMark: 0 },
    );
  }

  /** Wipes the keys and forgets what was read. Reads that are under way fail with `ERR_CLOSED`. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cache.clear();
    this.#keys.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** Pieces of plaintext from `from` on, at most to `to`: what is cached, or one fetch. At least one byte. */
  async #step(from: number, to: number, signal: AbortSignal | undefined): Promise<Buffer[]> {
    const capacity = this.header.segmentLength - segmentOverhead;
    const first = Math.floor(from / capacity);
    const wanted = Math.floor((to - 1) / capacity);
    this.#checkOpen();
    if (!this.#keys.held) this.#cache.clear(); // a term may have run out without anyone noticing yet
    const cached = this.#cache.get(first);
    if (cached) {
      this.#cache.delete(first);
      this.#cache.set(first, cached);
      return [cached.subarray(from - first * capacity, to - first * capacity)];
    }
    let last = first;
    const most = Math.max(1, Math.floor(stepBytes / this.header.segmentLength));
    while (last < wanted && last - first + 1 < most && !this.#cache.has(last + 1)) last += 1;
    const segments = await this.#load(first, last, signal);
    return segments.map((segment, index) => {
      const begin = (first + index) * capacity;
      return segment.subarray(Math.max(0, from - begin), Math.max(0, to - begin));
    });
  }

  /** Fetches segments in one read, verifies each, and keeps the latest. */
  async #load(first: number, last: number, signal: AbortSignal | undefined): Promise<Buffer[]> {
    const { segmentLength } = this.header;
    const begin = this.#start + first * segmentLength;
    const end = Math.min(this.#start + (last + 1) * segmentLength, this.#source.size);
    const bytes = await readExactly(this.#source, begin, end - begin, signal);
    const { held } = this.#keys;
    return held ? this.#open(held, bytes, first) : this.#keys.use((floe) => this.#open(floe, bytes, first), signal);
  }

  /** Decrypts whole segments that lie in one buffer. */
  #open(floe: FloeDecryptor, bytes: Buffer, first: number): Buffer[] {
    this.#checkOpen();
    const { segmentLength } = this.header;
    const segments: Buffer[] = [];
    for (let offset = 0, position = first; offset < bytes.length; offset += segmentLength, position += 1) {
      const segment = bytes.subarray(offset, offset + segmentLength);
      const isLast = position === this.#lastPosition;
      const lengthField = segment.readUInt32BE(0);
      if (isLast && (isInnerSegment(lengthField) || lengthField > segment.length)) throw truncated();
      const [plaintext = Buffer.alloc(0)] = floe.segment(segmentParts(segment), position, isLast);
      segments.push(plaintext);
      this.#keep(position, plaintext);
    }
    return segments;
  }

  #keep(position: number, plaintext: Buffer): void {
    this.#cache.set(position, plaintext);
    let bytes = 0;
    for (const { length } of this.#cache.values()) bytes += length;
    for (const [oldest, { length }] of this.#cache) {
      if (bytes <= cacheBytes || this.#cache.size === 1) return;
      this.#cache.delete(oldest);
      bytes -= length;
    }
  }

  #checkOpen(): void {
    if (this.#forgotten) throw this.#forgotten;
    if (this.#closed) throw new RecordingKeyStoreError("ERR_CLOSED", "the recording's reader is closed");
  }

  /** Plaintext is not kept for longer than the keys that opened it. */
  #ended(forgotten: RecordingKeyStoreError | undefined): void {
    this.#forgotten ??= forgotten;
    this.#cache.clear();
    if (forgotten) this.close();
  }
}

function checkWhole(field: string, value: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value > max) throw new InvalidInputError(field, `must be a whole number from 0 to ${max}`, value);
}
