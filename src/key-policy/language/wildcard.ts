export type Pattern = (text: string) => boolean;

/**
 * Compiles a pattern of policies: `*` matches any text, `?` one character. Matching takes at most time in proportion to the
 * pattern's length times the text's.
 */
export function wildcard(pattern: string, letterCase: "exact" | "ignore-case" = "exact"): Pattern {
  if (pattern === "*") return () => true;
  const fold = letterCase === "exact" ? (text: string) => text : (text: string) => text.toLowerCase();
  const wanted = fold(pattern);
  if (!/[*?]/.test(wanted)) return (text) => fold(text) === wanted;
  const parts = Array.from(wanted);
  return (text) => matches(parts, Array.from(fold(text)));
}

/** Backtracks to the last `*` only: the shortest match of each earlier one is as good as any. */
function matches(pattern: readonly string[], text: readonly string[]): boolean {
  let at = 0;
  let star = -1;
  let resumeAt = 0;
  for (let index = 0; index < text.length;) {
    if (at < pattern.length && pattern[at] === "*") {
      star = at++;
      resumeAt = index;
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === text[index])) {
      at++;
      index++;
    } else if (star >= 0) {
      at = star + 1;
      index = ++resumeAt;
    } else return false;
  }
  return pattern.slice(at).every((character) => character === "*");
}
