import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.js";
import { atLength } from "../support/effort.js";
import { kmsKeyAliasArn } from "../support/kms-known-to-all.js";
import { compileWorker, WorkerProcess } from "../support/worker-process.js";
import { open } from "./rotation-worker.js";

const day = 86_400_000;
const generations = atLength(200, 15);
const kills = atLength(300, 24);

describe("rotation by several processes", () => {
  let worker: string;
  let removeWorker: () => Promise<void>;
  let directory: string;
  let remove: () => Promise<void>;
  beforeAll(async () => {
    const { folder, remove: done } = await temporaryFolder();
    removeWorker = done;
    worker = await compileWorker(new URL("./rotation-worker.ts", import.meta.url), folder);
  });
  afterAll(() => removeWorker());
  beforeEach(async () => ({ folder: directory, remove } = await temporaryFolder()));
  afterEach(() => remove());

  it(
    `8 at once make exactly one new active pair in each of ${generations} generations`,
    { timeout: 240_000 },
    async () => {
      const keyStore = open(directory);
      await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
      const racers = Array.from({ length: 8 }, () => new WorkerProcess(worker, ["race", directory]));
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

  it(
    `loses no acknowledged pair, and no recording made with one, over ${kills} kill -9`,
    { timeout: 240_000 },
    async () => {
      await open(directory).configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
      const acknowledged: string[] = [];
      let killed = 0;
      const lane = async (): Promise<void> => {
        while (killed < kills) {
          killed += 1;
          const process = new WorkerProcess(worker, ["rotate", directory]);
          try {
            await process.line(Math.floor(Math.random() * 3));
            await sleep(Math.random() * 10);
          } finally {
            await process.kill();
          }
          acknowledged.push(...process.lines);
        }
      };
      await Promise.all([lane(), lane(), lane()]);
      expect(killed).toBeGreaterThanOrEqual(kills);
      expect(acknowledged.length).toBeGreaterThan(kills);

      const keyStore = open(directory);
      const history = new Set<string>();
      let cursor: string | undefined;
      do {
        const page = await keyStore.keyPairs({ limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
        for (const { keyPairId } of page.items) history.add(keyPairId);
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      for (const line of acknowledged) {
        const [keyPairId = "", used = "", recording = ""] = line.split(" ");
        expect(history.has(keyPairId)).toBe(true);
        expect(history.has(used)).toBe(true);
        const { body } = await keyStore.decryptRecording(Buffer.from(recording, "base64"), { recordingId: "r" });
        expect(Buffer.from(body).toString()).toBe("audio");
      }
      console.log(
        `${killed} kills, ${acknowledged.length} acknowledged changes kept, ${history.size} pairs in the history`,
      );
    },
  );
});
