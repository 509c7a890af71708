/** Chunks below this are copied together, bytes: a view, a cipher call and a piece of output for each would cost more. */
const smallChunk = 4_096;
const shortestBlock = 1_024;
const longestBlock = 16_384;

/**
 * Bytes that wait for their segment to be whole. Large chunks are held as they are; small ones take at most twice the
 * memory of their bytes, be they a few (of ten thousand live recordings) or a million.
 */
export class ChunkQueue {
  #chunks: Buffer[] = [];
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
    const [first, ...more] = this.takePieces(length);
    if (!first) return Buffer.alloc(0);
    return more.length === 0 ? first : Buffer.concat([first, ...more]);
  }

  /** The first `length` bytes, in as many pieces as they came. */
  takePieces(length: number): Buffer[] {
    let left = Math.min(length, this.#length);
    this.#length -= left;
    let whole = 0;
    for (let chunk = this.#chunks[0]; chunk && left >= chunk.length; chunk = this.#chunks[whole]) {
      left -= chunk.length;
      whole += 1;
    }
    const pieces = this.#chunks.splice(0, whole);
    const next = this.#chunks[0];
    if (next && left > 0) {
      pieces.push(next.subarray(0, left));
      this.#chunks[0] = next.subarray(left);
    }
    if (this.#chunks.length === 0) this.#open = false;
    return pieces;
  }

  /** The first 4 bytes as a number, big-endian; `undefined` if there are fewer. */
  peekUInt32(): number | undefined {
    const [first] = this.#chunks;
    if (first && first.length >= 4) return first.readUInt32BE(0);
    if (this.#length < 4) return undefined;
    const bytes = this.take(4);
    this.#chunks.unshift(bytes);
    this.#length += 4;
    return bytes.readUInt32BE(0);
  }

  clear(): void {
    this.#chunks = [];
    this.#length = 0;
    this.#open = false;
    this.#block = Buffer.alloc(0);
    this.#blockUsed = 0;
  }

  #copyIntoBlocks(bytes: Buffer): void {
    for (let rest = bytes; rest.length > 0; ) {
      if (this.#blockUsed === this.#block.length) {
        // As much again as is held: little for who holds little, and few blocks for who holds much.
        this.#block = Buffer.allocUnsafeSlow(Math.min(Math.max(2 ** Math.floor(Math.log2(this.#length)), shortestBlock), longestBlock));
        this.#blockUsed = 0;
        this.#open = false;
      }
      const copied = rest.copy(this.#block, this.#blockUsed);
      const last = this.#open ? this.#chunks.pop() : undefined;
      const start = last ? last.byteOffset - this.#block.byteOffset : this.#blockUsed;
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
