import { segmentsIn, targetOffset, type SegmentRange } from "../../format/segments.js";
import { wipe } from "../../util/secrets.js";
import { sourceOf, type BytesJob } from "../bytes.js";
import type { SharedRange, Medium } from "./thread-worker.js";

interface Slot {
  readonly source: Uint8Array<SharedArrayBuffer>;
  readonly target: Uint8Array<SharedArrayBuffer>;
}

/** Memory shared with other threads, through which ranges of the caller's own memory go there and back. */
export class SharedMemory implements Medium {
  readonly rangeBytes = 1_048_576;
  readonly #job: BytesJob;
  readonly #spare: Slot[] = [];

  constructor(job: BytesJob) {
    this.#job = job;
  }

  share(range: SegmentRange): SharedRange {
    const { layout, source, target } = this.#job;
    const slot = this.#spare.pop() ?? this.#newSlot();
    slot.source.set(sourceOf({ layout, source }, range));
    const begin = targetOffset(layout, range.first);
    const end = Math.min(begin + range.count * layout.target.segment, layout.target.end);
    return {
      memory: { source: slot.source.buffer, target: slot.target.buffer },
      copyBack: () => target.set(slot.target.subarray(0, end - begin), begin),
      release: () => void this.#spare.push(slot),
    };
  }

  /** One side of each slot held plaintext. */
  wipe(): void {
    for (const { source, target } of this.#spare) wipe(source, target);
  }

  #newSlot(): Slot {
    const { source, target } = this.#job.layout;
    const segments = segmentsIn(this.#job.layout, this.rangeBytes);
    const memory = (bytes: number) => new Uint8Array(new SharedArrayBuffer(bytes));
    return { source: memory(segments * source.segment), target: memory(segments * target.segment) };
  }
}
