import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readdirSync, readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { base } from "../vitest.config.js";
import { runnableHere } from "./support/debian-tests.js";
import { isLongOnly, projectsOf, testFiles } from "./support/projects.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const repeatsLess = /\batLength[(<]/;

/** Folders with a module, not a test itself, that repeats less under `npm test`. */
const shortenedFolders = readdirSync(here, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts") && !path.startsWith("support"))
  .filter((path) => repeatsLess.test(readFileSync(join(here, path), "utf8")))
  .map((path) => join("test", path, ".."));

const isAtLength = (text: string, path: string) =>
  repeatsLess.test(text) || shortenedFolders.includes(join(path, "..")) || isLongOnly(path);

/** `npm run test:long`: the tests that `npm test` shortens, and those beside a module that does, at their full length. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    projects: projectsOf(await runnableHere(testFiles("test", isAtLength))),
    env: { ...base.test.env, RECORDING_KEYSTORE_LONG_TESTS: "1" },
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
