import type { FloeSegments } from "../recording/floe.js";
import type { InputFile } from "./input-file.js";
import type { SegmentLayout, SegmentRange } from "../recording/segment-layout.js";
import type { OutputFile } from "./output-file.js";

/** Something that takes ranges of segments from the input file to the output file: this thread, or another one. */
export interface Lane {
  /** Encrypted bytes that are best handed over at a time. */
  readonly rangeBytes: number;
  /** How many ranges it should have at once, so that reading, transforming and writing overlap. */
  readonly depth: number;
  /** Resolves when the range has been written. */
  run(range: SegmentRange): Promise<void>;
}

/** A lane that ended by itself, as a thread does that runs out of memory. Its ranges can be run again by another. */
export class LaneLost extends Error {}

/** Lends keys for one range at a time. Rejects when they may no longer be used. */
export interface SegmentKeys {
  /** Runs `work` without a wait after the keys were had. */
  use<T>(work: (floe: FloeSegments) => T): Promise<T>;
}

/** One encryption or decryption of a file. */
export interface FileJob {
  readonly input: InputFile;
  readonly output: OutputFile;
  readonly layout: SegmentLayout;
  readonly keys: SegmentKeys;
}
