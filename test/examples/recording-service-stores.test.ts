import type { KeyPairPage } from "recording-keystore/administration";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { migrate } from "../../src/stores/postgres.js";
import { createTable, startDynalite, type DynamoDbServer } from "../stores/dynamodb/store-kind.js";
import { dynamoDbClient } from "../support/aws-clients.js";
import { PostgresServer } from "../support/postgres-server.js";
import { ServiceUnderTest } from "./recording-service-under-test.js";

/** Records, changes the key, records and plays, with the key pairs in a store. */
async function history(store: string): Promise<KeyPairPage["items"]> {
  const site = await ServiceUnderTest.open({ store });
  try {
    const bytes = new Uint8Array(1_000).fill(7);
    const first = await site.upload(bytes);
    await site.submit("/northwind-energy/keys/rotate", {});
    const second = await site.upload(bytes);
    for (const address of [first, second]) {
      const answer = await site.ask(`${address}/content`);
      expect(new Uint8Array(await answer.arrayBuffer())).toEqual(bytes);
    }
    return (await (await site.service.keyStores.for("northwind-energy")).keyPairs()).items;
  } finally {
    await site.close();
  }
}

describe("the example service on DynamoDB", () => {
  let server: DynamoDbServer;
  beforeAll(async () => {
    server = await startDynalite();
    vi.stubEnv("AWS_ACCESS_KEY_ID", "any");
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "any");
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await server.stop();
  });

  it("keeps its key pairs in a table", async () => {
    const client = dynamoDbClient(server.endpoint);
    const table = await createTable(client);
    client.destroy();
    const endpoint = encodeURIComponent(server.endpoint);
    expect(await history(`dynamodb://${table}?region=eu-central-1&endpoint=${endpoint}`)).toHaveLength(2);
  });
});

describe("the example service on PostgreSQL", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server.close());

  it("keeps its key pairs in a schema", async () => {
    await migrate(server.pool(), { schema: "service" });
    const { host, port, password } = server;
    const store = `postgres://postgres:${password}@${host}:${port}/postgres?schema=service`;
    expect(await history(store)).toHaveLength(2);
    expect(await server.sql("select count(*)::int as pairs from service.key_pairs")).toEqual([{ pairs: 2 }]);
  });
});
