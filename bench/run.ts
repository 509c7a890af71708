/*
 * npm run bench [-- NAME… --quick|--full]: measures what DESIGN promises about speed and memory and writes
 * docs/benchmarks.md. Ends with 1 if a promise is not met. `--quick` only shows that everything runs, and writes nothing.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { answerOf } from "./shared/processes.js";
import { broken, machineFacts, subjectSection, table, updatedPage, type Outcome } from "./shared/report.js";
import type { Scale } from "./shared/subject.js";
import { subjects } from "./subjects.js";

const page = new URL("../docs/benchmarks.md", import.meta.url);

/** Each subject has a process of its own: no heap layout or compiled code of one is another's. */
async function measured(name: string, scale: Scale): Promise<Outcome> {
  const args = ["--child", name, ...(scale === "default" ? [] : [`--${scale}`])];
  // For those who count what is reachable; none collects between what it times.
  return (await answerOf(new URL(import.meta.url), args, [...process.execArgv, "--expose-gc"])) as Outcome;
}

async function runSubject(name: string, scale: Scale): Promise<void> {
  const subject = await subjects[name]?.();
  if (!subject) throw new Error(`no such subject: ${name}`);
  const { title, about } = subject;
  process.send?.({ name, title, about, rows: await subject.run(scale) } satisfies Outcome);
  process.disconnect();
}

async function runAll(names: readonly string[], scale: Scale): Promise<void> {
  const unknown = names.filter((name) => !(name in subjects));
  if (unknown.length > 0)
    throw new Error(`no such subject: ${unknown.join(", ")}; there are ${Object.keys(subjects).join(", ")}`);
  const facts = machineFacts();
  const date = new Date().toISOString().slice(0, 10);
  console.log(facts);
  const sections = new Map<string, string>();
  for (const name of names.length > 0 ? names : Object.keys(subjects)) {
    const outcome = await measured(name, scale);
    console.log(`\n${outcome.title} (${name})\n\n${table(outcome.rows, scale)}`);
    sections.set(outcome.title, subjectSection(outcome, { facts, date, scale }));
    for (const { what, promise } of broken(outcome.rows, scale)) {
      console.log(`\nNOT met: ${outcome.title}, ${what}: ${promise?.rule ?? ""}`);
      process.exitCode = 1;
    }
  }
  if (scale === "quick") return;
  const titles = await Promise.all(Object.values(subjects).map(async (load) => (await load()).title));
  writeFileSync(
    page,
    updatedPage(
      readFileSync(page, { encoding: "utf8", flag: "a+" }),
      { major: Number.parseInt(process.versions.node), sections },
      titles,
    ),
  );
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean" }, full: { type: "boolean" }, child: { type: "boolean" } },
});
const scale = values.quick ? "quick" : values.full ? "full" : "default";
if (values.child) await runSubject(positionals[0] ?? "", scale);
else await runAll(positionals, scale);
