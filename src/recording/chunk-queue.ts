/** Chunks shorter than this are copied together, in bytes: a view, a cipher call and a piece of output each cost more. */
const smallChunk = 4_096;
const shortestBlock = 1_024;
const longestBlock = 16_384;

/**
 * Bytes that wait until their segment is whole. Large chunks are held as they are; small ones take at most twice the memory
 * of their bytes, whether a few (of ten thousand live recordings) or a million.
 */
export class ChunkQueue {
  #chunks: Buffer[] = [];
  /** Number of bytes taken from the first chunk. */
  #start = 0;
  /** Where small chunks are copied to; the last chunk is its used part while `#open`. */
  #block: Buffer = Buffer.alloc(0);
  #blockUsed = 0;
  #open = false;
  #length = 0;

  /** Bytes in the queue. */
  get length(): number {
    return this.#length;
  }

  /** @param owned - whether the chunk stays unchanged after this call; otherwise it is copied */
  push(chunk: Uint8Array, owned: boolean): void {
    this.#length += chunk.length;
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (bytes.length < smallChunk) this.#copyIntoBlocks(bytes);
    else {
      this.#chunks.push(owned ? bytes : unpooledCopy(bytes));
      this.#open = false;
    }
  }

  /** The first `length` bytes, or fewer if there are no more, in one buffer; a copy only where they lie in several. */
  take(length: number): Buffer {
    const whole = this.#takeWithin(length);
    if (whole) return whole;
    const [first, ...more] = this.takePieces(length);
    if (!first) return Buffer.alloc(0);
    return more.length === 0 ? first : Buffer.concat([first, ...more]);
  }

  /** The first `length` bytes, in as many pieces as they came. */
  takePieces(length: number): Buffer[] {
    const whole = this.#takeWithin(length);
    if (whole) return [whole];
    const pieces: Buffer[] = [];
    let left = Math.min(length, this.#length);
    this.#length -= left;
    let gone = 0;
    for (let chunk = this.#chunks[0]; chunk && left > 0; chunk = this.#chunks[gone]) {
      const end = Math.min(this.#start + left, chunk.length);
      pieces.push(this.#start === 0 && end === chunk.length ? chunk : chunk.subarray(this.#start, end));
      left -= end - this.#start;
      this.#start = end;
      if (end < chunk.length) break;
      this.#start = 0;
      gone += 1;
    }
    this.#chunks.splice(0, gone);
    if (this.#chunks.length === 0) this.#open = false;
    return pieces;
  }

  /** Drops the first `length` bytes. */
  skip(length: number): void {
    const first = this.#chunks[0];
    if (first && first.length - this.#start > length) {
      this.#start += length;
      this.#length -= length;
    } else this.takePieces(length);
  }

  /** The fast path: bytes in the middle of the first chunk. */
  #takeWithin(length: number): Buffer | undefined {
    const first = this.#chunks[0];
    const end = this.#start + length;
    if (!first || length === 0 || end >= first.length) return undefined;
    const bytes = first.subarray(this.#start, end);
    this.#start = end;
    this.#length -= length;
    return bytes;
  }

  /** The first 4 bytes as a number, big-endian; `undefined` if there are fewer. */
  peekUInt32(): number | undefined {
    const [first] = this.#chunks;
    if (first && first.length - this.#start >= 4) return first.readUInt32BE(this.#start);
    if (this.#length < 4) return undefined;
    const bytes = this.take(4);
    if (this.#start > 0) this.#chunks[0] = (this.#chunks[0] as Buffer).subarray(this.#start);
    this.#start = 0;
    this.#chunks.unshift(bytes);
    this.#length += 4;
    return bytes.readUInt32BE(0);
  }

  clear(): void {
    this.#chunks = [];
    this.#start = 0;
    this.#length = 0;
    this.#open = false;
    this.#block = Buffer.alloc(0);
    this.#blockUsed = 0;
  }

  #copyIntoBlocks(bytes: Buffer): void {
    for (let rest = bytes; rest.length > 0;) {
      if (this.#blockUsed === this.#block.length) {
        // As much again as is held: small blocks for short queues, few blocks for long ones.
        this.#block = Buffer.allocUnsafeSlow(
          Math.min(Math.max(2 ** Math.floor(Math.log2(this.#length)), shortestBlock), longestBlock),
        );
        this.#blockUsed = 0;
        this.#open = false;
      }
      const copied = rest.copy(this.#block, this.#blockUsed);
      const last = this.#open ? this.#chunks.pop() : undefined;
      const start = last ? last.byteOffset : this.#blockUsed; // the block is no part of another buffer
      this.#blockUsed += copied;
      this.#chunks.push(this.#block.subarray(start, this.#blockUsed));
      this.#open = true;
      rest = rest.subarray(copied);
    }
  }
}

function unpooledCopy(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
