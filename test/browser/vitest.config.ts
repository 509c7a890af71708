import { defineConfig } from "vitest/config";
import { runnableHere } from "../support/debian-tests.js";
import { testFiles } from "../support/projects.js";
import { base } from "../../vitest.config.js";

/** `npm run test:browser`: the example service in Debian's Chromium. `SCREENSHOTS=1` also makes the pictures of the documents. */
export default defineConfig({
  ...base,
  // Files one after the other: browsers share the machine badly.
  test: {
    ...base.test,
    include: await runnableHere(testFiles("test/browser", () => true)),
    passWithNoTests: true,
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 1_200_000,
  },
});
