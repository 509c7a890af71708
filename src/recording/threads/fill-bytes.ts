import type { SegmentRange } from "../../format/segments.js";
import { nextEventLoopIteration } from "../../util/event-loop.js";
import { fillRange, stepBytes, type BytesJob, type FillBytes } from "../bytes.js";
import { Scheduler } from "./scheduler.js";
import type { SegmentWorker } from "./segment-worker.js";
import { SharedMemory } from "./shared-memory.js";
import { Threads, threadsWorth } from "./threads.js";

/**
 * Most threads started unasked beside the calling one. That one copies what the others make, which costs about as much as
 * making it: a second thread gains nothing.
 */
const mostUnasked = 1;

/**
 * Works on bytes in memory with several threads, the calling one among them.
 * @param wanted - threads in all; 0 lets size and number of cores decide
 * @returns `undefined` where the calling thread alone is as good
 */
export function fillByThreads(bytes: number, wanted: number): FillBytes | undefined {
  const count = wanted === 0 ? threadsWorth(bytes, { least: 1, most: mostUnasked, callerWorks: true }) : wanted - 1;
  if (count === 0) return undefined;
  return async (job) => {
    const { layout, keys, signal = new AbortController().signal } = job;
    const scheduler = new Scheduler(layout, new CallingThread(job), signal, () => undefined);
    const threads = new Threads();
    const memory = new SharedMemory(job);
    try {
      threads.start(
        { count, asked: wanted > 0 },
        { layout, keys, medium: memory },
        await keys.use((floe) => floe.message),
        scheduler,
      );
      await scheduler.run();
    } finally {
      await threads.end();
      memory.wipe();
    }
  };
}

/** The calling thread, which attends to the others between its own ranges. */
class CallingThread implements SegmentWorker {
  readonly rangeBytes = stepBytes;
  readonly depth = 1;
  readonly staysWithOthers = true;
  readonly #job: BytesJob;

  constructor(job: BytesJob) {
    this.#job = job;
  }

  async run(range: SegmentRange): Promise<void> {
    await nextEventLoopIteration();
    await this.#job.keys.use((floe) => fillRange(this.#job, range, floe));
  }
}
