import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import type { KmsProvider } from "../../src/index.js";
import { kmsKeyAliasArn, setup } from "../support/setup.js";

it("a KMS that unwraps another private key fails the test with a verdict, and throws nothing", async () => {
  const { provider, keyStoreWith } = setup();
  const kms: KmsProvider = provider();
  const decrypt = kms.decrypt.bind(kms);
  kms.decrypt = async (...args) => ({ ...(await decrypt(...args)), plaintext: randomBytes(32) });
  const report = await keyStoreWith({ kms }).test({ kmsKeyAliasArn });
  expect(report).toMatchObject({
    ok: false,
    error: { kind: "unexpected-answer", message: expect.stringContaining("the test data came back changed") },
  });
  expect(report.steps.map(({ status }) => status).slice(0, 5)).toEqual([
    "passed",
    "passed",
    "passed",
    "failed",
    "skipped",
  ]);
});
