import { InvalidInputError } from "../errors.js";
/**
 * RFC 8785 (JSON Canonicalization Scheme): members sorted by UTF-16 code units, no white space, numbers as ECMAScript
 * writes them. There is exactly one text for a value, so that other languages write the same bytes.
 *
 * @param value - what `JSON.parse` gives
 * @throws TypeError for a text that is not well-formed Unicode, RangeError for nesting beyond {@link maxDepth}
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

/** Deep enough for any metadata, and far from the end of the stack. */
const maxDepth = 100;

export type Metadata = Readonly<Record<string, unknown>>;

/** Canonical bytes of a JSON object. @throws InvalidInputError naming the field and the rule, never the content */
export function encodeJsonObject(field: string, metadata: Metadata, maxBytes: number): Buffer {
  let text: string;
  try {
    // Through JSON once, so that dates and the like are what a reader will see.
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

/** The object, if its text is canonical; otherwise `undefined`. */
export function decodeJsonObject(bytes: Uint8Array): Metadata | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    // Beginning with a brace and being canonical, it is an object.
    return text.startsWith("{") && canonicalJson(value) === text ? (value as Metadata) : undefined;
  } catch {
    return undefined;
  }
}
