import { defineConfig } from "vitest/config";
import { base } from "../../vitest.config.js";

/** `npm run test:browser`: the example service in Debian's Chromium. `SCREENSHOTS=1` also makes the pictures of the documents. */
export default defineConfig({
  ...base,
  // Files one after the other: browsers share the machine badly.
  test: {
    ...base.test,
    include: ["test/browser/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 1_200_000,
  },
});
