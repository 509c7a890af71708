import { defineConfig } from "tsup";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    aws: "src/aws.ts",
    "stores/file": "src/stores/file.ts",
    testing: "src/testing/index.ts",
  },
  format: ["esm", "cjs"],
  target: "node20",
  dts: true,
  clean: true,
  sourcemap: true,
  splitting: true,
  shims: false,
  removeNodeProtocol: false,
});
