import type { SegmentRange } from "../../format/segments.js";

/** Something that takes ranges of segments from source to target: this thread, or another one. */
export interface Lane {
  /** Source bytes that are best handed over at a time. */
  readonly rangeBytes: number;
  /** How many ranges it should have at once, so that reading, transforming and writing overlap. */
  readonly depth: number;
  /** The calling thread's own: whether it goes on when others have joined. */
  readonly staysWithOthers?: boolean;
  /** Resolves when the range has been written. */
  run(range: SegmentRange): Promise<void>;
}

/** A lane that ended by itself, as a thread does that runs out of memory. Its ranges can be run again by another. */
export class LaneLost extends Error {}
