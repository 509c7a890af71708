import { fillRange, stepBytes, type BytesJob, type FillBytes } from "../bytes.js";
import { nextEventLoopIteration } from "../../util/event-loop.js";
import type { SegmentRange } from "../../format/segments.js";
import type { Lane } from "./lane.js";
import { Pump } from "./pump.js";
import { SharedMemory } from "./shared-memory.js";
import { Threads, threadsWorth } from "./threads.js";

/**
 * How many threads beside the calling one bytes in memory are worth. The calling one copies what the others make to its
 * place, which costs about what they do: two have nothing more to gain.
 */
const mostUnasked = 1;

/**
 * Bytes in memory by several threads, the calling one among them.
 *
 * @param wanted - threads in all; 0 lets the size and the number of cores decide
 * @returns `undefined` where the calling thread alone is as good
 */
export function fillByThreads(bytes: number, wanted: number): FillBytes | undefined {
  const count = wanted === 0 ? threadsWorth(bytes, { least: 1, most: mostUnasked, callerWorks: true }) : wanted - 1;
  if (count === 0) return undefined;
  return async (job) => {
    const { layout, keys, signal = new AbortController().signal } = job;
    const pump = new Pump(layout, new OwnLane(job), signal, () => undefined);
    const threads = new Threads();
    const memory = new SharedMemory(job);
    try {
      threads.start(
        { count, asked: wanted > 0 },
        { layout, keys, medium: memory },
        await keys.use((floe) => floe.message),
        pump,
      );
      await pump.run();
    } finally {
      await threads.end();
      memory.wipe();
    }
  };
}

/** The calling thread, which looks after the others between its own ranges. */
class OwnLane implements Lane {
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
