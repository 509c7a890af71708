import { TextDecoder } from "node:util";
import { InvalidInputError } from "../errors.js";

export type Metadata = Readonly<Record<string, unknown>>;

/** Deep enough for any metadata, and far from the end of the stack. */
const maxDepth = 100;

/**
 * Encodes a JSON object in canonical bytes.
 * @throws InvalidInputError naming the field and the rule, never the content
 */
export function encodeJsonObject(field: string, metadata: Metadata, maxBytes: number): Buffer {
  let text: string;
  try {
    // A round trip through JSON turns dates and the like into what a reader will see.
    text = canonicalJson(JSON.parse(JSON.stringify(metadata)));
  } catch {
    throw new InvalidInputError(
      field,
      "must be JSON: no cycles, no BigInt, no lone surrogates, nested at most 100 deep",
    );
  }
  if (!text.startsWith("{")) throw new InvalidInputError(field, "must be a JSON object");
  const bytes = Buffer.from(text);
  if (bytes.length > maxBytes) throw new InvalidInputError(field, `must be at most ${maxBytes} bytes of JSON`);
  return bytes;
}

/** Decodes a JSON object. Returns `undefined` for anything else, and for a text that is not canonical. */
export function decodeJsonObject(bytes: Uint8Array): Metadata | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    // A canonical text that begins with a brace is an object.
    return text.startsWith("{") && canonicalJson(value) === text ? (value as Metadata) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * RFC 8785 (JSON Canonicalization Scheme): members sorted by UTF-16 code units, no white space, numbers as ECMAScript
 * writes them. A value has exactly one text, so other languages write the same bytes.
 *
 * @param value - what `JSON.parse` returns
 * @throws TypeError for a string that is not well-formed Unicode, RangeError for nesting beyond {@link maxDepth}
 */
export function canonicalJson(value: unknown, depth = 0): string {
  if (depth > maxDepth) throw new RangeError(`JSON is nested deeper than ${maxDepth}`);
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, depth + 1)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, member]) => `${canonicalJson(name)}:${canonicalJson(member, depth + 1)}`).join(",")}}`;
  }
  if (typeof value === "string" && !value.isWellFormed()) throw new TypeError("JSON holds a lone surrogate");
  return JSON.stringify(value);
}
