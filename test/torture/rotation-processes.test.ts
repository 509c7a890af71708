import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { hasCeph } from "../support/ceph-gateway.js";
import { atLength } from "../support/effort.js";
import { kms, kmsKeyAliasArn } from "../support/kms-known-to-all.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { compileWorker, WorkerProcess } from "../support/worker-process.js";
import { startPlace, type PlaceName } from "./places.js";
import { storeAt } from "../stores/store-at.js";
import { keyStoreOver } from "./key-store-over.js";

const start = Date.UTC(2026, 0, 1);
const clock = { now: () => start, monotonic: () => performance.now() };
const day = 86_400_000;

/** Generations in each place: at length in the most faithful server of each kind. */
const generationsIn: Partial<Record<PlaceName, number>> = atLength(
  { file: 200, postgres: 200, "dynamodb-local": 200, s3: 100, ...((await hasCeph()) && { ceph: 40 }) },
  { file: 15, postgres: 10, dynamodb: 3, s3: 5 },
);
const rows = Object.entries(generationsIn) as [PlaceName, number][];

describe("8 processes that change a due key at once", () => {
  let worker: string;
  let removeWorker: () => Promise<void>;
  beforeAll(async () => {
    const { folder, remove } = await temporaryFolder();
    removeWorker = remove;
    worker = await compileWorker(new URL("./rotation-worker.ts", import.meta.url), folder);
  });
  afterAll(() => removeWorker());

  it.each(rows)(
    "%s: make exactly one new active pair in each of %i generations",
    { timeout: 1_200_000 },
    async (name, generations) => {
      const { place, stop } = await startPlace(name);
      const { store, close } = storeAt(place);
      onTestFinished(async () => {
        await close();
        await stop();
      });
      const keyStore = keyStoreOver(store, "org-1", kms, { clock });
      await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
      const racers = Array.from({ length: 8 }, () => new WorkerProcess(worker, [JSON.stringify(place)]));
      try {
        await Promise.all(racers.map((racer) => racer.line(0)));
        for (let generation = 1; generation <= generations; generation += 1) {
          for (const racer of racers) racer.tell(String(start + generation * day + 3_600_000));
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
