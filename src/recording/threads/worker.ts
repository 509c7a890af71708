/*
 * A worker thread: encrypts or decrypts ranges of segments, from file to file or from memory to memory. It holds a key only
 * while it has a range.
 */
import { parentPort, workerData } from "node:worker_threads";
import { RecordingKeyStoreError } from "../../errors.js";
import { FloeSegments } from "../../format/floe.js";
import { freeBuffers } from "../../util/free-buffers.js";
import { segmentsIn } from "../../format/segments.js";
import { transformSegments } from "../../format/transform-segments.js";
import { FileEnds, MemoryEnds, StepFailure, type Ends } from "./worker-ends.js";
import type { WorkerAnswer, WorkerFailure, WorkerJob, WorkerOrder } from "./worker-job.js";

/** Bytes that are read, transformed and written before the next: what stays in a core's cache. */
const stepBytes = 1_048_576;

const { files, layout, message } = workerData as WorkerJob;
const step = segmentsIn(layout, stepBytes);
const fileEnds = files && new FileEnds(files, layout, step);

function endsOf({ memory, range }: WorkerOrder): Ends {
  const ends = memory ? new MemoryEnds(memory, layout, range) : fileEnds;
  if (!ends) throw new RangeError("neither files nor memory");
  return ends;
}

function run(order: WorkerOrder): void {
  const { range, messageKey } = order;
  const ends = endsOf(order);
  const floe = new FloeSegments(new Uint8Array(messageKey), message);
  try {
    for (let done = 0; done < range.count; done += step) {
      const part = { first: range.first + done, count: Math.min(step, range.count - done) };
      const pieces = transformSegments(floe, layout, part, ends.read(part));
      ends.write(pieces, part);
      freeBuffers(pieces);
    }
  } finally {
    floe.destroy();
  }
}

function failureOf(error: unknown): WorkerFailure {
  if (error instanceof StepFailure) return error.failure;
  if (error instanceof RecordingKeyStoreError) return { kind: "recording", code: error.code, message: error.message };
  return { kind: "other", message: error instanceof Error ? error.message : String(error) };
}

const answer = (content: WorkerAnswer) => parentPort?.postMessage(content);
parentPort?.on("message", (order: WorkerOrder) => {
  try {
    run(order);
    answer({ id: order.id });
  } catch (error) {
    answer({ id: order.id, failure: failureOf(error) });
  }
});
answer({ id: 0 }); // ready
