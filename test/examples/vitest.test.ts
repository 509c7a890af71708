import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { base } from "../../vitest.config.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

interface Report {
  readonly success: boolean;
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly failureMessages: readonly string[] }[];
  }[];
}

it("runs the tests of examples/vitest, whose KMS its globalSetup starts", { timeout: 300_000 }, async () => {
  const { folder, remove } = await temporaryFolder("vitest-");
  try {
    const report = join(folder, "report.json");
    const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
    const config = at("test/examples/vitest-example.config.ts");
    const args = [vitest, "run", "--root", at("examples/vitest"), "--config", config, "--reporter=json"];
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST") && name !== "TEST");
    const env = { ...Object.fromEntries(own), ...base.test.env, NO_COLOR: "1" };
    const ran = promisify(execFile)(process.execPath, [...args, `--outputFile=${report}`], { env });
    const failure = await ran.then(
      () => undefined,
      (error: unknown) => error,
    );
    const { success, testResults } = JSON.parse(
      await readFile(report, "utf8").catch(() => Promise.reject(failure)),
    ) as Report;
    expect(testResults.map(({ message }) => message)).toEqual(["", ""]);
    const results = testResults.flatMap(({ assertionResults }) => assertionResults);
    expect(results.flatMap(({ failureMessages }) => failureMessages)).toEqual([]);
    expect(results.map(({ status }) => status)).toEqual(Array(5).fill("passed"));
    expect({ success, failure }).toEqual({ success: true, failure: undefined });
  } finally {
    await remove();
  }
});
