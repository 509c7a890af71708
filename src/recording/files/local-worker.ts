import { sourceBytes, targetOffset, type SegmentRange } from "../../format/segments.js";
import { transformSegments } from "../../format/transform-segments.js";
import { freeBuffers } from "../../util/free-buffers.js";
import type { SegmentWorker } from "../threads/segment-worker.js";
import type { FileJob } from "./file-job.js";

const mebibyte = 1_048_576;

/** The calling thread, which transforms one range while the file system reads the next ones and writes the last ones. */
export class LocalWorker implements SegmentWorker {
  readonly rangeBytes = mebibyte;
  readonly depth: number;
  readonly #job: FileJob;
  /** Reused for reads, since new memory comes from the kernel. */
  readonly #spare: Buffer[] = [];

  constructor(job: FileJob) {
    this.#job = job;
    this.depth = job.layout.source.segment > 2 * mebibyte ? 2 : 4;
  }

  async run(range: SegmentRange): Promise<void> {
    const { input, output, layout, keys } = this.#job;
    const { offset, length } = sourceBytes(layout, range);
    const buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(range.count * layout.source.segment);
    const bytes = buffer.length < length ? Buffer.allocUnsafeSlow(length) : buffer.subarray(0, length);
    await input.read(bytes, offset);
    const pieces = await keys.use((floe) => transformSegments(floe, layout, range, bytes));
    this.#spare.push(buffer);
    await output.write(pieces, targetOffset(layout, range.first));
    freeBuffers(pieces);
  }
}
