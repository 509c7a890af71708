import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChunkQueue } from "../../src/recording/chunk-queue.js";
import { effort } from "../support/effort.js";

const length = fc.oneof(
  fc.integer({ min: 0, max: 50 }),
  fc.integer({ min: 4_000, max: 4_200 }),
  fc.integer({ min: 16_000, max: 40_000 }),
);
const step = fc.oneof(
  fc.record({ kind: fc.constant("push" as const), length, owned: fc.boolean() }),
  fc.record({
    kind: fc.constantFrom("take" as const, "pieces" as const, "skip" as const),
    length,
    owned: fc.constant(true),
  }),
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
          else if (kind === "take") expect(queue.take(size).equals(expected)).toBe(true);
          else {
            const pieces = queue.takePieces(size);
            expect(Buffer.concat(pieces).equals(expected)).toBe(true);
            expect(pieces.every((piece) => piece.length > 0)).toBe(true); // each costs a call of the cipher
          }
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

it.each([1, 700, 2_000, 30_000, 200_000])(
  "%i bytes in small chunks are held in twice their memory or a kilobyte, in few pieces",
  (size) => {
    const queue = new ChunkQueue();
    for (let held = 0; held < size; held += 100) queue.push(Buffer.alloc(Math.min(100, size - held)), false);
    const pieces = queue.takePieces(size);
    const blocks = new Set(pieces.map(({ buffer }) => buffer));
    expect([...blocks].reduce((sum, { byteLength }) => sum + byteLength, 0)).toBeLessThanOrEqual(
      Math.max(1_024, 2 * size),
    );
    expect(pieces.length).toBeLessThan(6 + size / 16_384);
  },
);

describe("a queue", () => {
  const sharing = (piece: Buffer | undefined, chunk: Buffer) =>
    piece?.buffer === chunk.buffer && piece.byteOffset >= chunk.byteOffset;
  const numbered = (from: number, size: number) =>
    Buffer.from(Array.from({ length: size }, (_, index) => from + index));

  it("holds chunks of 4 KiB and more as they are, and copies shorter ones and those that are not its own", () => {
    for (const [size, owned, asItIs] of [
      [4_095, true, false],
      [4_096, true, true],
      [4_096, false, false],
      [50_000, true, true],
      [50_000, false, false],
    ] as const) {
      const chunk = Buffer.alloc(size, 7);
      for (const taken of ["take", "takePieces"] as const) {
        const queue = new ChunkQueue();
        queue.push(chunk, owned);
        const pieces = [queue[taken](size)].flat();
        expect(Buffer.concat(pieces).equals(chunk)).toBe(true);
        expect(
          pieces.some((piece) => sharing(piece, chunk)),
          `${size} bytes, ${owned ? "owned" : "not owned"}, ${taken}`,
        ).toBe(asItIs);
      }
    }
  });

  it("gives bytes that lie in one chunk without a copy, also where they end it", () => {
    const [one, other] = [randomBytes(5_000), randomBytes(5_000)];
    const queue = new ChunkQueue();
    queue.push(one, true);
    queue.push(other, true);
    for (const [length, chunk] of [
      [100, one],
      [4_900, one],
      [4_999, other],
      [1, other],
    ] as const)
      expect(sharing(queue.take(length), chunk)).toBe(true);
    expect(queue.take(1).length).toBe(0);
  });

  it("goes on filling a block after bytes were taken out of it, also together with those before it", () => {
    const queue = new ChunkQueue();
    queue.push(Buffer.alloc(5_000), true);
    queue.push(numbered(0, 10), true);
    expect(queue.takePieces(5_005).length).toBe(2);
    queue.push(numbered(10, 10), true);
    queue.take(3);
    queue.push(numbered(20, 10), true);
    const pieces = queue.takePieces(100);
    expect(pieces.length).toBe(1);
    expect(pieces[0]?.equals(numbered(8, 22))).toBe(true);
  });

  it("is looked into without being cut into more pieces", () => {
    const queue = new ChunkQueue();
    for (const from of [0, 4, 8]) {
      queue.push(numbered(from, 4), true);
      expect(queue.peekUInt32()).toBe(0x00_01_02_03);
    }
    expect(queue.takePieces(12).length).toBe(1);
  });

  it("is looked into where the first four bytes are its last, in two blocks, and is filled on", () => {
    const queue = new ChunkQueue();
    queue.push(Buffer.alloc(1_022), true);
    queue.push(numbered(1, 4), true);
    queue.skip(1_022);
    expect(queue.peekUInt32()).toBe(0x01_02_03_04);
    queue.push(numbered(5, 4), true);
    expect(queue.take(8).equals(numbered(1, 8))).toBe(true);
  });

  it("that was cleared is empty, holds on to nothing, and can be filled again", () => {
    const queue = new ChunkQueue();
    for (const size of [100, 5_000, 100]) queue.push(Buffer.alloc(size, 7), true);
    queue.take(50);
    queue.clear();
    expect([queue.length, queue.peekUInt32(), queue.takePieces(10)]).toEqual([0, undefined, []]);
    queue.push(numbered(0, 10), true);
    const [piece] = queue.takePieces(10);
    expect(piece?.equals(numbered(0, 10))).toBe(true);
    expect([piece?.byteOffset, piece?.buffer.byteLength]).toEqual([0, 1_024]); // a block of its own
  });
});
