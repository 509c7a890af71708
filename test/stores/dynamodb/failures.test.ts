import { inspect } from "node:util";
import { ConditionalCheckFailedException, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { HttpResponse } from "@smithy/protocol-http";
import { afterEach, describe, expect, it, vi } from "vitest";
import { InvalidInputError } from "../../../src/errors.js";
import { DynamoDbKeyPairStore, type DynamoDbClientLike } from "../../../src/stores/dynamodb.js";
import type { StoreFailureKind } from "../../../src/stores/store-error.js";
import { callsWith, expectRefusal, failuresOfClients, rejection, secret } from "../failure-suite.js";
import { bytes } from "../records.js";

const revision = "A".repeat(22);

function storeOver(send: DynamoDbClientLike["send"], times: { attemptTimeout?: number; deadline?: number } = {}) {
  return new DynamoDbKeyPairStore({ client: { send }, tableName: "keys", ...times });
}

const calls = callsWith(revision, "p");

const requestId = "4J1EHFCVTBOHEM6OTGQ9SHLH4FVV4KQNSO5AEMVJF66Q9ASUAAJG";

/** What DynamoDB answers, by name, text and status. */
type Answer = readonly [kind: StoreFailureKind, name: string, text?: string | undefined, status?: number];
const answers: readonly Answer[] = [
  ["not-set-up", "ResourceNotFoundException", "Requested resource not found"],
  ["not-set-up", "ResourceInUseException"],
  ["not-set-up", "ValidationException", "The table does not have the specified index: history"],
  ["not-set-up", "ValidationException", "The provided key element does not match the schema"],
  ["not-set-up", "ValidationException", "Query condition missed key schema element: id"],
  ["not-set-up", "ValidationException", "One or more parameter values were invalid: Missing the key id in the item"],
  [
    "not-set-up",
    "ValidationException",
    "One or more parameter values were invalid: Type mismatch for key pk expected: B actual: S",
  ],
  ["unexpected-answer", "ValidationException", "1 validation error detected"],
  ["unexpected-answer", "SerializationException"],
  ["throttled", "ProvisionedThroughputExceededException"],
  ["throttled", "ThrottlingException"],
  ["throttled", "RequestLimitExceeded"],
  ["full", "ItemCollectionSizeLimitExceededException"],
  ["service-error", "InternalServerError", undefined, 500],
  ["service-error", "ServiceUnavailable", undefined, 503],
  ["service-error", "TransactionInProgressException"],
  ["service-error", "TransactionConflictException"],
  ["service-error", "ReplicatedWriteConflictException"],
  ["service-error", "NobodyKnowsThisException", undefined, 500],
  ["unsupported", "UnknownOperationException"],
  [
    "access-denied",
    "AccessDeniedException",
    "User: arn:aws:iam::1:user/x is not authorized to perform: dynamodb:PutItem on resource: arn",
  ],
  [
    "access-denied",
    "AccessDeniedException",
    "User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt on resource: arn",
  ],
  [
    "credentials",
    "AccessDeniedException",
    "User: arn:aws:iam::1:user/x is not authorized to perform: sts:AssumeRole on resource: arn",
  ],
  ["credentials", "ExpiredTokenException"],
  ["credentials", "UnrecognizedClientException"],
  ["unexpected-answer", "NobodyKnowsThisException"],
];

describe("an answer of DynamoDB", () => {
  const rows = answers.map(([kind, name, message, status = 400]) => ({ kind, name, message, status }));
  it.each(rows)("$kind: $name $message", async ({ kind, name, message, status }) => {
    const handle = async () => ({
      response: new HttpResponse({
        statusCode: status,
        headers: { "x-amzn-requestid": requestId, "content-type": "application/x-amz-json-1.0" },
        body: Buffer.from(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message })),
      }),
    });
    const client = new DynamoDBClient({
      region: "eu-west-1",
      credentials: { accessKeyId: "AKIATEST", secretAccessKey: secret },
      requestHandler: { handle },
      maxAttempts: 1,
    });
    const store = new DynamoDbKeyPairStore({ client, tableName: "keys" });
    const error = await rejection(
      store.createKeyPair({ organizationId: "org", keyPairId: "p", sequence: 1, document: bytes(secret) }),
    );
    expectRefusal(error, { kind, name, requestId, text: message });
  });
});

