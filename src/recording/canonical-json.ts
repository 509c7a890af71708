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
