import { migrate } from "../../src/stores/postgres.js";
import { createTable, startDynalite, startDynamoDbLocal, type DynamoDbServer } from "../stores/dynamodb/store-kind.js";
import { startCeph, startS3Double, type S3Place } from "../stores/s3/store-kind.js";
import { dynamoDbClient } from "../support/aws-clients.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { PostgresServer } from "../support/postgres-server.js";
import type { Place } from "../stores/store-at.js";

/** An empty place for stores, whose server, if it has one, is up. */
interface StartedPlace {
  readonly place: Place;
  readonly stop: () => Promise<void>;
}

async function inTable({ endpoint, stop }: DynamoDbServer): Promise<StartedPlace> {
  const client = dynamoDbClient(endpoint);
  const tableName = await createTable(client);
  client.destroy();
  return { place: { kind: "dynamodb", endpoint, tableName }, stop };
}

async function inBucket({ endpoint, createBucket, stop }: S3Place): Promise<StartedPlace> {
  return { place: { kind: "s3", endpoint, bucket: await createBucket() }, stop };
}

const starters = {
  async file() {
    const { folder: directory, remove: stop } = await temporaryFolder();
    return { place: { kind: "file", directory }, stop };
  },
  async postgres() {
    const server = await PostgresServer.start();
    await migrate(server.pool());
    const { host, port, password } = server;
    const connection = { host, port, password, user: "postgres", database: "postgres" };
    return { place: { kind: "postgres", connection }, stop: () => server.close() };
  },
  dynamodb: async () => inTable(await startDynalite()),
  "dynamodb-local": async () => inTable(await startDynamoDbLocal()),
  s3: async () => inBucket(await startS3Double()),
  ceph: async () => inBucket(await startCeph()),
} as const satisfies Readonly<Record<string, () => Promise<StartedPlace>>>;

/** Where a store can be that outlives a process, by its server. */
export type PlaceName = keyof typeof starters;

/** Every kind of store that outlives a process, each in one place. */
export const placeNames = ["file", "postgres", "dynamodb", "s3"] as const satisfies readonly PlaceName[];

export const startPlace = (name: PlaceName): Promise<StartedPlace> => starters[name]();
