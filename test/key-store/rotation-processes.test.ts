import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.js";
import { atLength } from "../support/effort.js";
import { kmsKeyAliasArn } from "../support/kms-known-to-all.js";
import { compileWorker, WorkerProcess } from "../support/worker-process.js";
import { open } from "./in-folder.js";

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
    `loses no acknowledged pair, and no recording made with one, over ${kills} kill -9`,
    { timeout: 240_000 },
    async () => {
      await open(directory).configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
      const acknowledged: string[] = [];
      let killed = 0;
      const lane = async (): Promise<void> => {
        while (killed < kills) {
          killed += 1;
          const process = new WorkerProcess(worker, [directory]);
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
