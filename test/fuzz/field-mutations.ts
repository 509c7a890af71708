import { mutateBytes } from "./byte-mutations.js";
import type { Random } from "./random.js";

/** A field of `src/format/fields.ts`, valid or not. `claimed` may differ from the value's length. */
export interface RawField {
  tag: number;
  claimed: number;
  value: Buffer;
}

const criticalBit = 0x8000;

/** Reads fields without checks, up to the first bytes that can't be one. */
export function rawFields(bytes: Buffer): RawField[] {
  const fields: RawField[] = [];
  for (let offset = 0; offset + 4 <= bytes.length;) {
    const claimed = bytes.readUInt16BE(offset + 2);
    fields.push({
      tag: bytes.readUInt16BE(offset),
      claimed,
      value: Buffer.from(bytes.subarray(offset + 4, offset + 4 + claimed)),
    });
    offset += 4 + claimed;
  }
  return fields;
}

export function joinFields(fields: readonly RawField[]): Buffer {
  return Buffer.concat(
    fields.flatMap(({ tag, claimed, value }) => {
      const prefix = Buffer.alloc(4);
      prefix.writeUInt16BE(tag & 0xffff, 0);
      prefix.writeUInt16BE(Math.min(0xffff, Math.max(0, claimed)), 2);
      return [prefix, value];
    }),
  );
}

const field = (tag: number, value: Buffer): RawField => ({
  tag,
  claimed: Math.min(0xffff, value.length),
  value: value.subarray(0, 0xffff),
});

/** Changes the structure inside a value, if it has a known one. */
export type InnerMutation = (tag: number, value: Buffer, random: Random) => Buffer | undefined;

type Change = (fields: RawField[], at: number, old: RawField, random: Random) => unknown;
const changes: readonly Change[] = [
  (_fields, _at, old) => (old.tag ^= criticalBit),
  (_fields, _at, old, random) =>
    (old.tag = random.pick([0, 1, 10, 12, 13, 0x7fff, criticalBit, 0xffff, random.below(0x10000)])),
  (_fields, _at, old, random) => (old.claimed += random.pick([-4, -1, 1, 4, 0xffff])),
  (fields, at, old) => fields.splice(at, 0, { ...old }),
  (fields, at) => fields.splice(at, 1),
  (fields, at, old, random) => {
    const other = random.below(fields.length);
    fields[at] = fields[other] as RawField;
    fields[other] = old;
  },
  (fields, at, _old, random) =>
    fields.splice(
      at,
      0,
      field(random.below(20) | (random.chance(0.3) ? criticalBit : 0), random.bytes(random.size(300))),
    ),
  (fields, _at, _old, random) => fields.push(field(12 + random.below(0x7000), random.bytes(random.size(100)))),
  (fields, at, old, random) =>
    (fields[at] = field(old.tag, random.pick([Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(0xffff, 0x20)]))),
];

/** Makes one to three changes to a sequence of fields. */
export function mutateFields(bytes: Buffer, random: Random, inner: InnerMutation = () => undefined): Buffer {
  const fields = rawFields(bytes);
  for (let rounds = 1 + random.size(3); rounds > 0 && fields.length > 0; rounds -= 1) {
    const at = random.below(fields.length);
    const old = fields[at] as RawField;
    if (random.chance(0.4))
      fields[at] = field(old.tag, inner(old.tag & ~criticalBit, old.value, random) ?? mutateBytes(old.value, random));
    else random.pick(changes)(fields, at, old, random);
  }
  return joinFields(fields);
}
