import { createHash } from "node:crypto";

/** Pseudo-random numbers (sfc32, seeded by SHA-256). The same seed makes the same input on every machine. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  constructor(...seed: readonly (string | number)[]) {
    const hash = createHash("sha256").update(JSON.stringify(seed)).digest();
    [this.#a, this.#b, this.#c, this.#counter] = [
      hash.readInt32LE(0),
      hash.readInt32LE(4),
      hash.readInt32LE(8),
      hash.readInt32LE(12),
    ];
  }

  /** A whole number from 0 to 2^32 - 1. */
  next(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return this.next() % Math.max(1, limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.next() & 0xff));
  }

  /** A number below `limit`, small ones as likely as large ones. */
  size(limit: number): number {
    return this.below(this.pick([2, 4, 20, 300, limit].map((bound) => Math.min(bound, limit))));
  }
}
