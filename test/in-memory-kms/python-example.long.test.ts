import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { InMemoryKms } from "../../src/in-memory-kms/index.js";

it("the example in Python controls an in-memory KMS", async () => {
  const account = { accountId: "111122223333", region: "eu-west-1", keys: [{ aliases: ["alias/recordings"] }] };
  await using endpoint = await new InMemoryKms({ seed: { accounts: [account] } }).listen();
  const run = promisify(execFile)("/usr/bin/python3", ["-m", "unittest"], {
    cwd: "examples/kms-from-python",
    env: { ...process.env, KMS_URL: endpoint.url, PYTHONDONTWRITEBYTECODE: "1", no_proxy: "*" },
  });
  expect((await run).stderr).toMatch(/Ran 4 tests[^]*OK/);
});
