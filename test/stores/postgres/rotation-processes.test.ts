import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { migrate } from "../../../src/stores/postgres.js";
import { atLength } from "../../support/effort.js";
import { kmsKeyAliasArn } from "../../support/kms-known-to-all.js";
import { PostgresServer } from "../../support/postgres-server.js";
import { compileWorker, WorkerProcess } from "../../support/worker-process.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { open } from "./rotation-worker.js";

const day = 86_400_000;
const generations = atLength(200, 10);

describe("rotation by several processes on one PostgreSQL", () => {
  let server: PostgresServer;
  let worker: string;
  let removeWorker: () => Promise<void>;
  beforeAll(async () => {
    server = await PostgresServer.start();
    const { folder, remove } = await temporaryFolder();
    removeWorker = remove;
    worker = await compileWorker(new URL("./rotation-worker.ts", import.meta.url), folder);
  });
  afterAll(() => Promise.all([server.close(), removeWorker()]));

  it(
    `8 at once make exactly one new active pair in each of ${generations} generations`,
    { timeout: 240_000 },
    async () => {
      const { host, port, password } = server;
      const connection = { host, port, password, user: "postgres", database: "postgres" };
      await migrate(server.pool());
      const keyStore = open(connection);
      await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
      const racers = Array.from({ length: 8 }, () => new WorkerProcess(worker, ["race", JSON.stringify(connection)]));
      try {
        await Promise.all(racers.map((racer) => racer.line(0)));
        for (let generation = 1; generation <= generations; generation += 1) {
          for (const racer of racers) racer.tell(String(Date.UTC(2026, 0, 1) + generation * day + 3_600_000));
          const answers = await Promise.all(racers.map((racer) => racer.line(generation)));
          expect(new Set(answers).size, `active pairs of generation ${generation}`).toBe(1);
        }
      } finally {
        await Promise.all(racers.map((racer) => racer.kill()));
      }
      const { items } = await keyStore.keyPairs({ limit: 1_000 });
      expect(items.map(({ sequence }) => sequence)).toEqual(
        Array.from({ length: generations + 1 }, (_, index) => generations + 1 - index),
      );
    },
  );
});
