/*
 * Writes recordings by docs/FORMAT.md without the code under test, also such as it must refuse or never writes. For tests and
 * for the vectors.
 */
import { randomBytes } from "node:crypto";
import { encryptAll } from "./floe-oracle.js";

export interface RawField {
  readonly tag: number;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

export const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
export const u32 = (value: number) => Buffer.concat([u16(value >>> 16), u16(value & 0xffff)]);
export const u64 = (value: number | bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};
export const field = (tag: number, critical: boolean, value: Uint8Array | string): RawField => ({
  tag,
  critical,
  value: typeof value === "string" ? Buffer.from(value) : value,
});

/** Fields in the order given, whether that is canonical or not. */
export const fieldBytes = (fields: readonly RawField[]) =>
  Buffer.concat(
    fields.flatMap(({ tag, critical, value }) => [u16(critical ? tag | 0x8000 : tag), u16(value.length), value]),
  );

/** Byte i of every plaintext. */
export const plaintextOf = (size: number) =>
  Buffer.from(Array.from({ length: size }, (_, index) => (index * 31 + 7) % 251));

/** Magic, version, length, fields, and the padding that belongs behind field 9. `misplaced` bytes go in as they are. */
export function headerOf(fields: readonly RawField[], misplaced: Buffer = Buffer.alloc(0), version = 1): Buffer {
  const lengthIn = (tag: number) =>
    Buffer.from(fields.find((candidate) => candidate.tag === tag)?.value ?? []).reduce(
      (sum, byte) => sum * 256 + byte,
      0,
    );
  const before = Buffer.concat([fieldBytes(fields.filter(({ tag }) => tag < 10)), misplaced]);
  const after = fieldBytes(fields.filter(({ tag }) => tag > 10));
  const unpadded = 12 + before.length + 4 + after.length + lengthIn(8) + lengthIn(11) + 74 + 16;
  const padding = fieldBytes([field(10, false, Buffer.alloc((32 - (unpadded % 32)) % 32))]);
  const body = Buffer.concat([before, padding, after]);
  return Buffer.concat([Buffer.from("RKSREC"), u16(version), u32(body.length), body]);
}

export const metadataLabel = Buffer.from("recording-keystore metadata v1");
const parameters = (segmentLength: number) => ({
  ENC_SEG_LEN: segmentLength,
  AEAD_ROTATION_MASK: 20,
  RND: (length: number) => randomBytes(length),
});
export const padded = (json: string) =>
  Buffer.concat([Buffer.from(json), Buffer.alloc((256 - (Buffer.byteLength(json) % 256)) % 256, " ")]);

/** A metadata section with any plaintext. */
export const sealSection = (plaintext: Buffer, header: Buffer, dataKey: Buffer, label = metadataLabel) =>
  encryptAll(parameters(65_568), dataKey, Buffer.concat([header, label]), plaintext);

/** A payload: FLOE header and segments. */
export const sealPayload = (
  plaintext: Buffer,
  header: Buffer,
  { dataKey, segmentLength, emptyLast = false }: { dataKey: Buffer; segmentLength: number; emptyLast?: boolean },
) => encryptAll(parameters(segmentLength), dataKey, header, plaintext, emptyLast);
