import { readSync, writevSync } from "node:fs";
import { sourceBytes, targetOffset, type SegmentLayout, type SegmentRange } from "../../format/segments.js";
import { dropBytes } from "../../util/file-system.js";
import type { FileDescriptors, FileTrouble, RangeMemory } from "./worker-job.js";

/** Where a worker thread reads from and writes to. */
export interface Ends {
  read(part: SegmentRange): Buffer;
  write(pieces: readonly Buffer[], part: SegmentRange): void;
}

/** A failure of the file system. */
export class StepFailure extends Error {
  constructor(readonly failure: FileTrouble) {
    super();
  }
}

export class FileEnds implements Ends {
  readonly #files: FileDescriptors;
  readonly #layout: SegmentLayout;
  /** Reused for every read. */
  readonly #buffer: Buffer;

  /** @param most - segments in one part */
  constructor(files: FileDescriptors, layout: SegmentLayout, most: number) {
    this.#files = files;
    this.#layout = layout;
    this.#buffer = Buffer.allocUnsafeSlow(most * layout.source.segment);
  }

  read(part: SegmentRange): Buffer {
    const { offset, length } = sourceBytes(this.#layout, part);
    for (let filled = 0; filled < length;) {
      const count = attempt("read", () =>
        readSync(this.#files.input, this.#buffer, filled, length - filled, offset + filled),
      );
      if (count === 0) throw new StepFailure({ kind: "changed" });
      filled += count;
    }
    return this.#buffer.subarray(0, length);
  }

  write(pieces: readonly Buffer[], part: SegmentRange): void {
    let position = targetOffset(this.#layout, part.first);
    for (let rest = pieces.filter(({ length }) => length > 0); rest.length > 0;) {
      const count = attempt("write", () => writevSync(this.#files.output, rest, position));
      position += count;
      rest = dropBytes(rest, count);
    }
  }
}

/** One range, in memory that two threads see. */
export class MemoryEnds implements Ends {
  readonly #source: Buffer;
  readonly #target: Buffer;
  readonly #layout: SegmentLayout;
  readonly #first: number;

  constructor({ source, target }: RangeMemory, layout: SegmentLayout, { first }: SegmentRange) {
    this.#source = Buffer.from(source);
    this.#target = Buffer.from(target);
    this.#layout = layout;
    this.#first = first;
  }

  read(part: SegmentRange): Buffer {
    const { length } = sourceBytes(this.#layout, part);
    const begin = (part.first - this.#first) * this.#layout.source.segment;
    return this.#source.subarray(begin, begin + length);
  }

  write(pieces: readonly Buffer[], part: SegmentRange): void {
    let position = (part.first - this.#first) * this.#layout.target.segment;
    for (const piece of pieces) {
      this.#target.set(piece, position);
      position += piece.length;
    }
  }
}

function attempt<T>(doing: "read" | "write", task: () => T): T {
  try {
    return task();
  } catch (error) {
    const { code = "EIO", message: text, syscall = "" } = error as NodeJS.ErrnoException;
    throw new StepFailure({ kind: "file", doing, code, message: text, syscall });
  }
}
