import { segmentsIn, sourceBytes, type SegmentLayout, type SegmentRange } from "../../format/segments.js";
import { WorkerLost, type SegmentWorker } from "./segment-worker.js";

/**
 * Hands the segments of a recording to workers, range by range. Workers may join on the way. After the first failure nothing
 * more is handed out, and `run` waits for what is under way: nobody writes any more once it settles.
 */
export class Scheduler {
  readonly #layout: SegmentLayout;
  readonly #signal: AbortSignal;
  readonly #onDone: (bytes: number) => void;
  readonly #own: SegmentWorker;
  readonly #others = new Set<SegmentWorker>();
  readonly #loops = new Set<Promise<void>>();
  readonly #returned: SegmentRange[] = [];
  #next = 0;
  #failure: { readonly first: number; readonly error: unknown } | undefined;

  /**
   * @param own - works while there is no other worker, and beside others if it stays with them
   * @param onDone - called with the source bytes of each range that is done
   */
  constructor(layout: SegmentLayout, own: SegmentWorker, signal: AbortSignal, onDone: (bytes: number) => void) {
    this.#layout = layout;
    this.#own = own;
    this.#signal = signal;
    this.#onDone = onDone;
  }

  /** Resolves when every segment is written. @throws the failure at the lowest position; the signal's reason */
  async run(): Promise<void> {
    this.#start(this.#own);
    while (this.#loops.size > 0) await Promise.all(this.#loops);
    if (this.#failure) throw this.#failure.error;
    this.#signal.throwIfAborted();
  }

  /** Lets a worker take part, in place of the own one unless that stays. */
  join(worker: SegmentWorker): void {
    this.#others.add(worker);
    this.#start(worker);
  }

  #start(worker: SegmentWorker): void {
    for (let index = 0; index < worker.depth; index += 1) {
      const loop = this.#loop(worker).finally(() => this.#loops.delete(loop));
      this.#loops.add(loop);
    }
  }

  async #loop(worker: SegmentWorker): Promise<void> {
    for (let range = this.#take(worker); range; range = this.#take(worker)) {
      try {
        await worker.run(range);
        this.#onDone(sourceBytes(this.#layout, range).length);
      } catch (error) {
        if (!(error instanceof WorkerLost)) this.#fail(range.first, error);
        else this.#lose(worker, range);
        return;
      }
    }
  }

  #take(worker: SegmentWorker): SegmentRange | undefined {
    if (this.#failure || this.#signal.aborted) return undefined;
    if (worker === this.#own ? this.#others.size > 0 && !worker.staysWithOthers : !this.#others.has(worker))
      return undefined;
    const returned = this.#returned.pop();
    if (returned) return returned;
    const first = this.#next;
    const count = Math.min(segmentsIn(this.#layout, worker.rangeBytes), this.#layout.segments - first);
    this.#next += count;
    return count > 0 ? { first, count } : undefined;
  }

  #fail(first: number, error: unknown): void {
    if (!this.#failure || first < this.#failure.first) this.#failure = { first, error };
  }

  /** Gives the ranges of a lost worker to those that are left. */
  #lose(worker: SegmentWorker, range: SegmentRange): void {
    this.#returned.push(range);
    // The others may have ended their loops already, for want of ranges.
    if (this.#others.delete(worker)) this.#start([...this.#others][0] ?? this.#own);
  }
}
