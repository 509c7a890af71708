import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { ChunkQueue } from "../../src/recording/chunk-queue.js";
import { effort } from "../support/effort.js";

const length = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 4_000, max: 4_200 }), fc.integer({ min: 16_000, max: 40_000 }));
const step = fc.oneof(
  fc.record({ kind: fc.constant("push" as const), length, owned: fc.boolean() }),
  fc.record({ kind: fc.constantFrom("take" as const, "pieces" as const, "skip" as const), length, owned: fc.constant(true) }),
);

it("a queue gives back the bytes that went in, in order, however they came and are taken", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new ChunkQueue();
      let model = Buffer.alloc(0);
      for (const { kind, length: size, owned } of steps) {
        if (kind === "push") {
          const chunk = randomBytes(size);
          model = Buffer.concat([model, chunk]);
          queue.push(chunk, owned);
          if (!owned) chunk.fill(0); // its owner uses it for something else
        } else {
          const expected = model.subarray(0, size);
          expect(queue.peekUInt32()).toBe(model.length >= 4 ? model.readUInt32BE(0) : undefined);
          if (kind === "skip") queue.skip(size);
          else expect((kind === "take" ? queue.take(size) : Buffer.concat(queue.takePieces(size))).equals(expected)).toBe(true);
          model = model.subarray(expected.length);
        }
        expect(queue.length).toBe(model.length);
      }
    }),
  );
});

it("a million bytes that come one by one take little more memory than a million bytes", () => {
  const queue = new ChunkQueue();
  const byte = Buffer.from([7]);
  const million = effort(1_000_000, 100_000);
  for (let count = 0; count < million; count += 1) queue.push(byte, true);
  const pieces = queue.takePieces(million);
  expect(pieces.length).toBeLessThan(100);
  expect(Buffer.concat(pieces).equals(Buffer.alloc(million, 7))).toBe(true);
});

it.each([1, 700, 2_000, 30_000, 200_000])("%i bytes in small chunks are held in twice their memory or a kilobyte, in few pieces", (size) => {
  const queue = new ChunkQueue();
  for (let held = 0; held < size; held += 100) queue.push(Buffer.alloc(Math.min(100, size - held)), false);
  const pieces = queue.takePieces(size);
  const blocks = new Set(pieces.map(({ buffer }) => buffer));
  expect([...blocks].reduce((sum, { byteLength }) => sum + byteLength, 0)).toBeLessThanOrEqual(Math.max(1_024, 2 * size));
  expect(pieces.length).toBeLessThan(6 + size / 16_384);
});
