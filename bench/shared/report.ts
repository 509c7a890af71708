import os from "node:os";
import type { Row, Scale } from "./subject.js";

/** What one subject came to. */
export interface Outcome {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly rows: readonly Row[];
}

const preamble = `# Benchmarks

What \`npm run bench\` measures, in one run on one machine: medians, and in brackets the range of the repetitions. Absolute
figures are that machine's; the ratios, taken in the same round as what they are held against, are what is promised. Each
Node major has a section of its own, written by the last run under it; \`npm run bench -- NAME…\` runs single subjects.
`;

/** The machine in words: nothing of where it stands or what its disks are called. */
export function machineFacts(): string {
  const cpus = os.cpus();
  const memory = Math.round(os.totalmem() / 1_073_741_824);
  return `Node ${process.versions.node}, OpenSSL ${process.versions.openssl}, ${os.platform()} on ${os.arch()}, ${cpus.length} ${cpus.length === 1 ? "core" : "cores"}, ${(cpus[0]?.model ?? "unknown processor").trim()}, ${memory} GiB of memory.`;
}

/** Short runs are judged by their counts only. */
export function broken(rows: readonly Row[], scale: Scale): Row[] {
  return rows.filter(({ promise }) => promise && !promise.met && (promise.exact || scale !== "quick"));
}

export function table(rows: readonly Row[], scale: Scale): string {
  const verdict = ({ promise }: Row) => {
    if (!promise) return "";
    if (scale === "quick" && !promise.exact) return `${promise.rule}: too short to judge`;
    return `${promise.rule}: ${promise.met ? "met" : "**NOT met**"}`;
  };
  const lines = rows.map((row) => `| ${row.what} | ${row.figure} | ${row.against ?? ""} | ${verdict(row)} |`);
  return ["| what | figure | held against | promise |", "|---|---|---|---|", ...lines].join("\n");
}

/** @param facts - what it was measured on: the sections of a page need not come from one machine */
export function subjectSection(
  { name, title, about, rows }: Outcome,
  { facts, date, scale }: { facts: string; date: string; scale: Scale },
): string {
  return `### ${title}\n\n${about}\n\nMeasured on ${date} by \`npm run bench -- ${name}\`: ${facts}\n\n${table(rows, scale)}\n`;
}

/** Subjects' sections by title, of one Node major. */
interface Section {
  readonly major: number;
  readonly subjects: Map<string, string>;
}

/**
 * The page with what this run measured in the place of what it held about it. What did not run stays, with the machine that it
 * was measured on.
 * @param order - titles of all subjects there are, in the order of the page
 */
export function updatedPage(
  page: string,
  run: { major: number; sections: ReadonlyMap<string, string> },
  order: readonly string[],
): string {
  const sections = parse(page);
  const subjects = new Map(sections.find(({ major }) => major === run.major)?.subjects);
  for (const [title, text] of run.sections) subjects.set(title, text);
  const all = [...sections.filter(({ major }) => major !== run.major), { major: run.major, subjects }];
  all.sort((one, other) => other.major - one.major); // what people run comes first
  const rendered = all.map((section) => {
    const known = order.flatMap((title) => section.subjects.get(title) ?? []);
    return `## Node ${section.major}\n\n${known.join("\n")}`;
  });
  return [preamble, ...rendered].join("\n");
}

function parse(page: string): Section[] {
  return page.split(/^(?=## )/m).flatMap((text) => {
    const [head = "", ...subjects] = text.split(/^(?=### )/m);
    const [, major] = /^## Node (\d+)\n/.exec(head) ?? [];
    if (!major) return [];
    const byTitle = subjects.map((subject): [string, string] => [
      subject.slice(4, subject.indexOf("\n")),
      `${subject.trimEnd()}\n`,
    ]);
    return [{ major: Number(major), subjects: new Map(byTitle) }];
  });
}
