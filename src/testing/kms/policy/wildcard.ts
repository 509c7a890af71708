export type Pattern = (text: string) => boolean;

/** `*` stands for any text and `?` for one character, as in policies. */
export function wildcard(pattern: string, letterCase: "exact" | "ignore-case" = "exact"): Pattern {
  if (pattern === "*") return () => true;
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, String.raw`\$&`).replaceAll("*", ".*").replaceAll("?", ".");
  const expression = new RegExp(`^${source}$`, letterCase === "exact" ? "su" : "siu");
  return (text) => expression.test(text);
}
