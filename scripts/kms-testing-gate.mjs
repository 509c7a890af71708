import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

/** What `recording-keystore/kms-testing` may be made of: files of `src`, or folders. */
const allowed = ["errors.ts", "clock.ts", "util/", "key-policy/language/", "kms/", "in-memory-kms/"];

/**
 * The entry of the in-memory KMS, in both formats, has nothing of the key store in any file that it loads: esbuild names
 * the source of each part in a comment.
 */
export function kmsTestingGate({ gate, expect, installed, node }) {
  gate("a seed in YAML says which package it needs", () => {
    for (const load of [
      `require("recording-keystore/kms-testing")`,
      `await import("recording-keystore/kms-testing")`,
    ]) {
      const code = `const { readKmsSeed } = ${load}; await readKmsSeed("seed.yaml").catch((error) => console.log(error.message));`;
      const [flag, program] = load.startsWith("await")
        ? ["--input-type=module", code]
        : ["--input-type=commonjs", `(async () => { ${code} })()`];
      const consumer = path.join(installed, "..", "..");
      writeFileSync(path.join(consumer, "seed.yaml"), "{}");
      const said = node(consumer, [flag, "-e", program]);
      expect(said.includes("npm install yaml"), `says: ${said}`);
    }
  });

  for (const format of ["js", "cjs"]) {
    gate(`recording-keystore/kms-testing pulls in nothing of the key store (${format})`, () => {
      const sources = sourcesOf(path.join(installed, "dist", `kms-testing.${format}`));
      expect(sources.has("src/in-memory-kms/in-memory-kms.ts"), "the parts are not named: this gate sees nothing");
      const foreign = [...sources].filter((source) => !allowed.some((part) => source.startsWith(`src/${part}`)));
      expect(foreign.length === 0, `holds ${foreign.join(", ")}`);
      console.log(`      made of ${sources.size} files of src`);
    });
  }
}

/** Names of the source files in a built file and in all that it loads, sooner or later. */
function sourcesOf(entry) {
  const seen = new Set([entry]);
  const sources = new Set();
  for (const file of seen) {
    const text = readFileSync(file, "utf8");
    for (const [, source] of text.matchAll(/^\/\/ ((?:src|node_modules)\/\S+)$/gm)) sources.add(source);
    for (const [, other] of text.matchAll(/(?:from\s*|import\s*\(?\s*|require\s*\(\s*)["'](\.[^"']+)["']/g))
      seen.add(path.join(path.dirname(file), other));
  }
  return sources;
}
