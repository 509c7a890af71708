import { vi } from "vitest";
import type { FloeMessage } from "../../../src/format/floe.js";
import type { FillBytes } from "../../../src/recording/bytes.js";
import type { SegmentWorker } from "../../../src/recording/threads/segment-worker.js";
import { Scheduler } from "../../../src/recording/threads/scheduler.js";
import { SharedMemory } from "../../../src/recording/threads/shared-memory.js";
import { ThreadWorker, type ThreadedJob } from "../../../src/recording/threads/thread-worker.js";

/** A worker that never gets anything: all work goes to the others. */
export const idle: SegmentWorker = { rangeBytes: 1, depth: 0, run: () => Promise.reject(new Error("idle")) };

/** Lets so many workers join, which are left in `started`. None begins before all are ready: a test may end one at once. */
export async function joinWorkers(
  workers: number,
  job: ThreadedJob,
  message: FloeMessage,
  scheduler: Scheduler,
  started: ThreadWorker[],
): Promise<void> {
  const joining = Array.from({ length: workers }, () => {
    return new Promise<ThreadWorker>((ready, failed) => {
      const worker = ThreadWorker.start(job, message, ready);
      if (worker) started.push(worker);
      else failed(new Error("no thread could be started"));
    });
  });
  for (const worker of await Promise.all(joining)) scheduler.join(worker);
}

/** All memory that threads share from now on; until `vi.unstubAllGlobals()`. */
export function watchSharedMemory(): Uint8Array[] {
  const shared: Uint8Array[] = [];
  class Watched extends SharedArrayBuffer {
    constructor(length: number) {
      super(length);
      shared.push(new Uint8Array(this));
    }
  }
  vi.stubGlobal("SharedArrayBuffer", Watched);
  return shared;
}

export function flipped(bytes: Buffer, offset: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[offset]! ^= 1;
  return changed;
}

export interface FillOptions {
  readonly workers: number;
  readonly onRange?: (workers: readonly ThreadWorker[]) => void;
  /** Works too; nobody, unless given. */
  readonly own?: SegmentWorker;
}

/** Bytes in memory, by so many workers and by nobody else. */
export function fillByWorkers({ workers, onRange, own = idle }: FillOptions): FillBytes {
  return async (job) => {
    const { layout, keys, signal = new AbortController().signal } = job;
    const started: ThreadWorker[] = [];
    const scheduler = new Scheduler(layout, own, signal, () => onRange?.(started));
    const medium = new SharedMemory(job);
    try {
      await joinWorkers(workers, { layout, keys, medium }, await keys.use((floe) => floe.message), scheduler, started);
      await scheduler.run();
    } finally {
      await Promise.all(started.map((worker) => worker.close()));
      medium.wipe();
    }
  };
}
