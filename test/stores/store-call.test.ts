import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { DynamoDbKeyPairStore } from "../../src/stores/dynamodb.js";
import { diagnoseStoreFailure, type KeyPairStore, type StoreError } from "../../src/stores/index.js";
import { S3KeyPairStore } from "../../src/stores/s3.js";

const secret = "hunter2";
const clientThatFails = (members: object) => ({
  send: () => Promise.reject(Object.assign(new Error(secret), members)),
});

const stores: Record<string, (members: object) => KeyPairStore> = {
  DynamoDbKeyPairStore: (members) => new DynamoDbKeyPairStore({ client: clientThatFails(members), tableName: "keys" }),
  S3KeyPairStore: (members) => new S3KeyPairStore({ client: clientThatFails(members), bucket: "keys" }),
};

describe.each(Object.entries(stores))("a failure of %s", (_, storeOver) => {
  it.each([
    { name: `the password is ${secret}`, $metadata: { httpStatusCode: 500, requestId: `password ${secret}` } },
    { name: `login=${secret}`, $metadata: { httpStatusCode: 400, requestId: `login=${secret}` } },
    {
      name: `postgres//admin@${secret}`,
      code: `of ${secret}`,
      $metadata: { httpStatusCode: 503, requestId: "\u202e" + secret },
    },
  ])("shows no text that a server or a proxy has put in the place of a name or an id: $name", async (members) => {
    const error = (await storeOver(members)
      .readHead("org")
      .catch((thrown: unknown) => thrown)) as StoreError;
    expect(error).toMatchObject({ code: "ERR_STORE_UNAVAILABLE", serviceErrorName: undefined, requestId: undefined });
    const shown = inspect([error, diagnoseStoreFailure(error)], { depth: 9, showHidden: true }) + JSON.stringify(error);
    expect(shown).not.toContain(secret);
  });
});
