import { availableParallelism } from "node:os";
import type { FloeMessage } from "../../format/floe.js";
import type { Scheduler } from "./scheduler.js";
import { ThreadWorker, type ThreadedJob } from "./thread-worker.js";

/** Least size for threads started unasked, in bytes: starting one takes some 40 ms of a core. */
const worthThreads = 268_435_456;

/** Number of threads of this process started unasked: many jobs at once must not start many times as many. */
let unasked = 0;

/**
 * The number of threads worth starting unasked: no more than there are free cores.
 * @param least - fewer are not worth their start
 * @param callerWorks - whether the calling thread needs a core of its own
 */
export function threadsWorth(
  bytes: number,
  { least, most, callerWorks }: { least: number; most: number; callerWorks: boolean },
): number {
  if (bytes < worthThreads) return 0;
  const count = Math.min(most, availableParallelism() - unasked - (callerWorks ? 1 : 0));
  return count < least ? 0 : count;
}

/** The threads of one job. The calling thread begins alone, and goes on alone where no others can be started. */
export class Threads {
  readonly #started: ThreadWorker[] = [];
  readonly #joined = new Set<ThreadWorker>();
  #unasked = 0;

  /** @param asked - whether the caller has given their number */
  start(
    { count, asked }: { count: number; asked: boolean },
    job: ThreadedJob,
    message: FloeMessage,
    scheduler: Scheduler,
  ): void {
    for (let index = 0; index < Math.min(count, job.layout.segments); index += 1) {
      const worker = ThreadWorker.start(job, message, (ready) => {
        this.#joined.add(ready);
        scheduler.join(ready);
      });
      if (!worker) break;
      this.#started.push(worker);
    }
    if (!asked) unasked += this.#unasked = this.#started.length;
  }

  /** Number of threads that took part beside the calling one. */
  get count(): number {
    return this.#joined.size;
  }

  async end(): Promise<void> {
    unasked -= this.#unasked;
    this.#unasked = 0;
    await Promise.all(this.#started.map((worker) => worker.close()));
  }
}
