import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { migrate } from "../../src/stores/postgres.js";
import { createTable } from "../stores/dynamodb/store-kind.js";
import { startCeph, startS3Double } from "../stores/s3/store-kind.js";
import { hasCeph } from "../support/ceph-gateway.js";
import { dynamoDbClient } from "../support/aws-clients.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { PostgresServer } from "../support/postgres-server.js";
import { Link } from "../support/link.js";
import type { Place } from "../stores/store-at.js";

/** A store's server, which a test can take away. What it has stored stays. */
export interface StoreServer {
  /** By way of the link. */
  readonly place: Place;
  readonly link: Link;
  /** Ends it as if it had crashed. */
  readonly stop: () => Promise<void>;
  /** Starts it again where it was. */
  readonly resume: () => Promise<void>;
  readonly freeze: () => Promise<void>;
  readonly thaw: () => void;
  readonly close: () => Promise<void>;
}

async function startPostgres(): Promise<StoreServer> {
  const server = await PostgresServer.start();
  await migrate(server.pool());
  const link = await Link.to(server.port);
  const { host, password } = server;
  const connection = { host, port: link.port, password, user: "postgres", database: "postgres" };
  return {
    place: { kind: "postgres", connection },
    link,
    stop: () => server.stop("immediate"),
    resume: () => server.resume(),
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    close: async () => {
      await link.close();
      await server.close();
    },
  };
}

/** dynalite in a process of its own, which keeps its tables in a folder. */
class DynaliteProcess {
  readonly #folder: string;
  #process: ChildProcess | undefined;
  port = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Starts it, again on the port that it had. */
  async start(): Promise<void> {
    const program = `const [module, path, port] = process.argv.slice(1);
      const server = require(module)({ path, createTableMs: 0 });
      server.listen(Number(port), "127.0.0.1", () => console.log(server.address().port));`;
    const dynalite = createRequire(import.meta.url).resolve("dynalite");
    this.#process = spawn(process.execPath, ["-e", program, dynalite, this.#folder, String(this.port)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream });
    const [line] = (await Promise.race([
      once(lines, "line"),
      once(this.#process, "exit").then(() => Promise.reject(new Error("dynalite ended"))),
    ])) as [string];
    this.port = Number(line);
    process.on("exit", this.#onExit);
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.kill(name);
  }

  async stop(): Promise<void> {
    process.off("exit", this.#onExit);
    const running = this.#process;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, "exit");
    running.kill("SIGKILL");
    await exited;
  }

  /** A test run that is broken off leaves no server behind. */
  readonly #onExit = () => this.signal("SIGKILL");
}

async function startDynamoDb(): Promise<StoreServer> {
  const { folder, remove } = await temporaryFolder();
  const server = new DynaliteProcess(folder);
  await server.start();
  const link = await Link.to(server.port);
  const endpoint = `http://127.0.0.1:${link.port}`;
  const client = dynamoDbClient(endpoint);
  const tableName = await createTable(client);
  client.destroy();
  return {
    place: { kind: "dynamodb", endpoint, tableName },
    link,
    stop: () => server.stop(),
    resume: () => server.start(),
    freeze: async () => server.signal("SIGSTOP"),
    thaw: () => server.signal("SIGCONT"),
    close: async () => {
      await link.close();
      await server.stop();
      await remove();
    },
  };
}

/** The S3 of the tests, which is taken away where it is reached. */
async function startS3(): Promise<StoreServer> {
  const server = await startS3Double();
  const link = await Link.to(Number(new URL(server.endpoint).port));
  return {
    place: { kind: "s3", endpoint: `http://127.0.0.1:${link.port}`, bucket: await server.createBucket() },
    link,
    stop: () => link.cut(),
    resume: () => link.mend(),
    freeze: async () => link.hold(),
    thaw: () => link.release(),
    close: async () => {
      await link.close();
      await server.stop();
    },
  };
}

/** Ceph, whose gateway is killed, stopped and started again. */
async function startCephS3(): Promise<StoreServer> {
  const { endpoint, gateway, createBucket, stop } = await startCeph();
  const link = await Link.to(Number(new URL(endpoint).port));
  return {
    place: { kind: "s3", endpoint: `http://127.0.0.1:${link.port}`, bucket: await createBucket() },
    link,
    stop: () => gateway.stopGateway(),
    resume: () => gateway.startGateway(),
    freeze: async () => gateway.signalGateway("SIGSTOP"),
    thaw: () => gateway.signalGateway("SIGCONT"),
    close: async () => {
      await link.close();
      await stop();
    },
  };
}

/** Stores behind a server, by its name. */
export const storeServers: Readonly<Record<string, () => Promise<StoreServer>>> = {
  PostgreSQL: startPostgres,
  dynalite: startDynamoDb,
  "the double of S3": startS3,
  ...((await hasCeph()) && { "S3 on Ceph": startCephS3 }),
};
