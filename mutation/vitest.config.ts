import { defineConfig } from "vitest/config";
import base from "../vitest.config.js";

/** What is run for each mutant: the tests of recordings and key pairs, without those that start processes, take long, or are about something else. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ["**/*.test.ts"],
    exclude: ["**/*processes.test.ts", "**/outage-10000.test.ts", "**/test/{package,in-memory-kms,stores,kms,fuzz,files,sources}/**"],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    reporters: [],
    // One process state for all test files: most of the time would go into importing the same modules again.
    isolate: false,
  },
});
