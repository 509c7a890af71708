import { constants } from "node:buffer";
import { InvalidInputError, RecordingKeyStoreError } from "../../errors.js";
import type { Metadata } from "../../format/canonical-json.js";
import type { DataKeyLease } from "../../format/data-key-lease.js";
import { type FloeDecryptor } from "../../format/floe.js";
import type { RecordingHeader } from "../../format/header.js";
import { segmentParts } from "../../format/segment-parts.js";
import {
  checkWholeEnd,
  decryptionLayout,
  segmentOverhead,
  sourceBytes,
  type SegmentLayout,
} from "../../format/segments.js";
import { openLast } from "../../format/transform-segments.js";
import { linkedSignal, whenAborted } from "../../util/abort.js";
import { knownOptions } from "../../util/check-input.js";
import { yieldToEventLoop } from "../../util/event-loop.js";
import { isAbortSignal } from "../../util/realms.js";
import type { BodyStream } from "../body-types.js";
import { failureAtEnd } from "../ending.js";
import { openPreamble, preambleOfSource } from "../preamble.js";
import { checkedSource, readExactly, type RandomAccessSource } from "../random-access-source.js";
import type { SegmentKeys } from "../segment-keys.js";
import { rangeStream } from "./range-stream.js";
import type { RangeOptions, ReadOptions, RecordingReader } from "./recording-reader.js";
import { SegmentCache } from "./segment-cache.js";

/** How a recording is opened for reading. */
export interface OpenRequest {
  /** Whether it is the recording that the caller expects; throws if not. Asked before anything but the header is read. */
  readonly checkNames: (header: RecordingHeader) => void;
  readonly open: (header: RecordingHeader) => Promise<{ lease: DataKeyLease; keyPairId: string }>;
  readonly signal?: AbortSignal | undefined;
  /** Runs each read and each stream, so that their owner can wait for them. */
  readonly run?: <T>(task: () => Promise<T>) => Promise<T>;
}

/** Most encrypted bytes fetched and decrypted in one step; always at least one segment. */
const maxStepBytes = 1_048_576;

interface Opened {
  readonly source: RandomAccessSource;
  readonly header: RecordingHeader;
  readonly metadata: Metadata | undefined;
  readonly keys: SegmentKeys;
  readonly keyPairId: string;
  readonly layout: SegmentLayout;
}

export class SegmentReader implements RecordingReader {
  readonly #opened: Opened;
  readonly #runTask: NonNullable<OpenRequest["run"]>;
  readonly #lastPosition: number;
  readonly #cache = new SegmentCache();
  readonly #running = new Set<Promise<unknown>>();
  readonly #end = new AbortController();
  /** Callbacks that drop what streams have decrypted ahead. */
  readonly #drops = new Set<() => void>();
  readonly #closed: Promise<void>;
  #forgotten: RecordingKeyStoreError | undefined;

