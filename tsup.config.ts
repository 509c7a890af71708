import { defineConfig } from "tsup";
import { compileWorkerCode } from "./scripts/worker-code.js";

const library = {
  index: "src/index.ts",
  aws: "src/aws.ts",
  "stores/file": "src/stores/file.ts",
  http: "src/http/index.ts",
  sources: "src/sources/index.ts",
  "sources/s3": "src/sources/s3.ts",
  testing: "src/testing/index.ts",
};

export default defineConfig({
  entry: { ...library, cli: "src/cli/bin.ts" },
  format: ["esm", "cjs"],
  target: "node20",
  define: { RECORDING_KEYSTORE_WORKER: JSON.stringify(compileWorkerCode()) },
  dts: { entry: library },
  clean: true,
  sourcemap: true,
  splitting: true,
  shims: false,
  removeNodeProtocol: false,
});
