import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { RecordingEncryptor } from "../../src/recording/encryptor.js";
import { capacity, dataKey, header, segmentLength } from "./support.js";

const encryptor = (key = Buffer.from(dataKey)) =>
  new RecordingEncryptor({ header: header(), dataKey: key, segmentLength });
const sizeOf = (pieces: readonly Buffer[]) => pieces.reduce((sum, { length }) => sum + length, 0);

it("wipes the data key as soon as it has its own", () => {
  const key = Buffer.from(dataKey);
  encryptor(key);
  expect(key.equals(Buffer.alloc(32))).toBe(true);
});

it("encrypts nothing any more once it is destroyed, and forgets what it held", () => {
  const destroyed = encryptor();
  destroyed.push(randomBytes(100), true);
  destroyed.destroy();
  expect(destroyed.push(randomBytes(capacity - 50), true)).toEqual([]); // the 100 bytes would have filled a segment
  expect(() => destroyed.push(randomBytes(100), true)).toThrow(RangeError);
  expect(() => destroyed.end()).toThrow(RangeError);
});

it("counts what went in and came out, however it is pushed", () => {
  const running = encryptor();
  const out = [
    ...running.push(Buffer.alloc(0), true),
    ...running.push(randomBytes(capacity), true),
    ...running.push(randomBytes(3 * capacity + 5), false),
    ...running.end(),
  ];
  expect(running.totals()).toEqual({ plaintextSize: 4 * capacity + 5, encryptedSize: sizeOf(out) });
  expect(sizeOf(out)).toBe(header().length + 74 + 4 * segmentLength + 5 + 32);
});

it("hands over no piece without bytes, and joins neighbours below a kilobyte", () => {
  const out = encryptor().push(randomBytes(2 * capacity + 1), true);
  expect(out.every(({ length }) => length > 0)).toBe(true);
  for (const [index, piece] of out.entries())
    expect(piece.length >= 1_024 || (out[index + 1]?.length ?? 1_024) >= 1_024, `piece ${index}`).toBe(true);
});

it("lends the keys of its segments to those who lay them out by themselves, behind what stands before the first", async () => {
  const laidOut = encryptor();
  const { segmentKeys } = laidOut;
  expect(laidOut.takePreamble().length).toBe(header().length + 74);
  expect(laidOut.takePreamble().length).toBe(0);
  expect(laidOut.totals()).toEqual({ plaintextSize: 0, encryptedSize: header().length + 74 });
  expect(await segmentKeys.use((floe) => floe)).toBe(segmentKeys.held);
  expect(sizeOf(segmentKeys.held!.encrypt([Buffer.alloc(capacity)], 7, false))).toBe(segmentLength);
});

it("joins what stands between segments to one piece, and leaves pieces of a kilobyte as they are", () => {
  const sizes = (pieces: readonly Buffer[]) => pieces.map(({ length }) => length);
  const start = header().length + 74;
  const running = encryptor();
  expect(sizes(running.push(randomBytes(2 * capacity + 1), true))).toEqual([
    start + 16,
    capacity,
    16 + 16,
    capacity,
    16,
  ]);
  expect(sizes(running.push(randomBytes(1), true))).toEqual([]);
  expect(sizes(running.end())).toEqual([16 + 2 + 16]);
  for (const [size, pieces] of [
    [0, [32]],
    [1_023, [16 + 1_023 + 16]],
    [1_024, [16, 1_024, 16]],
  ] as const) {
    const short = encryptor();
    expect(sizes(short.push(randomBytes(size), true))).toEqual([start]);
    expect(sizes(short.end())).toEqual(pieces);
  }
});