failuresOfClients({
  calls,
  storeOver,
  expectNoBelief: (result, method, answerName) => {
    if (result instanceof Error) {
      expect(result).toMatchObject({ code: "ERR_STORE_UNAVAILABLE", kind: "unexpected-answer" });
    } else {
      // A write that resolves has been made, and a read of nothing finds nothing.
      expect(answerName).not.toMatch(/undefined|null|text|symbol/);
      if (/^(read|list)/.test(method)) expect(result).toBeUndefined();
    }
  },
});

describe("a call of several requests", () => {
  afterEach(() => void vi.useRealTimers());

  const item = (index: number) => ({ pk: { S: "org" }, sk: { S: `wrap#p#${index}` }, doc: { B: bytes("w") } });

  it("stops between two of them when its caller has gone, or its time is up", async () => {
    for (const end of ["abort", "deadline"] as const) {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const controller = new AbortController();
      const reason = new Error("the caller has gone");
      let sent = 0;
      const store = storeOver(async () => {
        sent += 1;
        if (sent === 3) {
          if (end === "abort") controller.abort(reason);
          else await vi.advanceTimersByTimeAsync(4_500);
        }
        const key = { sk: { S: `wrap#p#${sent}` } };
        return { Items: [item(sent)], LastEvaluatedKey: key };
      });
      const error = await rejection(store.listWrappings("org", "p", { signal: controller.signal }));
      if (end === "abort") expect(error).toBe(reason);
      else expect(error).toMatchObject({ kind: "timeout" });
      await Promise.resolve();
      expect(sent).toBe(3);
    }
  });

  it("does not go on without end, whatever key the answers name for the next", async () => {
    let sent = 0;
    const empty = storeOver(async () => {
      sent += 1;
      return { Items: [], LastEvaluatedKey: { sk: { S: `wrap#p#${sent}` } } };
    });
    expect(await rejection(empty.listWrappings("org", "p"))).toMatchObject({ kind: "unexpected-answer" });
    expect(sent).toBeLessThan(100);
    sent = 0;
    const again = storeOver(async () => {
      sent += 1;
      return { Items: [item(1)], LastEvaluatedKey: { sk: { S: "wrap#p#1" } } };
    });
    expect(await rejection(again.listWrappings("org", "p"))).toMatchObject({ kind: "unexpected-answer" });
    expect(await rejection(again.removeKeyPair("org", "p"))).toMatchObject({ kind: "unexpected-answer" });
    expect(sent).toBeLessThan(10);
  });
});

describe("a condition that fails", () => {
  it("is an answer, and whoever wrote meanwhile is read", async () => {
    const failed = new ConditionalCheckFailedException({ message: "The conditional request failed", $metadata: {} });
    const send = async (command: object) => {
      const announces = JSON.stringify(command).includes("%head-changes");
      if (command.constructor.name === "PutItemCommand" && !announces) throw failed;
      return announces ? { Items: [] } : {};
    };
    const store = storeOver(send);
    expect(await calls.createKeyPair(store)).toBe("exists");
    expect(await calls.createWrapping(store)).toBe("exists");
    expect(await calls.swapHead(store)).toBeUndefined();
  });
});

