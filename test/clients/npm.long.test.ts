import { execFile } from "node:child_process";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startKms } from "../support/kms-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { clientEnvironment, seedArguments } from "./environment.js";

const run = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));
/** Script of each client, and how many tests it has. */
const clients = {
  "aws-sdk-v2.mjs": 15,
  "aws-encryption-sdk.mjs": 5,
  "ethereum-signer.mjs": 3,
  "json-web-tokens.mjs": 2,
};

let folder: string;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ folder, remove } = await temporaryFolder("clients-"));
  const files = ["package.json", "package-lock.json", "server.mjs", ...Object.keys(clients)];
  await Promise.all(files.map((file) => copyFile(join(here, file), join(folder, file))));
  await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder });
}, 900_000);
afterAll(() => remove());

it.each(Object.entries(clients))("does for %s what KMS does", { timeout: 900_000 }, async (script, tests) => {
  await using kms = await startKms(seedArguments);
  const ran = run(process.execPath, ["--test-reporter=tap", script], { cwd: folder, env: clientEnvironment(kms.url) });
  // What a script says with a failure is in its TAP.
  const { stdout } = await ran.catch((failure: unknown) => failure as { stdout: string });
  const failed = stdout.split(/^ *(?=# Subtest)/m).filter((test) => /^ *not ok/m.test(test));
  expect(failed).toEqual([]);
  expect(stdout).toMatch(new RegExp(`^# pass ${tests}\\n# fail 0$`, "m"));
});
