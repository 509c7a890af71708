import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProjectConfiguration } from "vitest/config";

const root = fileURLToPath(new URL("../..", import.meta.url));
const replacing = /\bvi\.(?:doMock|mock|hoisted|resetModules)\b|\bfailing-disk\b/;
const counting = /\bvi\.getTimerCount\b/;

/** Test files below a folder of the repository whose text a rule holds for. */
export function testFiles(folder: string, holds: (text: string, path: string) => boolean): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((path) => join(folder, path).replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".test.ts") && holds(readFileSync(join(root, path), "utf8"), path));
}

/** Whether a test file belongs to `npm run test:long` alone, by its name: those that kill processes take minutes. */
export const isLongOnly = (path: string) => /(?:\.long|processes)\.test\.ts$/.test(path);

/** Whether a test file, by its text, replaces modules, which others can't share then. */
export const replacesModules = (text: string) => replacing.test(text);

/** Whether a test file must not share modules with others: it replaces some, or counts timers, of which others may leave some. */
const needsOwnModules = (text: string) => replacesModules(text) || counting.test(text);

/**
 * The files in two projects: some import all modules anew, the others share what their worker has
 * imported, which takes longer than most tests.
 */
export function projectsOf(files: readonly string[]): TestProjectConfiguration[] {
  const own = files.filter((path) => needsOwnModules(readFileSync(join(root, path), "utf8")));
  const shared = files.filter((path) => !own.includes(path));
  return [
    { extends: true, test: { name: "shared modules", include: shared, isolate: false } },
    { extends: true, test: { name: "modules of their own", include: own, isolate: true } },
  ];
}
