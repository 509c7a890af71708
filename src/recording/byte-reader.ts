import { ChunkQueue } from "./chunk-queue.js";

/** Bytes dropped at a time, so that few are held. */
const discardBytes = 65_536;

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

  /** Drops the next `length` bytes as they come, and tells how many there were. */
  async discard(length: number): Promise<number> {
    let dropped = 0;
    while (dropped < length) {
      const count = await this.fill(Math.min(length - dropped, discardBytes));
      if (count === 0) break;
      this.#queue.skip(count);
      dropped += count;
    }
    return dropped;
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

/** One chunk, then the end. */
export function bytesReader(bytes: Uint8Array): ByteReader {
  let rest: Uint8Array | undefined = bytes;
  const once = async () => {
    const chunk = rest;
    rest = undefined;
    return chunk?.length ? chunk : undefined;
  };
  return new ByteReader(once, true);
}
