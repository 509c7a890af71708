/** What to send: a range (`end` is the byte after the last one), all of it, or 416. */
export type RangeDecision = { readonly start: number; readonly end: number } | "whole" | "unsatisfiable";

/**
 * What a `Range` header asks for (RFC 9110, section 14.2). What isn't valid, or is in another unit, is ignored. Of several
 * ranges those that overlap or touch become one; where more than one is left, the whole is sent, as the RFC allows: no
 * player asks for that, and multipart answers are what attackers ask for.
 * @param size - of the plaintext in bytes
 */
export function decideRange(header: string | undefined, size: number): RangeDecision {
  const set = /^bytes=(.*)$/i.exec(header?.trim() ?? "")?.[1];
  if (set === undefined) return "whole";
  const wanted: { start: number; end: number }[] = [];
  let valid = 0;
  for (const element of set.split(",")) {
    const spec = element.trim();
    if (spec === "") continue; // lists may have empty elements
    const [, first = "", last = ""] = /^(\d*)-(\d*)$/.exec(spec) ?? [];
    if (first === "" && last === "") return "whole";
    if (first !== "" && last !== "" && isGreater(first, last)) return "whole";
    valid += 1;
    const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
    const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
    if (first === "" ? Number(last) > 0 : start < size) wanted.push({ start, end });
  }
  if (valid === 0) return "whole";
  const ranges = joined(wanted);
  const [only, second] = ranges;
  if (!only) return "unsatisfiable";
  // The last bytes of nothing are nothing, which no Content-Range can say.
  return second || only.start === only.end ? "whole" : only;
}

/** Compares whole numbers of any length: as doubles, large ones would be equal. */
function isGreater(a: string, b: string): boolean {
  return BigInt(a) > BigInt(b);
}

function joined(ranges: { start: number; end: number }[]): { start: number; end: number }[] {
  const result: { start: number; end: number }[] = [];
  for (const range of ranges.sort((a, b) => a.start - b.start)) {
    const before = result.at(-1);
    if (before && range.start <= before.end) before.end = Math.max(before.end, range.end);
    else result.push(range);
  }
  return result;
}
