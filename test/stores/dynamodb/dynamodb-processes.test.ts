import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { atLength } from "../../support/effort.js";
import { kmsKeyAliasArn } from "../../support/kms-known-to-all.js";
import { compileWorker, WorkerProcess } from "../../support/worker-process.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { clientOf, createTable, startDynalite, startDynamoDbLocal, type DynamoDbServer } from "./store-kind.js";
import { open } from "./dynamodb-worker.js";

const day = 86_400_000;
const generations = atLength(200, 3);

let worker: string;
let removeWorker: () => Promise<void>;
let server: DynamoDbServer;
beforeAll(async () => {
  const { folder, remove } = await temporaryFolder();
  removeWorker = remove;
  worker = await compileWorker(new URL("./dynamodb-worker.ts", import.meta.url), folder);
  server = await atLength(startDynamoDbLocal, startDynalite)();
});
afterAll(async () => {
  await server.stop();
  await removeWorker();
});

describe("rotation by several processes on one table", () => {
  it(
    `8 at once make exactly one new active pair in each of ${generations} generations`,
    { timeout: 600_000 },
    async () => {
      const tableName = await createTable(clientOf(server.endpoint));
      const keyStore = open(server.endpoint, tableName);
      await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
      const racers = Array.from({ length: 8 }, () => new WorkerProcess(worker, ["race", server.endpoint, tableName]));
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
