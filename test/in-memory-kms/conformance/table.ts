import type { Case } from "../cases.js";
import type { Row } from "./row.js";

/** The page of documentation that shows the rows, and the older cases below. */
export function conformancePage(rows: readonly Row[], cases: readonly Case[]): string {
  return [
    ...intro,
    ...table([
      ["operation", "situation", "answer", "text", "source"],
      ...rows.map((row) => [
        row.operation,
        row.situation,
        answer(row.error),
        row.error?.[1] === undefined
          ? ""
          : `\`${row.error[1] instanceof RegExp ? row.error[1].source : row.error[1]}\``,
        row.source,
      ]),
    ]),
    ...older,
    ...table([
      ["case", "answer", "source"],
      ...cases.map(({ name, error, source = "documented" }) => [name, answer(error), source]),
    ]),
    "",
  ].join("\n");
}

const answer = (error: readonly [string, unknown?, number?] | undefined) =>
  error ? `${error[2] ?? 400} \`${error[0]}\`` : "200";

/** Lines of a table, whose first row is its head. */
function table(rows: readonly (readonly string[])[]): string[] {
  const [head = [], ...body] = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`.replaceAll("|  |", "| |");
  return [line(head), line(head.map(() => "---")), ...body.map(line)];
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

const older = [
  "",
  "## Further cases",
  "",
  "Cases of `test/in-memory-kms/operations.test.ts`, through the same ways in, each in a world of its own. Those that can go through",
  "`InMemoryKmsProvider` do so too (`test/in-memory-kms/provider-conformance.test.ts`).",
  "",
];
