export interface ByteRange {
  readonly start: number;
  /** The byte after the last one. */
  readonly end: number;
}

/** What to send: a range, all of the recording, or 416. */
export type RangeDecision = ByteRange | "whole" | "unsatisfiable";

/**
 * Decides what to send for a `Range` header (RFC 9110, section 14.2). Ignores an invalid one, and other units. Joins ranges
 * that overlap or touch. Sends the whole for several that don't, as the RFC allows: no player asks for them, and multipart
 * answers are what attackers ask for.
 * @param size - of the plaintext, in bytes
 */
export function decideRange(header: string | undefined, size: number): RangeDecision {
  const set = /^bytes=(.*)$/i.exec(header?.trim() ?? "")?.[1];
  if (set === undefined) return "whole";
  const wanted: ByteRange[] = [];
  let valid = 0;
  for (const element of set.split(",")) {
    const spec = element.trim();
    if (spec === "") continue; // lists may have empty elements (RFC 9110, section 5.6.1)
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
  // An empty recording has an empty range for `bytes=-1`, which no Content-Range can express.
  return second || only.start === only.end ? "whole" : only;
}

/** Compares whole numbers of any length. As doubles, large ones would be equal. */
function isGreater(a: string, b: string): boolean {
  return BigInt(a) > BigInt(b);
}

function joined(ranges: readonly ByteRange[]): ByteRange[] {
  const result: ByteRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const previous = result.at(-1);
    if (previous && range.start <= previous.end)
      result.splice(-1, 1, { start: previous.start, end: Math.max(previous.end, range.end) });
    else result.push(range);
  }
  return result;
}
