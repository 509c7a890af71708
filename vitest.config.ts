import { fileURLToPath } from "node:url";
import { defineConfig, type ViteUserConfig } from "vitest/config";
import { compileWorkerCode } from "./scripts/worker-code.js";
import { isLongOnly, projectsOf, testFiles } from "./test/support/projects.js";

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));
const report = process.env["VITEST_REPORT"];

/** What all runs have in common. Which files they run, and in which projects, is theirs. */
export const base = {
  resolve: {
    // Examples import the package by its name; tests must see the sources, never a stale build.
    alias: [
      { find: /^recording-keystore$/, replacement: source("index.ts") },
      { find: /^recording-keystore\/aws$/, replacement: source("aws.ts") },
      { find: /^recording-keystore\/key-policy$/, replacement: source("key-policy/index.ts") },
      { find: /^recording-keystore\/kms$/, replacement: source("kms/index.ts") },
      { find: /^recording-keystore\/stores$/, replacement: source("stores/index.ts") },
      { find: /^recording-keystore\/stores\/file$/, replacement: source("stores/file.ts") },
      { find: /^recording-keystore\/stores\/postgres$/, replacement: source("stores/postgres.ts") },
      { find: /^recording-keystore\/stores\/dynamodb$/, replacement: source("stores/dynamodb.ts") },
      { find: /^recording-keystore\/stores\/s3$/, replacement: source("stores/s3.ts") },
      { find: /^recording-keystore\/http$/, replacement: source("http/index.ts") },
      { find: /^recording-keystore\/sources$/, replacement: source("sources/index.ts") },
      { find: /^recording-keystore\/sources\/s3$/, replacement: source("sources/s3.ts") },
      { find: /^recording-keystore\/audit$/, replacement: source("audit/index.ts") },
      { find: /^recording-keystore\/opentelemetry$/, replacement: source("opentelemetry/index.ts") },
      { find: /^recording-keystore\/administration$/, replacement: source("administration.ts") },
      { find: /^recording-keystore\/telemetry$/, replacement: source("telemetry.ts") },
      { find: /^recording-keystore\/encrypt-only$/, replacement: source("encrypt-only.ts") },
      { find: /^recording-keystore\/migration$/, replacement: source("migration/index.ts") },
      { find: /^recording-keystore\/testing$/, replacement: source("testing/index.ts") },
      { find: /^recording-keystore\/kms-testing$/, replacement: source("in-memory-kms/index.ts") },
    ],
  },
  define: { RECORDING_KEYSTORE_WORKER: JSON.stringify(compileWorkerCode()) },
  test: {
    // File stores remember on the host what KMS has confirmed.
    globalSetup: ["test/support/state-directory.ts"],
    // The AWS SDK's notice about Node 20 would fill the log.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" },
    // One for each core; Vitest leaves one idle.
    maxWorkers: "100%",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Not a second: on a busy machine what a test waits for takes longer.
    expect: { poll: { timeout: 30_000 } },
    // `.ci/run` counts tests by this report.
    reporters: report ? ["default", ["json", { outputFile: report }]] : ["default"],
  },
} satisfies ViteUserConfig;

const isUsual = (_: string, path: string) => !path.startsWith("test/browser/") && !isLongOnly(path);

export default defineConfig({
  ...base,
  test: {
    ...base.test,
    projects: projectsOf(["test", "examples"].flatMap((folder) => testFiles(folder, isUsual))),
  },
});
