/** Most plaintext kept for the next read, in bytes; always at least the last segment that was read. */
const cacheBytes = 262_144;

/** The segments read most recently. */
export class SegmentCache {
  /** Plaintext by position, the least recently read first. */
  readonly #segments = new Map<number, Buffer>();
  #bytes = 0;

  /** The segment, which is then evicted last. */
  get(position: number): Buffer | undefined {
    const segment = this.#segments.get(position);
    if (segment) {
      this.#segments.delete(position);
      this.#segments.set(position, segment);
    }
    return segment;
  }

  keep(position: number, segment: Buffer): void {
    this.#remove(position);
    this.#segments.set(position, segment);
    this.#bytes += segment.length;
    for (const oldest of this.#segments.keys()) {
      if (this.#bytes <= cacheBytes || this.#segments.size === 1) return;
      this.#remove(oldest);
    }
  }

  clear(): void {
    this.#segments.clear();
    this.#bytes = 0;
  }

  #remove(position: number): void {
    this.#bytes -= this.#segments.get(position)?.length ?? 0;
    this.#segments.delete(position);
  }
}
