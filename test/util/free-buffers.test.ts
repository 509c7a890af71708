import { randomBytes } from "node:crypto";
import { markAsUntransferable } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { freeBuffers } from "../../src/util/free-buffers.js";

const KiB = 1_024;
const MiB = 1_048_576;
describe("freeBuffers", () => {
  /** Whether each of the buffers is freed. */
  const freed = (pieces: readonly Buffer[]) => {
    freeBuffers(pieces);
    return pieces.map(({ length }) => length === 0);
  };

  it("frees what is large and has its memory for itself, and nothing else", () => {
    const shared = Buffer.allocUnsafeSlow(64 * KiB);
    const pieces = [
      Buffer.allocUnsafeSlow(4 * KiB),
      Buffer.allocUnsafeSlow(4 * KiB - 1),
      shared.subarray(0, 32 * KiB),
      shared.subarray(32 * KiB),
      Buffer.allocUnsafe(16),
      Buffer.alloc(0),
      Buffer.from(new SharedArrayBuffer(64 * KiB)),
      Buffer.allocUnsafeSlow(64 * KiB),
    ];
    expect(freed(pieces)).toEqual([true, false, false, false, false, true, false, true]);
    expect(freed([])).toEqual([]);
  });

  it("leaves what can't be transferred to the garbage collector, without an error", () => {
    const kept = Buffer.alloc(64 * KiB, 7);
    markAsUntransferable(kept.buffer);
    expect(freed([kept])).toEqual([false]);
    expect(kept.every((byte) => byte === 7)).toBe(true);
    expect(freed([Buffer.allocUnsafeSlow(64 * KiB)])).toEqual([true]);
  });

  it("frees at once, not when the garbage collector runs", () => {
    const pieces = Array.from({ length: 64 }, () => randomBytes(MiB));
    const before = process.memoryUsage().arrayBuffers;
    freed(pieces);
    expect(before - process.memoryUsage().arrayBuffers).toBeGreaterThanOrEqual(64 * MiB);
  });
});
