import type { Row } from "./row.js";

/** The page of documentation that shows the rows. */
export function conformancePage(rows: readonly Row[]): string {
  const cells = [
    ["operation", "situation", "answer", "text", "source"],
    ...rows.map((row) => [
      row.operation,
      row.situation,
      row.error ? `${row.error[2] ?? 400} \`${row.error[0]}\`` : "200",
      row.error?.[1] === undefined ? "" : `\`${row.error[1] instanceof RegExp ? row.error[1].source : row.error[1]}\``,
      row.source,
    ]),
  ].map((line) => line.map((cell) => cell.replaceAll("|", "\\|")));
  const [head = [], ...body] = cells;
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`.replaceAll("|  |", "| |");
  return [...intro, line(head), line(head.map(() => "---")), ...body.map(line), ""].join("\n");
}

const intro = [
  "# Conformance of the in-memory KMS, row by row",
  "",
  "Each row is a test that runs through every way in: the request handler, HTTP, `aws-sdk-client-mock`, and requests signed by",
  "hand. `npx vitest run test/in-memory-kms/conformance -u` writes this page from them; a row that is not here fails the suite.",
  "",
  "The source tells where the answer is known from: a response **recorded** from the real service, the service's",
  "**documentation** (of an error its name; the text may be ours), or **ours**, where neither says anything. `{KeyId}` and its",
  "like stand for the request's own values. An error without a text is one that the service sends without.",
  "",
];
