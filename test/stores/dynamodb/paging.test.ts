import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DynamoDbKeyPairStore } from "../../../src/stores/dynamodb.js";
import { dynamoDbClient, patient, recordingClient } from "../../support/aws-clients.js";
import { createTable, startDynalite, type DynamoDbServer } from "./store-kind.js";

/* DynamoDB ends a page at 1 MiB, however many items were asked for. */

let server: DynamoDbServer;
beforeAll(async () => (server = await startDynalite()));
afterAll(() => server.stop());

/** So long that a page has 17 of them. */
const document = new Uint8Array(64 * 1024 - 500).fill(7);
const count = 40;
/** Ids of what is listed, whose documents are compared apart: element by element they would take minutes. */
function idsOf(listed: readonly { readonly document: Uint8Array }[], id: "keyPairId" | "wrappingId"): unknown[] {
  for (const item of listed) expect(Buffer.compare(item.document, document)).toBe(0);
  return listed.map((item) => (item as Partial<Record<typeof id, unknown>>)[id]);
}
const idOf = (index: number) => `r-${String(index).padStart(3, "0")}`;

async function opened() {
  const client = recordingClient(dynamoDbClient(server.endpoint));
  const store = new DynamoDbKeyPairStore({
    client,
    tableName: await createTable(dynamoDbClient(server.endpoint)),
    ...patient,
  });
  return { store, sent: client.sent };
}

describe("a history of more than 1 MiB", () => {
  it("is listed whole, and in pages that are short at the end alone", async () => {
    const { store, sent } = await opened();
    const ids = Array.from({ length: count }, (_, index) => idOf(index));
    const create = (keyPairId: string, index: number) =>
      store.createKeyPair({ organizationId: "org", keyPairId, sequence: count - index, document });
    await Promise.all(ids.map(create));
    const written = sent.length;
    expect(idsOf(await store.listKeyPairs("org", { limit: 1_000 }), "keyPairId")).toEqual(ids);
    expect(sent.length - written).toBe(3);
    for (const limit of [17, 18, 39, 40]) {
      const first = await store.listKeyPairs("org", { limit });
      expect(idsOf(first, "keyPairId"), `limit ${limit}`).toEqual(ids.slice(0, limit));
      const rest = await store.listKeyPairs("org", { limit, after: first.at(-1) });
      expect(idsOf(rest, "keyPairId"), `behind ${limit}`).toEqual(ids.slice(limit, 2 * limit));
    }
  });
});

describe("wrappings of more than 1 MiB", () => {
  it("are listed whole, and removed whole with their pair", async () => {
    const { store, sent } = await opened();
    for (const keyPairId of ["pair", "pair-2"])
      await store.createKeyPair({ organizationId: "org", keyPairId, sequence: 1, document });
    const ids = Array.from({ length: count }, (_, index) => idOf(index));
    await Promise.all(ids.map((wrappingId) => store.createWrapping("org", "pair", { wrappingId, document })));
    await store.createWrapping("org", "pair-2", { wrappingId: "w", document });
    expect(idsOf(await store.listWrappings("org", "pair"), "wrappingId")).toEqual(ids);
    const before = sent.length;
    expect(await store.removeKeyPair("org", "pair")).toBe(true);
    const removed = sent.slice(before).filter(({ operation }) => operation === "DeleteItem");
    expect(removed).toHaveLength(1 + count);
    expect(await store.listWrappings("org", "pair")).toEqual([]);
    expect(await store.listWrappings("org", "pair-2")).toHaveLength(1);
  });
});
