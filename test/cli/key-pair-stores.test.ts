import { randomUUID } from "node:crypto";
import { relative } from "node:path";
import { afterAll, afterEach, beforeEach, expect, it, vi } from "vitest";
import { openStore } from "../../src/cli/key-pair-stores.js";
import { createTable, startDynalite } from "../stores/dynamodb/store-kind.js";
import { freshSchema } from "../stores/postgres/schemas.js";
import { startS3Server } from "../stores/s3/s3-server.js";
import { dynamoDbClient } from "../support/aws-clients.js";
import { PostgresServer } from "../support/postgres-server.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const stops: (() => unknown)[] = [];
afterAll(async () => {
  for (const stop of stops) await stop();
});
beforeEach(() => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIATEST");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
});
afterEach(() => void vi.unstubAllEnvs());

/** URL of a new, empty store of each kind, on a server if it needs one. */
const kinds: Readonly<Record<string, () => Promise<string>>> = {
  files: async () => {
    const { folder, remove } = await temporaryFolder("cli store ");
    stops.push(remove);
    return `file:${folder}/keys`;
  },
  "files, by an absolute URL": async () => {
    const { folder, remove } = await temporaryFolder("cli-");
    stops.push(remove);
    return `file://${folder}/some%20keys`;
  },
  "files, in the current folder": async () => {
    const { folder, remove } = await temporaryFolder("cli-");
    stops.push(remove);
    return `file:${relative(process.cwd(), folder)}/keys`;
  },
  PostgreSQL: async () => {
    const server = await PostgresServer.start();
    stops.push(() => server.close());
    const { host, port, password } = server;
    const schema = await freshSchema(server.pool());
    vi.stubEnv("PGPASSWORD", password);
    return `postgres://postgres@${host}:${port}/postgres?schema=${schema}`;
  },
  DynamoDB: async () => {
    const { endpoint, stop } = await startDynalite();
    const client = dynamoDbClient(endpoint);
    stops.push(() => client.destroy(), stop);
    return `dynamodb://${await createTable(client)}?region=eu-west-1&endpoint=${encodeURIComponent(endpoint)}`;
  },
  S3: async () => {
    const { endpoint, service, stop } = await startS3Server();
    stops.push(stop);
    return `s3://${service.createBucket()}/keys?region=eu-west-1&endpoint=${encodeURIComponent(endpoint)}`;
  },
};

it.each(Object.keys(kinds))("%s: a URL opens the store, and what one has written the next one reads", async (kind) => {
  const url = await kinds[kind]!();
  const organizationId = randomUUID();
  const first = await openStore(url, { create: true });
  expect(await first.store.swapHead(organizationId, undefined, Buffer.from("head"))).toBeDefined();
  await first.close();
  const second = await openStore(url, { create: false });
  const head = await second.store.readHead(organizationId);
  expect(Buffer.from(head?.document ?? []).toString()).toBe("head");
  await second.close();
});
