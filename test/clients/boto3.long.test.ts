import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { clientEnvironment, seedArguments } from "./environment.js";
import { startKms } from "../support/kms-process.js";

it("does for boto3 what KMS does", { timeout: 900_000 }, async () => {
  await using kms = await startKms(seedArguments);
  const { stderr } = await promisify(execFile)("/usr/bin/python3", ["test/clients/boto3_client.py"], {
    env: { ...clientEnvironment(kms.url), PYTHONDONTWRITEBYTECODE: "1" },
  });
  expect(stderr).toMatch(/Ran 21 tests[^]*\nOK\n$/);
});
