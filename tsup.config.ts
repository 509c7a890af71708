import { defineConfig } from "tsup";
import { compileWorkerCode } from "./scripts/worker-code.js";

const library = {
  index: "src/index.ts",
  administration: "src/administration.ts",
  telemetry: "src/telemetry.ts",
  aws: "src/aws.ts",
  "key-policy": "src/key-policy/index.ts",
  kms: "src/kms/index.ts",
  stores: "src/stores/index.ts",
  "stores/file": "src/stores/file.ts",
  "stores/postgres": "src/stores/postgres.ts",
  "stores/dynamodb": "src/stores/dynamodb.ts",
  "stores/s3": "src/stores/s3.ts",
  http: "src/http/index.ts",
  sources: "src/sources/index.ts",
  "sources/s3": "src/sources/s3.ts",
  audit: "src/audit/index.ts",
  opentelemetry: "src/opentelemetry/index.ts",
  "encrypt-only": "src/encrypt-only.ts",
  migration: "src/migration/index.ts",
  testing: "src/testing/index.ts",
  "kms-testing": "src/in-memory-kms/index.ts",
};
/** Not exported: with them each module below is a chunk of its own, and its entry only names what bundlers may leave out. */
const seams = {
  "internal/errors": "src/errors.ts",
  "internal/administration": "src/key-store/administration.ts",
  "internal/key-store": "src/key-store/registry.ts",
  "internal/inspect": "src/recording/inspect.ts",
  "internal/key-policy-writer": "src/key-policy/write.ts",
  "internal/key-policy-check": "src/key-policy/check.ts",
  "internal/file-audit-log": "src/audit/file-audit-log.ts",
  "internal/file-audit-verification": "src/audit/verify.ts",
  "internal/postgres-audit-log": "src/audit/postgres/index.ts",
};

export default defineConfig({
  entry: { ...library, ...seams, cli: "src/cli/bin.ts" },
  format: ["esm", "cjs"],
  target: "node20",
  define: {
    RECORDING_KEYSTORE_WORKER: JSON.stringify(compileWorkerCode()),
    // tweetnacl takes its random bytes from `self.crypto`, and otherwise calls `require`, which ES modules do not have.
    self: "globalThis",
  },
  dts: { entry: library },
  noExternal: ["tweetnacl"],
  keepNames: true,
  clean: true,
  sourcemap: false,
  splitting: true,
  shims: false,
  removeNodeProtocol: false,
});