  private constructor(opened: Opened, run: OpenRequest["run"]) {
    this.#opened = opened;
    this.#runTask = run ?? ((task) => task());
    this.#lastPosition = opened.layout.segments - 1;
    this.#closed = new Promise((resolve) => void whenAborted(this.#end.signal, resolve));
    opened.keys.onEnd((forgotten) => this.#leaseEnded(forgotten));
  }

  /**
   * Reads what comes before the first segment, and the last segment, and nothing else.
   * @throws RecordingKeyStoreError `ERR_FORMAT_*`, `ERR_RECORDING_TRUNCATED`, `ERR_RECORDING_TAMPERED`; what the request and
   * the source throw; the signal's reason
   */
  static async open(given: RandomAccessSource, { checkNames, open, signal, run }: OpenRequest): Promise<SegmentReader> {
    const source = checkedSource(given);
    const preamble = await preambleOfSource(source, checkNames, signal);
    const { header } = preamble;
    const layout = decryptionLayout(source.size, { ...header, preambleLength: preamble.length });
    const { lease, keyPairId } = await open(header);
    const { keys, metadata } = await openPreamble(preamble, lease, { signal });
    const reader = new SegmentReader({ source, header, metadata, keys, keyPairId, layout }, run);
    const last = reader.#lastPosition;
    try {
      checkWholeEnd(layout);
      for (const { plaintext } of await reader.#load(last, last, signal)) reader.#cache.keep(last, plaintext);
      return reader;
    } catch (error) {
      const read = (offset: number, length: number) => readExactly(source, offset, length, signal);
      const recording = { layout, trailerLength: header.trailerLength, keys: keys.access(signal), read };
      const failure = await failureAtEnd(error, recording).catch((reason: unknown) => reason);
      void reader.end(failure);
      throw failure;
    }
  }

  get size(): number {
    return this.#opened.layout.target.end;
  }

  get keyPairId(): string {
    return this.#opened.keyPairId;
  }

  get confirmation(): "confirmed" | "unconfirmed" {
    return this.#opened.header.confirmation;
  }

  get publicMetadata(): Metadata | undefined {
    return this.#opened.header.publicMetadata;
  }

  get metadata(): Metadata | undefined {
    return this.#opened.metadata;
  }

  /** Resolves when the reader has been closed. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  async read(offset: number, length: number, options: ReadOptions = {}): Promise<Buffer<ArrayBuffer>> {
    const { signal } = knownOptions(options, { signal: true });
    checkWhole("offset", offset, this.size);
    checkWhole("length", length, Number.MAX_SAFE_INTEGER);
    checkSignal(signal);
    const size = Math.min(length, this.size - offset);
    if (size > constants.MAX_LENGTH)
      throw new InvalidInputError("length", `must be at most ${constants.MAX_LENGTH}; stream more than that`, length);
    return this.#run([signal], async (ended) => {
      const result = Buffer.allocUnsafeSlow(size);
      for (let filled = 0; filled < size;) {
        for (const { plaintext } of await this.#step(offset + filled, offset + size, maxStepBytes, ended)) {
          result.set(plaintext, filled);
          filled += plaintext.length;
        }
      }
      return result;
    });
  }

  stream(options: RangeOptions = {}): BodyStream {
    const { start = 0, end = this.size, signal } = knownOptions(options, { start: true, end: true, signal: true });
    checkWhole("end", end, this.size);
    checkWhole("start", start, end);
    checkSignal(signal);
    return rangeStream(start, end, {
      run: (stop, task) => this.#run([signal, stop], task),
      step: async (from, stepBytes, ended) => {
        const pieces = await this.#step(from, end, stepBytes, ended);
        return pieces.map(({ plaintext, cached }) => (cached ? Buffer.from(plaintext) : plaintext)); // the cache keeps its own
      },
      check: (ended) => this.#checkKeys(ended),
      drops: this.#drops,
    });
  }

  close(): Promise<void> {
    return this.end(closedError());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Closes, and fails what is under way with a reason of its owner's. */
  async end(reason: unknown): Promise<void> {
    if (!this.#end.signal.aborted) {
      this.#end.abort(reason);
      this.#cache.clear();
      this.#opened.keys.destroy();
    }
    await Promise.allSettled([...this.#running]);
  }

  /** Node's `util.inspect` shows what tells readers apart, and nothing of the recording. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `RecordingReader { size: ${this.size}, keyPairId: ${JSON.stringify(this.keyPairId)} }`;
  }

  /** Under a signal that also ends with the reader, and counted until it settles. */
  async #run<T>(signals: readonly (AbortSignal | undefined)[], task: (ended: AbortSignal) => Promise<T>): Promise<T> {
    this.#checkOpen();
    const running = this.#runTask(async () => {
      const { signal, unlink } = linkedSignal(this.#end.signal, ...signals);
      try {
        signal.throwIfAborted();
        return await task(signal);
      } finally {
        unlink();
      }
    });
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Pieces of plaintext from `from` on, at most to `to`: what is cached, or one fetch. At least one byte. */
  async #step(from: number, to: number, stepBytes: number, signal: AbortSignal): Promise<Piece[]> {
    const { segmentLength } = this.#opened.header;
    const capacity = segmentLength - segmentOverhead;
    const first = Math.floor(from / capacity);
    const wanted = Math.floor((to - 1) / capacity);
    signal.throwIfAborted();
    if (!this.#opened.keys.held) this.#cache.clear(); // the lease may have ended without anyone noticing yet
    const cached = this.#cache.get(first);
    if (cached) return [{ plaintext: cached.subarray(from - first * capacity, to - first * capacity), cached: true }];
    let last = first;
    const most = Math.max(1, Math.floor(stepBytes / segmentLength));
    while (last < wanted && last - first + 1 < most && !this.#cache.get(last + 1)) last += 1;
    await yieldToEventLoop();
    const segments = await this.#load(first, last, signal);
    return segments.map(({ plaintext }, index) => {
      const begin = (first + index) * capacity;
      const part = plaintext.subarray(Math.max(0, from - begin), Math.max(0, to - begin));
      // What is read in part is likely to be read on; whole segments are handed over.
      const keep = part.length < plaintext.length;
      if (keep) this.#cache.keep(first + index, plaintext);
      return { plaintext: part, cached: keep };
    });
  }

  /** Fetches segments in one read and verifies each, up to the first that fails unless that is the first of all. */
  async #load(first: number, last: number, signal: AbortSignal | undefined): Promise<Piece[]> {
    const { source, layout, keys } = this.#opened;
    const { offset, length } = sourceBytes(layout, { first, count: last - first + 1 });
    const bytes = await readExactly(source, offset, length, signal);
    const { held } = keys;
    return held ? this.#open(held, bytes, first) : keys.use((floe) => this.#open(floe, bytes, first), signal);
  }

  /** Decrypts whole segments that lie in one buffer. */
  #open(floe: FloeDecryptor, bytes: Buffer, first: number): Piece[] {
    this.#checkOpen();
    const { segmentLength } = this.#opened.header;
    const pieces: Piece[] = [];
    for (let offset = 0, position = first; offset < bytes.length; offset += segmentLength, position += 1) {
      try {
        pieces.push({
          plaintext: this.#openSegment(floe, bytes.subarray(offset, offset + segmentLength), position),
          cached: false,
        });
      } catch (error) {
        if (pieces.length === 0) throw error;
        break; // it fails when its turn comes
      }
    }
    return pieces;
  }

  #openSegment(floe: FloeDecryptor, segment: Buffer, position: number): Buffer {
    const { segmentLength } = this.#opened.header;
    const [plaintext = Buffer.alloc(0)] =
      position === this.#lastPosition
        ? openLast(floe.segments, segment, position, segmentLength)
        : floe.segment(segmentParts(segment), position, false);
    return plaintext;
  }

  /** Renews the lease if it has ended. */
  async #checkKeys(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#opened.keys.held) await this.#opened.keys.use(() => this.#checkOpen(), signal);
  }

  #checkOpen(): void {
    if (this.#forgotten) throw this.#forgotten;
    if (this.#end.signal.aborted) throw closedError();
  }

  /** Drops plaintext with the keys that opened it. */
  #leaseEnded(forgotten: RecordingKeyStoreError | undefined): void {
    this.#cache.clear();
    for (const drop of this.#drops) drop();
    if (!forgotten) return;
    this.#forgotten ??= forgotten;
    void this.end(forgotten);
  }
}

interface Piece {
  readonly plaintext: Buffer;
  /** Whether the cache has it too. */
  readonly cached: boolean;
}

function closedError(): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_CLOSED", "the recording's reader is closed");
}

function checkWhole(field: string, value: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value > max)
    throw new InvalidInputError(field, `must be a whole number from 0 to ${max}`, value);
}

function checkSignal(signal: unknown): void {
  if (signal !== undefined && !isAbortSignal(signal))
    throw new InvalidInputError("signal", "must be an AbortSignal", signal);
}
