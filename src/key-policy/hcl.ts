/**
 * A JSON value as a Terraform expression, laid out as `terraform fmt` does. Terraform reads JSON, but for templates (`${` and `%{`)
 * and two escapes in its strings. The value must hold no lone surrogate, which Terraform can't write.
 */
export function hcl(value: unknown, indent = ""): string {
  return JSON.stringify(value, undefined, 2)
    .replaceAll(/\\./g, (escape) => ({ "\\b": "\\u0008", "\\f": "\\u000c" })[escape] ?? escape)
    .replaceAll(/[$%](?=\{)/g, "$&$&")
    .replaceAll(/^( *"(?:[^"\\]|\\.)*"):/gm, "$1 :")
    .replaceAll("\n", `\n${indent}`);
}

/** Arguments of a block, one a line, their expressions aligned. */
export function hclArguments(expressions: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(expressions).filter(([, expression]) => expression !== undefined);
  const width = Math.max(...given.map(([name]) => name.length));
  return given.map(([name, expression]) => `  ${name.padEnd(width)} = ${expression}`).join("\n");
}
