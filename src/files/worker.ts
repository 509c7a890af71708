/*
 * A worker thread: reads, encrypts or decrypts, and writes ranges of segments. It holds a key only while it has a range.
 */
import { readSync, writevSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { RecordingKeyStoreError } from "../errors.js";
import { FloeSegments } from "../recording/floe.js";
import { dropBytes } from "./drop-bytes.js";
import { segmentsIn, sourceBytes, targetOffset, type SegmentRange } from "../recording/segment-layout.js";
import { transformSegments } from "../recording/transform-segments.js";
import type { WorkerAnswer, WorkerFailure, WorkerJob, WorkerOrder } from "./worker-job.js";

/** Bytes that are read, transformed and written before the next: what stays in a core's cache. */
const stepBytes = 1_048_576;

const { input, output, layout, message } = workerData as WorkerJob;
const step = segmentsIn(layout, stepBytes);
const buffer = Buffer.allocUnsafeSlow(step * layout.source.segment);

class StepFailure extends Error {
  constructor(readonly failure: WorkerFailure) {
    super();
  }
}

function run({ range, messageKey }: WorkerOrder): void {
  const floe = new FloeSegments(new Uint8Array(messageKey), message);
  try {
    for (let done = 0; done < range.count; done += step) {
      const part = { first: range.first + done, count: Math.min(step, range.count - done) };
      write(transformSegments(floe, layout, part, read(part)), targetOffset(layout, part.first));
    }
  } finally {
    floe.destroy();
  }
}

function read(range: SegmentRange): Buffer {
  const { offset, length } = sourceBytes(layout, range);
  for (let filled = 0; filled < length; ) {
    const count = attempt("read", () => readSync(input, buffer, filled, length - filled, offset + filled));
    if (count === 0) throw new StepFailure({ kind: "changed" });
    filled += count;
  }
  return buffer.subarray(0, length);
}

function write(pieces: readonly Buffer[], offset: number): void {
  let position = offset;
  for (let rest = pieces.filter(({ length }) => length > 0); rest.length > 0; ) {
    const count = attempt("write", () => writevSync(output, rest, position));
    position += count;
    rest = dropBytes(rest, count);
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
