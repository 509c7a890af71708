import { InvalidInputError } from "../errors.js";
import { canonicalJson } from "./canonical-json.js";

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
