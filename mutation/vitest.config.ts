import { defineConfig } from "vitest/config";
import { replacesModules, testFiles } from "../test/support/projects.js";
import { base } from "../vitest.config.js";
import ShortestFirst from "./shortest-first.js";

const replacing = testFiles("test", replacesModules).map((path) => path.replace(/^test\//, "**/"));

/**
 * What is run for each mutant: the tests of recordings or those of key pairs, without those that start processes (which
 * know nothing of the mutant), those that replace modules, and the ten thousand encryptions per failure of
 * test/key-store/ten-thousand. What is tried very often by `npm test` is tried less often here: test/support/effort.ts.
 * Mutators are not left out.
 */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    // Seen from `dir`, which is test.
    include: [`${process.env["MUTATION_TESTS"] ?? "*"}/**/*.test.ts`],
    exclude: [
      "**/*processes.test.ts",
      "**/ten-thousand/**",
      "**/registry/**",
      // Sets up outside of its tests: each mutant that it meets would run all tests.
      "**/damage-codes.test.ts",
      "**/recording/{files,threads}/**",
      ...replacing,
    ],
    env: { RECORDING_KEYSTORE_MUTATION: "1" },
    setupFiles: ["mutation/setup.ts"],
    runner: "mutation/runner.ts",
    sequence: { sequencer: ShortestFirst },
    // No test takes a second here. What waits without end is dead sooner than by Stryker's time limit, and without a new process.
    testTimeout: 3_000,
    hookTimeout: 3_000,
    teardownTimeout: 500,
    passWithNoTests: true,
    reporters: [],
    // One process state for all test files: most of the time would go into importing the same modules again.
    isolate: false,
  },
});
