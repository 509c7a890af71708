import { vi } from "vitest";
import type { FloeMessage } from "../../../src/format/floe.js";
import type { FillBytes } from "../../../src/recording/bytes.js";
import type { Lane } from "../../../src/recording/threads/lane.js";
import { Pump } from "../../../src/recording/threads/pump.js";
import { SharedMemory } from "../../../src/recording/threads/shared-memory.js";
import { WorkerLane, type ThreadedJob } from "../../../src/recording/threads/worker-lane.js";

/** A lane that never gets anything: all work goes to the others. */
export const idle: Lane = { rangeBytes: 1, depth: 0, run: () => Promise.reject(new Error("idle")) };

/** Lets so many workers join, which are left in `started`. None begins before all are ready: a test may end one at once. */
export async function joinWorkers(
  workers: number,
  job: ThreadedJob,
  message: FloeMessage,
  pump: Pump,
  started: WorkerLane[],
): Promise<void> {
  const joining = Array.from({ length: workers }, () => {
    return new Promise<WorkerLane>((ready, failed) => {
      const lane = WorkerLane.start(job, message, ready);
      if (lane) started.push(lane);
      else failed(new Error("no thread could be started"));
    });
  });
  for (const lane of await Promise.all(joining)) pump.join(lane);
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
  readonly onRange?: (workers: readonly WorkerLane[]) => void;
  /** Works too; nobody, unless given. */
  readonly own?: Lane;
}

/** Bytes in memory, by so many workers and by nobody else. */
export function fillByWorkers({ workers, onRange, own = idle }: FillOptions): FillBytes {
  return async (job) => {
    const { layout, keys, signal = new AbortController().signal } = job;
    const started: WorkerLane[] = [];
    const pump = new Pump(layout, own, signal, () => onRange?.(started));
    const medium = new SharedMemory(job);
    try {
      await joinWorkers(workers, { layout, keys, medium }, await keys.use((floe) => floe.message), pump, started);
      await pump.run();
    } finally {
      await Promise.all(started.map((lane) => lane.close()));
      medium.wipe();
    }
  };
}
