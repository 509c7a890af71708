import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import type { SegmentAccess } from "../../../src/recording/segment-keys.js";
import { InputFile } from "../../../src/recording/files/input-file.js";
import { fileJob, type FileJob } from "../../../src/recording/files/file-job.js";
import { decryptionLayout, encryptionLayout } from "../../../src/format/segments.js";
import { LocalWorker } from "../../../src/recording/files/local-worker.js";
import { OutputFile } from "../../../src/recording/files/output-file.js";
import { Scheduler } from "../../../src/recording/threads/scheduler.js";
import type { ThreadWorker } from "../../../src/recording/threads/thread-worker.js";
import { RecordingEncryptor } from "../../../src/recording/encryptor.js";
import { FloeDecryptor, type FloeSegments } from "../../../src/format/floe.js";
import { headerLengthOf } from "../../../src/format/header.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { dataKey, header } from "../support.js";
import { idle, joinWorkers } from "../threads/support.js";

/** A folder of the test's own, gone after it. */
export function useFolder(): { path: (name: string) => string; readonly folder: string } {
  let folder: string;
  let remove: () => Promise<void>;
  beforeEach(async () => ({ folder, remove } = await temporaryFolder("files-")));
  afterEach(() => remove());
  return {
    path: (name) => join(folder, name),
    get folder() {
      return folder;
    },
  };
}

export const audio = (size: number) => randomBytes(size);

export interface LaneOptions {
  /** 0 for the calling thread alone; otherwise that many workers, and only they. */
  readonly workers: number;
  readonly segmentLength?: number;
  readonly signal?: AbortSignal;
  readonly onRange?: (bytes: number, workers: readonly ThreadWorker[]) => void;
  readonly use?: SegmentAccess["use"];
  /** The calling thread takes over from workers that are lost. */
  readonly rescue?: boolean;
}

/** From file to file below the key store, with exactly the workers asked for. */
export async function throughLanes(
  direction: "encrypt" | "decrypt",
  inputPath: string,
  outputPath: string,
  options: LaneOptions,
): Promise<void> {
  const input = await InputFile.open(inputPath);
  const output = await OutputFile.create(outputPath, { secret: direction === "decrypt", overwrite: true });
  const { segmentLength = 4_096 } = options;
  const started: ThreadWorker[] = [];
  try {
    let floe: FloeSegments;
    let layout: FileJob["layout"];
    if (direction === "encrypt") {
      const encryptor = new RecordingEncryptor({
        header: header({ segmentLength }),
        dataKey: Buffer.from(dataKey),
        segmentLength,
      });
      const preamble = encryptor.takePreamble();
      await output.write([preamble], 0);
      floe = encryptor.segmentKeys.held!;
      layout = encryptionLayout(input.size, { preambleLength: preamble.length, segmentLength });
    } else {
      const bytes = await readFile(inputPath);
      const length = headerLengthOf(bytes);
      floe = new FloeDecryptor(dataKey, bytes.subarray(0, length), bytes.subarray(length, length + 74), {
        segmentLength,
      }).segments;
      layout = decryptionLayout(input.size, { preambleLength: length + 74, segmentLength });
    }
    const job = fileJob({
      input,
      output,
      layout,
      keys: { held: options.use ? undefined : floe, use: options.use ?? (async (work) => work(floe)) },
    });
    const own = options.workers === 0 || options.rescue ? new LocalWorker(job) : idle;
    const scheduler = new Scheduler(layout, own, options.signal ?? new AbortController().signal, (bytes) =>
      options.onRange?.(bytes, started),
    );
    await joinWorkers(options.workers, job, floe.message, scheduler, started);
    await scheduler.run();
    await input.checkUnchanged();
    await output.publish();
  } finally {
    await Promise.all(started.map((worker) => worker.close()));
    await output.discard();
    await input.close();
  }
}
