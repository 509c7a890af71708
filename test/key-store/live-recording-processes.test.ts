import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.js";
import { atLength } from "../support/effort.js";
import { kmsKeyAliasArn } from "../support/kms-known-to-all.js";
import { compileWorker, WorkerProcess } from "../support/worker-process.js";
import { open } from "./in-folder.js";
import { longestChunk, shapes, sound } from "./live-recording-worker.js";

const kills = atLength(16, 3);

describe("a recorder that is killed in the middle of a recording", () => {
  let worker: string;
  let directory: string;
  let removals: (() => Promise<void>)[];
  beforeAll(async () => {
    const [forWorker, forStore] = await Promise.all([temporaryFolder(), temporaryFolder()]);
    removals = [forWorker.remove, forStore.remove];
    directory = forStore.folder;
    worker = await compileWorker(new URL("./live-recording-worker.ts", import.meta.url), forWorker.folder);
    await open(directory).configure({ kmsKeyAliasArn });
  });
  afterAll(() => Promise.all(removals.map((remove) => remove())));

  const cases = shapes.flatMap((shape) => [4_096, 65_536].map((segmentSize) => [shape, segmentSize] as const));
  it.each(cases)(
    "loses at most one segment of what had reached it (%s, segments of %i bytes)",
    { timeout: 120_000 },
    async (shape, segmentSize) => {
      const keyStore = open(directory);
      const head = (await keyStore.encryptedSize(0, { recordingId: "r", segmentSize })) - 32; // of an empty last segment
      let mostLost = 0;
      let recovered = 0;
      let exact = 0;
      for (let kill = 0; kill < kills; kill += 1) {
        const file = join(directory, `${shape} ${segmentSize} ${kill}.rec`);
        const recorder = new WorkerProcess(worker, [shape, directory, file, String(segmentSize)]);
        try {
          let line = Math.floor(Math.random() * 30);
          const reached = async () => {
            const [handedOver = 0, onItsWay = 0] = (await recorder.line(line)).split(" ").map(Number);
            return handedOver - onItsWay;
          };
          await recorder.line(line);
          // Chance could have all of them killed before anything was there to be recovered.
          if (kill === kills - 1) while ((await reached()) < 2 * segmentSize) line += 1;
          await sleep(Math.random() * 5);
        } finally {
          await recorder.kill();
        }
        const encrypted = await readFile(file);
        await expect(keyStore.decryptRecording(encrypted, { recordingId: "r" })).rejects.toMatchObject({
          code: "ERR_RECORDING_TRUNCATED",
        });
        const salvaged = keyStore.salvageRecording(encrypted, { recordingId: "r" });
        // Killed so soon that not even what stands before the first segment had reached a slow disk.
        if (encrypted.length < head) await expect(salvaged).rejects.toMatchObject({ code: "ERR_RECORDING_TRUNCATED" });
        const { body, complete } =
          encrypted.length < head ? { body: Buffer.alloc(0), complete: false } : await salvaged;
        expect(complete).toBe(false);
        expect(Buffer.compare(body, sound()(body.length))).toBe(0);
        expect(body.length % segmentSize).toBe(0);
        for (const line of recorder.lines) {
          const [handedOver = 0, onItsWay = 0] = line.split(" ").map(Number);
          const lost = handedOver - onItsWay - body.length;
          // Of bytes on their way the file may hold a segment's beginning only, and the library one chunk that it could not place.
          expect(lost, line).toBeLessThanOrEqual(
            onItsWay === 0 ? segmentSize : 2 * segmentSize + longestChunk(segmentSize),
          );
          if (onItsWay > 0) continue;
          exact += 1;
          mostLost = Math.max(mostLost, lost);
        }
        recovered += body.length;
      }
      expect(recovered).toBeGreaterThanOrEqual(segmentSize);
      if (shape !== "readable to a slow disk") expect(exact).toBeGreaterThan(kills);
      console.log(
        `${shape}, segments of ${segmentSize}: ${kills} kills, ${recovered} bytes recovered, at most ${mostLost} lost`,
      );
    },
  );
});
