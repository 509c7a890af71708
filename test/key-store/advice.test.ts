import { KMSClient } from "@aws-sdk/client-kms";
import { describe, expect, it } from "vitest";
import { AwsKmsProvider } from "../../src/aws.js";
import { InvalidInputError, KmsError, RecordingKeyStoreError } from "../../src/index.js";
import { kmsError } from "../../src/kms/index.js";
import { accountId, configured, homeRegion, kmsKeyAliasArn, overridden, setup } from "../support/setup.js";

describe("the advice of test()", () => {
  it("says nothing of recordings that go on, where nothing is configured", async () => {
    const { keyStore, kms } = setup();
    kms.faults.outage();
    const { diagnosis } = await keyStore.test({ kmsKeyAliasArn });
    expect(diagnosis?.whatToDo[0]).toMatch(/No key is in use/);
    kms.faults.heal();
    await keyStore.configure({ kmsKeyAliasArn });
    kms.faults.outage();
    expect((await keyStore.test({ kmsKeyAliasArn })).diagnosis?.whatToDo[0]).toMatch(/recordings go on/);
  });

  it("tells that a key is outside the home Region", async () => {
    const { keyStore, kms } = setup();
    const region = "us-east-1";
    kms.createAlias("alias/away", kms.createKey({ accountId, region }));
    const { diagnosis } = await keyStore.test({ kmsKeyAliasArn: `arn:aws:kms:${region}:${accountId}:alias/away` });
    expect(diagnosis?.summary).toMatch(new RegExp(`is in ${region}, and the home Region is ${homeRegion}\\.$`));
  });

  it("tells that the client is of another Region, and nothing of the network", async () => {
    const client = new KMSClient({ region: "us-east-1" });
    const { keyStore } = setup({ kms: new AwsKmsProvider({ client }) });
    const { diagnosis } = await keyStore.test({ kmsKeyAliasArn });
    expect(diagnosis?.summary).toBe(`The recording service has no KMS client for ${homeRegion}.`);
    expect(diagnosis?.whatToDo.join(" ")).not.toMatch(/HTTPS|DNS/);
  });
});

describe("as JSON", () => {
  it("an error keeps its message, its own members, and a cause of this library's", () => {
    const cause = kmsError("timeout", { operation: "Decrypt", message: "no answer", cause: new Error("hunter2") });
    const error = new RecordingKeyStoreError("ERR_KEY_UNCONFIRMED", "nobody vouches", { cause, retryable: true });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: "RecordingKeyStoreError",
      code: "ERR_KEY_UNCONFIRMED",
      message: "nobody vouches",
      retryable: true,
      cause: {
        name: "KmsError",
        code: "ERR_KMS_UNAVAILABLE",
        message: "no answer",
        retryable: true,
        kind: "timeout",
        operation: "Decrypt",
      },
    });
    expect(cause).toBeInstanceOf(KmsError);
    expect(JSON.parse(JSON.stringify(new InvalidInputError("field", "must be so")))).toMatchObject({
      message: "field: must be so",
      field: "field",
      rule: "must be so",
    });
  });

  it("status() and reports keep the messages of their errors", async () => {
    const { keyStoreWith, store, kms } = await configured();
    const away = overridden(store, { readHead: () => Promise.reject(new Error("no route")) });
    const status = await keyStoreWith({ store: away }).status();
    expect(JSON.parse(JSON.stringify(status))).toMatchObject({ storeError: { message: "the key pair store failed" } });
    kms.faults.outage();
    const report = await keyStoreWith().test({ kmsKeyAliasArn });
    expect(JSON.parse(JSON.stringify(report))).toMatchObject({ error: { message: report.error?.message } });
  });
});
