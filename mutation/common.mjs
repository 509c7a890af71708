import { fileURLToPath } from "node:url";

/**
 * Changes the code in small ways and sees whether a test notices.
 *
 * @type {import("@stryker-mutator/api/core").PartialStrykerOptions}
 */
export default {
  testRunner: "vitest",
  coverageAnalysis: "perTest",
  // Mutants of constants run every test, and count: they are few, and most die in the first file.
  ignoreStatic: false,
  concurrency: 1,
  // Beyond half as long again as its tests take: for loops without end; what waits without end is a failure in vitest.
  timeoutMS: 1_500,
  // A second run tries only what has changed since the first.
  incremental: true,
  ignorePatterns: ["dist", "reports", "coverage", "docs", "bench", "examples/assets"],
  plugins: ["@stryker-mutator/vitest-runner", fileURLToPath(new URL("./survivors.mjs", import.meta.url))],
  reporters: ["progress-append-only", "survivors", "clear-text", "json"],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  thresholds: { high: 95, low: 85, break: 85 },
  tempDirName: ".stryker-tmp",
};
