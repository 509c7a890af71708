import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DynamoDbKeyPairStore } from "../../../src/stores/dynamodb.js";
import { bytes, fillOrganization } from "../records.js";
import { dynamoDbClient, patient, recordingClient, type SentCommand } from "../../support/aws-clients.js";
import { createTable, startDynalite, type DynamoDbServer } from "./store-kind.js";

/*
 * Emulators are strongly consistent whatever they are asked, and would not notice a read that is not: so it is the commands
 * that are held to.
 */

let server: DynamoDbServer;
beforeAll(async () => (server = await startDynalite()));
afterAll(() => server.stop());

/** A store on a table with an organization in it, and what it sends from now on. */
async function filled() {
  const client = dynamoDbClient(server.endpoint);
  const tableName = await createTable(client);
  const head = await fillOrganization(new DynamoDbKeyPairStore({ client, tableName, ...patient }), "org");
  const recording = recordingClient(client);
  return { head, store: new DynamoDbKeyPairStore({ client: recording, tableName, ...patient }), sent: recording.sent };
}

const consistency = (sent: readonly SentCommand[]) =>
  sent.map(({ operation, input }) => [operation, input["ConsistentRead"]]);

describe("reads", () => {
  it.each([
    ["readHead", (store: DynamoDbKeyPairStore) => store.readHead("org"), ["GetItem", true]],
    ["readKeyPair", (store: DynamoDbKeyPairStore) => store.readKeyPair("org", "pair"), ["GetItem", true]],
    ["listKeyPairs", (store: DynamoDbKeyPairStore) => store.listKeyPairs("org", { limit: 9 }), ["Query", true]],
    ["listWrappings", (store: DynamoDbKeyPairStore) => store.listWrappings("org", "pair"), ["Query", true]],
    ["readStatus", (store: DynamoDbKeyPairStore) => store.readStatus("org"), ["GetItem", false]],
    ["headChanges", (store: DynamoDbKeyPairStore) => store.headChanges!({}), ["Query", true]],
    ["headChanges", (store: DynamoDbKeyPairStore) => store.headChanges!({ after: "0" }), ["Query", true]],
  ] as const)("%s is one request, strongly consistent unless of the status item", async (_, call, expected) => {
    const { store, sent } = await filled();
    await call(store);
    expect(consistency(sent)).toEqual([expected]);
  });

  it("of whoever lost a race, or removes, are strongly consistent too", async () => {
    const { store, sent, head } = await filled();
    expect(await store.swapHead("org", undefined, bytes("late"))).toBeUndefined();
    expect(
      await store.createKeyPair({ organizationId: "org", keyPairId: "pair", sequence: 2, document: bytes("") }),
    ).toBe("exists");
    expect(await store.createWrapping("org", "pair", { wrappingId: "wrapping", document: bytes("") })).toBe("exists");
    expect(await store.swapHead("org", head.revision, bytes("next"))).toBeDefined();
    expect(await store.removeKeyPair("org", "pair")).toBe(true);
    const reads = sent.filter(({ operation }) => operation === "GetItem" || operation === "Query");
    expect(consistency(reads)).toEqual([
      ["Query", true],
      ["GetItem", true],
      ["GetItem", true],
      ["GetItem", true],
      ["Query", true],
      ["Query", true],
    ]);
  });

  it("of the history ask the local index", async () => {
    const { store, sent } = await filled();
    await store.listKeyPairs("org", { limit: 3, after: { sequence: 7, keyPairId: "x" } });
    expect(sent[0]?.input).toMatchObject({
      IndexName: "history",
      Limit: 3,
      KeyConditionExpression: "pk = :pk AND pos > :after",
      ExpressionAttributeValues: { ":pk": { S: "org" }, ":after": { S: "9007199254740984#x" } },
    });
  });
});

describe("writes", () => {
  const conditionOf = ({ operation, input }: SentCommand) => [operation, input["ConditionExpression"]];

  it("of head and records are conditional, and only the status item's is not", async () => {
    const { store, sent, head } = await filled();
    await store.swapHead("org", head.revision, bytes("next"));
    await store.swapHead("org-2", undefined, bytes("first"));
    await store.createKeyPair({ organizationId: "org", keyPairId: "pair-2", sequence: 2, document: bytes("") });
    await store.createWrapping("org", "pair", { wrappingId: "w", document: bytes("") });
    await store.writeStatus("org", bytes("status"));
    expect(sent.map(conditionOf)).toEqual([
      // Each swap announces itself first: as the entry behind the last one.
      ["Query", undefined],
      ["PutItem", "attribute_not_exists(pk)"],
      ["PutItem", "rev = :expected"],
      ["Query", undefined],
      ["PutItem", "attribute_not_exists(pk)"],
      ["PutItem", "attribute_not_exists(pk)"],
      ["PutItem", "attribute_not_exists(pk)"],
      ["PutItem", "attribute_not_exists(pk)"],
      ["UpdateItem", undefined],
    ]);
    expect(sent[2]?.input["ExpressionAttributeValues"]).toEqual({ ":expected": { S: head.revision } });
  });

  it("a removal is conditional on the pair, which goes before its wrappings", async () => {
    const { store, sent } = await filled();
    await store.removeKeyPair("org", "pair");
    const key = (sk: string) => ({ pk: { S: "org" }, sk: { S: sk } });
    expect(sent.map((command) => [...conditionOf(command), command.input["Key"]])).toEqual([
      ["DeleteItem", "attribute_exists(pk)", key("pair#pair")],
      ["Query", undefined, undefined],
      ["DeleteItem", undefined, key("wrap#pair#wrapping")],
    ]);
  });
});

it("the items are those that the guide shows", async () => {
  const { store, sent, head } = await filled();
  await store.swapHead("a%\0b", undefined, bytes("head"));
  await store.swapHead("org", head.revision, bytes("head"));
  await store.createKeyPair({ organizationId: "org", keyPairId: "p", sequence: 1, document: bytes("pair") });
  await store.createWrapping("org", "p", { wrappingId: "w", document: bytes("wrapping") });
  const rev = { S: expect.stringMatching(/^[\w-]{22}$/) };
  const announced = (number: number, org: string) => ({
    pk: { S: "%head-changes" },
    sk: { S: String(number).padStart(16, "0") },
    rev,
    orgs: { S: JSON.stringify([org]) },
  });
  expect(sent.flatMap(({ input }) => input["Item"] ?? [])).toEqual([
    announced(2, "a%\0b"),
    { pk: { S: "a%25%00b" }, sk: { S: "head" }, doc: { B: bytes("head") }, rev },
    announced(3, "org"),
    { pk: { S: "org" }, sk: { S: "head" }, doc: { B: bytes("head") }, rev, prev: { S: head.revision } },
    { pk: { S: "org" }, sk: { S: "pair#p" }, doc: { B: bytes("pair") }, rev, pos: { S: "9007199254740990#p" } },
    { pk: { S: "org" }, sk: { S: "wrap#p#w" }, doc: { B: bytes("wrapping") }, rev },
  ]);
});
