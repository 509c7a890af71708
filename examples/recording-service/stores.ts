import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { KeyPairStore } from "recording-keystore";
import { FileKeyPairStore } from "recording-keystore/stores/file";

export interface OpenedStore {
  readonly store: KeyPairStore;
  readonly close: () => Promise<void> | void;
}

/** Opens the key pair store: a folder, a table of DynamoDB, or a schema of PostgreSQL. Drivers are loaded when needed. */
export async function openStore(url: string | undefined, dataFolder: string): Promise<OpenedStore> {
  if (url === undefined) return openFolder(join(dataFolder, "key-pairs"), join(dataFolder, "host"));
  const { protocol, host, searchParams } = new URL(url);
  if (protocol === "file:") return openFolder(fileURLToPath(url));
  if (protocol === "dynamodb:") {
    const { DynamoDBClient } = await import("@aws-sdk/client-dynamodb");
    const { DynamoDbKeyPairStore } = await import("recording-keystore/stores/dynamodb");
    const [region, endpoint] = [searchParams.get("region"), searchParams.get("endpoint")];
    const client = new DynamoDBClient({ ...(region && { region }), ...(endpoint && { endpoint }) });
    return { store: new DynamoDbKeyPairStore({ client, tableName: host }), close: () => client.destroy() };
  }
  if (protocol === "postgres:" || protocol === "postgresql:") {
    const { default: pg } = await import("pg");
    const { PostgresKeyPairStore } = await import("recording-keystore/stores/postgres");
    const connection = new URL(url);
    const schema = searchParams.get("schema");
    connection.searchParams.delete("schema");
    const pool = new pg.Pool({ connectionString: connection.href, connectionTimeoutMillis: 5_000 });
    pool.on("error", () => undefined); // the call that needs the connection fails with it
    return { store: new PostgresKeyPairStore({ pool, ...(schema && { schema }) }), close: () => pool.end() };
  }
  throw new Error("SERVICE_STORE must be a URL with file:, dynamodb: or postgres:");
}

function openFolder(directory: string, hostDirectory?: string): OpenedStore {
  return {
    store: new FileKeyPairStore({ directory, hostDirectory }),
    close: () => undefined,
  };
}
