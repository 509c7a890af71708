import { Readable } from "node:stream";
import { types } from "node:util";
import { InvalidInputError } from "../errors.js";
import { ChunkQueue } from "./chunk-queue.js";
import { pullReadable } from "./readable-source.js";

/** A web stream of bytes, by its shape: Node's, and the DOM's where `lib: dom` is on. */
export interface ByteStream {
  getReader(): {
    read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
    cancel(reason?: unknown): Promise<unknown>;
  };
}

export type RecordingStream = Readable | ByteStream | AsyncIterable<Uint8Array>;

/** Pulls chunks of bytes out of any kind of stream, and can be cut off at any moment, also while it waits. */
export class ByteSource {
  /** Whether chunks are ours to keep. An async iterable may fill one buffer again and again. */
  readonly ownsChunks: boolean;
  readonly #pull: () => Promise<IteratorResult<unknown, unknown>>;
  readonly #cancel: (reason: unknown) => void;
  readonly #field: string;
  #reject: ((reason: unknown) => void) | undefined;
  #ended: { readonly reason: unknown } | undefined;

  constructor(stream: RecordingStream, field: string) {
    this.#field = field;
    this.ownsChunks = stream instanceof Readable;
    if (stream instanceof Readable) {
      // What somebody else has read to its end would become an empty recording.
      if (stream.readableEnded)
        throw new InvalidInputError(field, "must be a stream that has not been read to its end");
      this.#pull = pullReadable(stream);
      this.#cancel = () => void stream.destroy();
    } else if ("getReader" in stream) {
      const reader = lockedReader(stream, field);
      this.#pull = async () => {
        const { done, value } = await reader.read();
        return done ? { done, value: undefined } : { done: false, value };
      };
      this.#cancel = (reason) => void reader.cancel(reason).catch(() => undefined);
    } else {
      const iterator: AsyncIterator<unknown, unknown> = stream[Symbol.asyncIterator]();
      this.#pull = () => iterator.next();
      this.#cancel = () => void (async () => iterator.return?.())().catch(() => undefined);
    }
  }

  /** The next chunk that is not empty; `undefined` at the end. @throws InvalidInputError for a chunk that is not bytes */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#ended) throw this.#ended.reason;
      const { done, value } = await new Promise<IteratorResult<unknown, unknown>>((resolve, reject) => {
        this.#reject = reject;
        this.#pull().then(resolve, reject);
      });
      if (done === true) return undefined;
      if (!types.isUint8Array(value))
        throw new InvalidInputError(this.#field, "must be a stream of Uint8Array chunks", value);
      if (value.length > 0) return value;
    }
  }

  /** Stops reading: a pending `next` rejects with the reason, and the stream is told to stop. */
  cancel(reason: unknown): void {
    if (this.#ended) return;
    this.#ended = { reason };
    this.#reject?.(reason);
    this.#cancel(reason);
  }
}

function lockedReader(stream: ByteStream, field: string): ReturnType<ByteStream["getReader"]> {
  try {
    return stream.getReader();
  } catch {
    throw new InvalidInputError(field, "must not be locked by another reader");
  }
}

/** Tells streams from bytes, and both from anything else. @throws InvalidInputError */
export function isStream(input: unknown, field: string): input is RecordingStream {
  if (types.isUint8Array(input)) return false;
  if (typeof input === "object" && input !== null) {
    if (input instanceof Readable || "getReader" in input || Symbol.asyncIterator in input) return true;
  }
  throw new InvalidInputError(
    field,
    "must be a Uint8Array, a Readable, a ReadableStream or an async iterable of bytes",
    input,
  );
}

/** Reads exact numbers of bytes out of chunks of any size. */
export class ByteReader {
  readonly #next: () => Promise<Uint8Array | undefined>;
  readonly #owned: boolean;
  readonly #queue = new ChunkQueue();
  #ended = false;

  constructor(next: () => Promise<Uint8Array | undefined>, owned: boolean) {
    this.#next = next;
    this.#owned = owned;
  }

  /** Waits until `length` bytes are at hand or the stream has ended, and tells how many of them are. */
  async fill(length: number): Promise<number> {
    while (this.#queue.length < length && !this.#ended) {
      const chunk = await this.#next();
      if (chunk) this.#queue.push(chunk, this.#owned);
      else this.#ended = true;
    }
    return Math.min(length, this.#queue.length);
  }

  /** Exactly `length` bytes, or all that are left when the stream ends before. Does not copy what lies in one chunk. */
  async read(length: number): Promise<Buffer> {
    await this.fill(length);
    return this.#queue.take(length);
  }

  /** Bytes that can be taken without a wait. */
  get atHand(): number {
    return this.#queue.length;
  }

  /** The first 4 bytes at hand as a number, big-endian. */
  peekUInt32(): number | undefined {
    return this.#queue.peekUInt32();
  }

  /** Drops the next `length` bytes, which are at hand. */
  skip(length: number): void {
    this.#queue.skip(length);
  }

  /** The next `length` bytes, which are at hand, in one buffer. */
  take(length: number): Buffer {
    return this.#queue.take(length);
  }

  /** The next `length` bytes, which are at hand, as they came: nothing is copied. */
  takePieces(length: number): Buffer[] {
    return this.#queue.takePieces(length);
  }
}