describe("an item that this library did not write is ERR_STORE_CORRUPT, by its name", () => {
  const doc = { B: bytes("document") };
  const rev = { S: revision };
  const pos = { S: "9007199254740990#p" };
  const notBytes = [undefined, { S: secret }, { B: secret }, { B: [1, 2] }, { NULL: true }, secret, null];
  const cases: readonly (readonly [keyof typeof calls, string, string, readonly object[]])[] = [
    ["readHead", "head", "doc", notBytes.map((bad) => ({ rev, doc: bad }))],
    ["readHead", "head", "rev", [{ doc }, { doc, rev: { S: "7" } }, { doc, rev: { N: "7" } }, { doc, rev: secret }]],
    ["readKeyPair", "pair#p", "doc", notBytes.map((bad) => ({ pos, rev, doc: bad }))],
    [
      "readKeyPair",
      "pair#p",
      "pos",
      [
        undefined,
        { N: "1" },
        { S: "9007199254740990#q" },
        { S: "1#p" },
        { S: "9007199254740991#p" },
        { S: secret },
      ].map((bad) => ({ pos: bad, doc })),
    ],
    ["readStatus", "status", "statusDoc", notBytes.map((bad) => ({ statusDoc: bad }))],
  ];
  it.each(cases)("%s: %s, for its attribute %s", async (method, name, attribute, items) => {
    for (const Item of items) {
      const error = await rejection(calls[method](storeOver(async () => ({ Item }))));
      expect(error).toMatchObject({ code: "ERR_STORE_CORRUPT", retryable: false });
      expect((error as Error).message).toContain(`the item ${name} in DynamoDB has an attribute ${attribute} `);
      expect(inspect(error, { depth: Infinity })).not.toContain(secret);
    }
  });

  it("in a listing of pairs too", async () => {
    const listing = (Items: unknown[]) => storeOver(async () => ({ Items })).listKeyPairs("org", { limit: 9 });
    expect(await rejection(listing([{ pos, doc: { S: "x" } }]))).toMatchObject({ code: "ERR_STORE_CORRUPT" });
    expect(await rejection(listing([{ pos: { S: "x" }, doc }]))).toMatchObject({ code: "ERR_STORE_CORRUPT" });
  });

  it("but not beside a wrapping that is whole", async () => {
    const wrapping = (id: string, document: unknown) => ({ sk: { S: `wrap#p#${id}` }, doc: document });
    const listing = (Items: unknown[]) => storeOver(async () => ({ Items })).listWrappings("org", "p");
    expect(await listing([wrapping("a", { S: "x" }), wrapping("b", doc)])).toEqual([
      { wrappingId: "b", document: bytes("document") },
    ]);
    expect(await rejection(listing([wrapping("a", { S: "x" })]))).toMatchObject({ code: "ERR_STORE_CORRUPT" });
  });

  it("and items out of order are no answer", async () => {
    const listed = (keyPairId: string) => ({ pos: { S: `9007199254740990#${keyPairId}` }, doc });
    const listing = storeOver(async () => ({ Items: [listed("q"), listed("p")] })).listKeyPairs("org", { limit: 9 });
    expect(await rejection(listing)).toMatchObject({ kind: "unexpected-answer" });
  });
});

it("what is read is a copy, and the client may keep its own", async () => {
  const kept = { rev: { S: revision }, doc: { B: bytes("document") } };
  const store = storeOver(async () => ({ Item: kept }));
  (await store.readHead("org"))?.document.fill(0);
  expect(kept.doc.B).toEqual(bytes("document"));
});

describe("the constructor", () => {
  const client = { send: async () => ({}) };
  it.each([
    ["client", { tableName: "keys" }],
    ["client", { client: {}, tableName: "keys" }],
    ["client", { client: () => client, tableName: "keys" }],
    ["tableName", { client }],
    ["tableName", { client, tableName: "no" }],
    ["tableName", { client, tableName: "key pairs" }],
    ["tableName", { client, tableName: "arn:aws:dynamodb:eu-west-1:1:table/keys" }],
    ["attemptTimeout", { client, tableName: "keys", attemptTimeout: 0 }],
    ["deadline", { client, tableName: "keys", deadline: 600_001 }],
    ["table", { client, tableName: "keys", table: "keys" }],
  ])("refuses a wrong %s", (field, options) => {
    expect(() => new DynamoDbKeyPairStore(options as never)).toThrow(InvalidInputError);
    expect(() => new DynamoDbKeyPairStore(options as never)).toThrow(new RegExp(`^${field}: `));
  });

  it("takes the ARN of a table of another account, and sends nothing", () => {
    const send = vi.fn();
    const tableName = "arn:aws-us-gov:dynamodb:us-gov-west-1:111122223333:table/keys";
    new DynamoDbKeyPairStore({ client: { send }, tableName });
    expect(send).not.toHaveBeenCalled();
  });
});
