import { defineConfig } from "tsup";

const library = {
  index: "src/index.ts",
  aws: "src/aws.ts",
  "stores/file": "src/stores/file.ts",
  sources: "src/sources/index.ts",
  "sources/s3": "src/sources/s3.ts",
  testing: "src/testing/index.ts",
};

export default defineConfig({
  entry: { ...library, cli: "src/cli/bin.ts" },
  format: ["esm", "cjs"],
  target: "node20",
  dts: { entry: library },
  clean: true,
  sourcemap: true,
  splitting: true,
  shims: false,
  removeNodeProtocol: false,
});
