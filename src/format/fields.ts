import { TextDecoder } from "node:util";
import { RecordingKeyStoreError } from "../errors.js";

/**
 * A field of a recording header or birth record (`docs/FORMAT.md`). Fields are encoded as a sequence of
 * `tag (u16) | length (u16) | value`, big-endian, tags strictly ascending. A set of fields has exactly one encoding, so
 * bytes can be compared, hashed and authenticated as they are.
 *
 * The top bit of a tag is its critical bit: a reader that does not know such a field refuses the whole.
 */
export interface Field {
  /** 1 to 0x7fff. */
  readonly tag: number;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

const criticalBit = 0x8000;
/** Length of a field before its value, in bytes. */
export const fieldPrefixLength = 4;
const maxValueLength = 0xffff;

/** The text that a field's value is. @throws what `invalid` makes of the rule that it breaks */
export function decodeText(value: Uint8Array, invalid: (rule: string) => Error): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw invalid("is not UTF-8");
  }
  if (text.startsWith("\uFEFF")) throw invalid("begins with a byte order mark");
  return text;
}

/** Encodes fields. @throws RangeError for a tag out of order or too long a value: bugs of the caller, not bad input */
export function encodeFields(fields: readonly Field[]): Buffer {
  const parts: Uint8Array[] = [];
  let previousTag = 0;
  for (const { tag, critical, value } of fields) {
    if (tag <= previousTag || tag >= criticalBit) throw new RangeError(`field tag ${tag} is out of order or range`);
    if (value.length > maxValueLength) throw new RangeError(`field ${tag} is longer than ${maxValueLength} bytes`);
    previousTag = tag;
    const prefix = Buffer.allocUnsafe(fieldPrefixLength);
    prefix.writeUInt16BE(critical ? tag | criticalBit : tag, 0);
    prefix.writeUInt16BE(value.length, 2);
    parts.push(prefix, value);
  }
  return Buffer.concat(parts);
}

/**
 * Decodes what {@link encodeFields} writes, into views of `bytes` by tag. Skips unknown fields without the critical bit.
 *
 * @param criticality - for each known tag, whether its critical bit must be set; the other form is not canonical
 * @param what - name of the structure in error messages
 * @throws RecordingKeyStoreError `ERR_FORMAT_INVALID` for anything not canonical, `ERR_FORMAT_TOO_NEW` for an unknown
 * critical field
 */
export function decodeFields(
  bytes: Uint8Array,
  criticality: ReadonlyMap<number, boolean>,
  what: string,
): Map<number, Buffer> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields = new Map<number, Buffer>();
  let previousTag = 0;
  let offset = 0;
  const invalid = (rule: string) => new RecordingKeyStoreError("ERR_FORMAT_INVALID", `${what}: ${rule}`);
  while (offset < buffer.length) {
    if (buffer.length - offset < fieldPrefixLength) throw invalid(`field at byte ${offset} is cut short`);
    const rawTag = buffer.readUInt16BE(offset);
    const length = buffer.readUInt16BE(offset + 2);
    const tag = rawTag & ~criticalBit;
    const critical = (rawTag & criticalBit) !== 0;
    offset += fieldPrefixLength;
    if (tag <= previousTag) throw invalid(`field ${tag} is duplicated or out of order`);
    if (length > buffer.length - offset) throw invalid(`field ${tag} is cut short`);
    previousTag = tag;
    const expected = criticality.get(tag);
    if (expected === undefined) {
      if (critical) {
        throw new RecordingKeyStoreError(
          "ERR_FORMAT_TOO_NEW",
          `${what}: has the critical field ${tag}, which this version does not know`,
        );
      }
    } else {
      if (critical !== expected) throw invalid(`field ${tag} has the wrong critical bit`);
      fields.set(tag, buffer.subarray(offset, offset + length));
    }
    offset += length;
  }
  return fields;
}
