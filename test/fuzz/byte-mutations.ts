import type { Random } from "./random.js";

type Mutation = (bytes: Buffer, random: Random) => Buffer;

const interesting = [
  0, 1, 2, 4, 12, 16, 31, 32, 74, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xfffe, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe,
  0xffffffff,
];

const overwrite = (bytes: Buffer, offset: number, change: Buffer): Buffer =>
  Buffer.concat([bytes.subarray(0, offset), change, bytes.subarray(offset + change.length)]);
const cut = (bytes: Buffer, from: number, length: number): Buffer =>
  Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + length)]);
const insert = (bytes: Buffer, at: number, more: Buffer): Buffer =>
  Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]);

/** Writes a number like a length or tag at any place: a remarkable one, or one close to the number there. */
function writeNumber(bytes: Buffer, random: Random): Buffer {
  const width = Math.min(random.pick([1, 2, 4]), bytes.length);
  if (width === 0) return bytes;
  const at = random.below(bytes.length - width + 1);
  const value = random.chance(0.5)
    ? random.pick(interesting)
    : bytes.readUIntBE(at, width) + random.pick([-2, -1, 1, 2]);
  const number = Buffer.alloc(4);
  number.writeInt32BE(value | 0);
  return overwrite(bytes, at, number.subarray(4 - width));
}

const mutations: readonly Mutation[] = [
  (bytes, random) => {
    const bit = random.below(bytes.length * 8);
    return overwrite(bytes, bit >> 3, Buffer.from([(bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))]));
  },
  (bytes, random) => overwrite(bytes, random.below(bytes.length), random.bytes(1 + random.size(8))),
  (bytes, random) => cut(bytes, random.below(bytes.length), 1 + random.size(bytes.length)),
  (bytes, random) => insert(bytes, random.below(bytes.length + 1), random.bytes(1 + random.size(64))),
  (bytes, random) => insert(bytes, random.below(bytes.length + 1), Buffer.alloc(1 + random.size(5_000))),
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  (bytes, random) => {
    const from = random.below(bytes.length);
    return insert(bytes, random.below(bytes.length + 1), bytes.subarray(from, from + 1 + random.size(bytes.length)));
  },
  (bytes, random) => {
    const from = random.below(bytes.length);
    return overwrite(bytes, random.below(bytes.length), bytes.subarray(from, from + 1 + random.size(bytes.length)));
  },
  writeNumber,
  writeNumber,
];

/** Makes one to four small changes anywhere. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  let mutated = bytes;
  for (let rounds = 1 + random.size(4); rounds > 0; rounds -= 1) mutated = random.pick(mutations)(mutated, random);
  return Buffer.from(mutated);
}
