import { fileURLToPath } from "node:url";
import { FileKeyPairStore } from "../stores/file.js";
import type { KeyPairStore } from "../stores/key-pair-store.js";
import { MemoryKeyPairStore } from "../stores/memory.js";
import { defined } from "../util/defined.js";
import { UsageError } from "./io.js";
import { optionalPackage } from "./optional-package.js";

/** A store that a command has opened. */
export interface OpenedStore {
  readonly store: KeyPairStore;
  readonly close: () => Promise<void> | void;
}

interface OpenStoreOptions {
  /** Whether a folder that has no store yet may become one. */
  readonly create: boolean;
}

type Open = (url: URL, options: OpenStoreOptions & { readonly text: string }) => Promise<OpenedStore> | OpenedStore;

/** Opens a store by its URL. @throws UsageError */
export async function openStore(text: string, options: OpenStoreOptions): Promise<OpenedStore> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const open = url && byProtocol[url.protocol];
  if (!open) throw new UsageError(`--store: must be a URL with one of ${Object.keys(byProtocol).join(", ")}`);
  return open(url, { ...options, text });
}

/** For recordings that carry what opens them. */
export const noStore = (): OpenedStore => ({ store: new MemoryKeyPairStore(), close: () => undefined });

const openFolder: Open = (url, { create, text }) => {
  refuseOthers(url, []);
  if (url.host !== "") throw new UsageError("--store: a file: URL has no host; write file:PATH, or file:///PATH");
  // `new URL` takes a path relative to the current folder for one from the root on.
  const directory = text.startsWith("file://") ? fileURLToPath(url) : text.slice("file:".length);
  return { store: new FileKeyPairStore({ directory, create }), close: () => undefined };
};

const openTable: Open = async (url) => {
  const { region, endpoint } = refuseOthers(url, ["region", "endpoint"]);
  const { DynamoDBClient } = await optionalPackage(
    "@aws-sdk/client-dynamodb",
    () => import("@aws-sdk/client-dynamodb"),
  );
  const { DynamoDbKeyPairStore } = await import("../stores/dynamodb.js");
  const client = new DynamoDBClient(defined({ region, endpoint }));
  return { store: new DynamoDbKeyPairStore({ client, tableName: url.host }), close: () => client.destroy() };
};

const openBucket: Open = async (url) => {
  const { region, endpoint } = refuseOthers(url, ["region", "endpoint"]);
  const { S3Client } = await optionalPackage("@aws-sdk/client-s3", () => import("@aws-sdk/client-s3"));
  const { S3KeyPairStore } = await import("../stores/s3.js");
  const client = new S3Client(defined({ region, endpoint, forcePathStyle: endpoint === undefined ? undefined : true }));
  const prefix = decodeURIComponent(url.pathname.slice(1));
  const place = { bucket: url.host, ...(prefix === "" ? {} : { prefix }) };
  return { store: new S3KeyPairStore({ client, ...place }), close: () => client.destroy() };
};

/** What else stands in the URL is the driver's, such as `sslmode`. */
const openDatabase: Open = async (url) => {
  const { default: pg } = await optionalPackage("pg", () => import("pg"));
  const { PostgresKeyPairStore } = await import("../stores/postgres.js");
  const connection = new URL(url);
  const schema = connection.searchParams.get("schema") ?? undefined;
  connection.searchParams.delete("schema");
  const pool = new pg.Pool({
    connectionString: connection.href,
    max: 4,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 5_000,
  });
  pool.on("error", () => undefined); // the call that needs the connection fails with it
  return { store: new PostgresKeyPairStore(defined({ pool, schema })), close: () => pool.end() };
};

const byProtocol: Readonly<Record<string, Open>> = {
  "file:": openFolder,
  "dynamodb:": openTable,
  "postgres:": openDatabase,
  "postgresql:": openDatabase,
  "s3:": openBucket,
};

/** The URL's parameters. @throws UsageError for one that the store does not know */
function refuseOthers<N extends string>(url: URL, known: readonly N[]): Partial<Record<N, string>> {
  for (const name of url.searchParams.keys())
    if (!known.includes(name as N))
      throw new UsageError(
        `--store: ${url.protocol} knows no parameter ${name}${known.length > 0 ? `, but ${known.join(" and ")}` : ""}`,
      );
  return Object.fromEntries(url.searchParams) as Partial<Record<N, string>>;
}
