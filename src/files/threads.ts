import { availableParallelism } from "node:os";
import type { FloeMessage } from "../recording/floe.js";
import type { FileJob } from "./lane.js";
import type { Pump } from "./pump.js";
import { WorkerLane } from "./worker-lane.js";

/** A thread takes some 40 ms of a core to start; files below this are done about as soon without, bytes. */
const worthThreads = 268_435_456;
/** More wait for the memory, not for the cipher. */
const mostAutomatic = 4;

/** Threads that were started without being asked for, in this process: many files at once do not start many times as many. */
let automatic = 0;

/** The threads of one job. The calling one begins alone, and goes on alone where no others can be started. */
export class Threads {
  readonly #started: WorkerLane[] = [];
  readonly #joined = new Set<WorkerLane>();
  #automatic = 0;

  /** @param wanted - 0 lets the size of the file and the number of cores decide */
  start(wanted: number, job: FileJob, message: FloeMessage, pump: Pump): void {
    let count = wanted;
    if (wanted === 0) {
      const most = Math.min(availableParallelism(), mostAutomatic);
      count = job.layout.source.end < worthThreads ? 1 : Math.min(most, availableParallelism() - automatic);
    }
    if (count < 2) return;
    for (let index = 0; index < Math.min(count, job.layout.segments); index += 1) {
      const lane = WorkerLane.start(job, message, (ready) => {
        this.#joined.add(ready);
        pump.join(ready);
      });
      if (!lane) break;
      this.#started.push(lane);
    }
    if (wanted === 0) automatic += this.#automatic = this.#started.length;
  }

  /** How many took part. */
  get count(): number {
    return Math.max(1, this.#joined.size);
  }

  async end(): Promise<void> {
    automatic -= this.#automatic;
    this.#automatic = 0;
    await Promise.all(this.#started.map((lane) => lane.close()));
  }
}
