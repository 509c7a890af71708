import pg from "pg";
import { DynamoDbKeyPairStore } from "../../src/stores/dynamodb.js";
import { FileKeyPairStore } from "../../src/stores/file.js";
import type { KeyPairStore } from "../../src/stores/key-pair-store.js";
import { PostgresKeyPairStore } from "../../src/stores/postgres.js";
import { S3KeyPairStore } from "../../src/stores/s3.js";
import { dynamoDbClient, patient, s3Client } from "../support/aws-clients.js";

/** Where a store is that outlives a process, as one process tells it to another. */
export type Place =
  | { readonly kind: "file"; readonly directory: string }
  | { readonly kind: "postgres"; readonly connection: pg.PoolConfig; readonly schema?: string }
  | { readonly kind: "dynamodb"; readonly endpoint: string; readonly tableName: string }
  | { readonly kind: "s3"; readonly endpoint: string; readonly bucket: string };

/** A store whose time limits suit a busy machine, and what ends its connections. */
interface StoreThere {
  readonly store: KeyPairStore;
  readonly close: () => Promise<void>;
}

export function storeAt(place: Place): StoreThere {
  if (place.kind === "file")
    return { store: new FileKeyPairStore({ directory: place.directory }), close: async () => undefined };
  if (place.kind === "postgres") {
    const pool = new pg.Pool({ max: 2, ...place.connection });
    pool.on("error", () => undefined);
    const { schema } = place;
    return { store: new PostgresKeyPairStore({ pool, schema, timeout: 60_000 }), close: () => pool.end() };
  }
  if (place.kind === "dynamodb") {
    const client = dynamoDbClient(place.endpoint);
    const store = new DynamoDbKeyPairStore({ client, tableName: place.tableName, ...patient });
    return { store, close: async () => client.destroy() };
  }
  const client = s3Client(place.endpoint);
  const store = new S3KeyPairStore({ client, bucket: place.bucket, ...patient });
  return { store, close: async () => client.destroy() };
}
