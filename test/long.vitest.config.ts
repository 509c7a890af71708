import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import base from "../vitest.config.js";

const here = fileURLToPath(new URL(".", import.meta.url));

/**
 * Files that repeat less under `npm test`, and all tests beside a module that does.
 */
const shortened = readdirSync(here, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && /\batLength[(<]/.test(readFileSync(join(here, path), "utf8")))
  .map((path) => (path.endsWith(".test.ts") ? path : join(path, "../*.test.ts")));

/** `npm run test:long`: the tests that `npm test` shortens, at their full length. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: [...new Set(shortened)].map((path) => `test/${path}`),
    exclude: ["test/support/**"],
    env: { ...base.test?.env, RECORDING_KEYSTORE_LONG_TESTS: "1" },
    testTimeout: 300_000,
  },
});
