import { LaneLost, type Lane } from "./lane.js";
import { segmentsIn, sourceBytes, type SegmentLayout, type SegmentRange } from "../../format/segments.js";

/**
 * Hands the segments of a recording to lanes, range by range, until all are done. Lanes may join on the way. After the first
 * failure nothing more is handed out, and what is under way is waited for: nobody writes any more when `run` settles.
 */
export class Pump {
  readonly #layout: SegmentLayout;
  readonly #signal: AbortSignal;
  readonly #onDone: (bytes: number) => void;
  readonly #own: Lane;
  readonly #others = new Set<Lane>();
  readonly #loops = new Set<Promise<void>>();
  readonly #returned: SegmentRange[] = [];
  #next = 0;
  #failure: { readonly first: number; readonly error: unknown } | undefined;

  /**
   * @param own - works while there is no other lane, and beside others if it stays with them
   * @param onDone - told how many bytes of the source are done
   */
  constructor(layout: SegmentLayout, own: Lane, signal: AbortSignal, onDone: (bytes: number) => void) {
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

  /** From now on this lane works, instead of the own one unless that stays. */
  join(lane: Lane): void {
    this.#others.add(lane);
    this.#start(lane);
  }

  #start(lane: Lane): void {
    for (let index = 0; index < lane.depth; index += 1) {
      const loop = this.#loop(lane).finally(() => this.#loops.delete(loop));
      this.#loops.add(loop);
    }
  }

  async #loop(lane: Lane): Promise<void> {
    for (let range = this.#take(lane); range; range = this.#take(lane)) {
      try {
        await lane.run(range);
        this.#onDone(sourceBytes(this.#layout, range).length);
      } catch (error) {
        if (!(error instanceof LaneLost)) this.#fail(range.first, error);
        else this.#lose(lane, range);
        return;
      }
    }
  }

  #take(lane: Lane): SegmentRange | undefined {
    if (this.#failure || this.#signal.aborted) return undefined;
    if (lane === this.#own ? this.#others.size > 0 && !lane.staysWithOthers : !this.#others.has(lane)) return undefined;
    const returned = this.#returned.pop();
    if (returned) return returned;
    const first = this.#next;
    const count = Math.min(segmentsIn(this.#layout, lane.rangeBytes), this.#layout.segments - first);
    this.#next += count;
    return count > 0 ? { first, count } : undefined;
  }

  #fail(first: number, error: unknown): void {
    if (!this.#failure || first < this.#failure.first) this.#failure = { first, error };
  }

  /** What a lane has not done goes to the lanes that are left. */
  #lose(lane: Lane, range: SegmentRange): void {
    this.#returned.push(range);
    // The others may have ended their loops already, for want of ranges.
    if (this.#others.delete(lane)) this.#start([...this.#others][0] ?? this.#own);
  }
}
