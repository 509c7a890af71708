import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { expect, it } from "vitest";
import { base } from "../../vitest.config.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

interface Report {
  readonly success: boolean;
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { status: string }[];
  }[];
}

/** The package as Jest's users have it, of the sources as they are now: its CommonJS entries in a `node_modules`. */
async function installPackage(folder: string): Promise<string> {
  const modules = join(folder, "node_modules");
  const target = join(modules, "recording-keystore");
  await mkdir(target, { recursive: true });
  await build({
    entryPoints: { index: at("src/index.ts"), aws: at("src/aws.ts"), testing: at("src/testing/index.ts") },
    outdir: join(target, "dist"),
    outExtension: { ".js": ".cjs" },
    bundle: true,
    packages: "external",
    platform: "node",
    target: "node20",
    format: "cjs",
    keepNames: true,
    define: base.define,
    logLevel: "error",
  });
  await writeFile(join(target, "package.json"), await readFile(at("package.json")));
  // What it depends on, by Node's own way up the folders.
  await symlink(at("node_modules"), join(target, "node_modules"));
  return modules;
}

it("runs the tests of examples/jest under Jest's defaults", async () => {
  const { folder, remove } = await temporaryFolder("jest-");
  try {
    const modules = await installPackage(folder);
    const report = join(folder, "report.json");
    const jest = join(dirname(createRequire(import.meta.url).resolve("jest/package.json")), "bin/jest.js");
    const args = [
      jest,
      "--rootDir",
      at("examples/jest"),
      "--modulePaths",
      modules,
      "--ci",
      "--json",
      "--outputFile",
      report,
    ];
    const env = { ...process.env, NODE_ENV: "test", NODE_PATH: modules, JEST_WORKER_ID: undefined, VITEST: undefined };
    await promisify(execFile)(process.execPath, args, { cwd: at("examples/jest"), env }).catch(() => undefined);
    const { success, testResults } = JSON.parse(await readFile(report, "utf8")) as Report;
    expect(testResults.map(({ message }) => message)).toEqual(["", ""]);
    expect(testResults.flatMap(({ assertionResults }) => assertionResults.map(({ status }) => status))).toEqual(
      Array(5).fill("passed"),
    );
    expect(success).toBe(true);
  } finally {
    await remove();
  }
});
