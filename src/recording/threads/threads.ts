import { availableParallelism } from "node:os";
import type { FloeMessage } from "../../format/floe.js";
import type { Pump } from "./pump.js";
import { WorkerLane, type ThreadedJob } from "./worker-lane.js";

/** A thread takes some 40 ms of a core to start; what is smaller is done about as soon without, bytes. */
const worthThreads = 268_435_456;

/** Threads that were started without being asked for, in this process: many jobs at once do not start many times as many. */
let unasked = 0;

/**
 * How many threads a job is worth beside the calling one, if nobody has said so: no more than there are cores for.
 *
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

/** The threads of one job. The calling one begins alone, and goes on alone where no others can be started. */
export class Threads {
  readonly #started: WorkerLane[] = [];
  readonly #joined = new Set<WorkerLane>();
  #unasked = 0;

  /** @param asked - whether the caller has given their number */
  start({ count, asked }: { count: number; asked: boolean }, job: ThreadedJob, message: FloeMessage, pump: Pump): void {
    for (let index = 0; index < Math.min(count, job.layout.segments); index += 1) {
      const lane = WorkerLane.start(job, message, (ready) => {
        this.#joined.add(ready);
        pump.join(ready);
      });
      if (!lane) break;
      this.#started.push(lane);
    }
    if (!asked) unasked += this.#unasked = this.#started.length;
  }

  /** How many took part beside the calling one. */
  get count(): number {
    return this.#joined.size;
  }

  async end(): Promise<void> {
    unasked -= this.#unasked;
    this.#unasked = 0;
    await Promise.all(this.#started.map((lane) => lane.close()));
  }
}
