import type { SegmentRange } from "../../format/segments.js";

/** Takes ranges of segments from source to target: the calling thread, or another one. */
export interface SegmentWorker {
  /** Best length of a range, in source bytes. */
  readonly rangeBytes: number;
  /** Number of ranges under way at once, so that reading, transforming and writing overlap. */
  readonly depth: number;
  /** Whether the calling thread goes on working once others have joined. */
  readonly staysWithOthers?: boolean;
  /** Resolves when the range has been written. */
  run(range: SegmentRange): Promise<void>;
}

/** A worker ended by itself, as a thread does that runs out of memory. Another one can run its ranges again. */
export class WorkerLost extends Error {}
