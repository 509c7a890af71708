import { ReadableStream, type ReadableStreamDefaultController } from "node:stream/web";
import { abortable, whenAborted } from "../../util/abort.js";
import type { BodyStream } from "../body-types.js";

/** What a stream needs from its reader. */
interface RangeReader {
  /** Counts the task as running, under a signal that aborts with the reader, the caller and `stop`. */
  run(stop: AbortSignal, task: (ended: AbortSignal) => Promise<void>): Promise<void>;
  /** The next pieces from a position on, about `stepBytes` encrypted bytes of them, and at least one byte. */
  step(from: number, stepBytes: number, ended: AbortSignal): Promise<Buffer[]>;
  /** Whether what was fetched ahead may still be released. */
  check(ended: AbortSignal): Promise<void>;
  /** Callbacks that drop what streams have decrypted ahead. */
  readonly drops: Set<() => void>;
}

/** Encrypted bytes of the first step, few since whoever seeks reads little; each step doubles up to the longest. */
const firstStepBytes = 131_136;
const maxStepBytes = 1_048_576;

/** Plaintext from `start` to `end` as a web stream. One step is fetched ahead; cancelling ends that too. */
export function rangeStream(start: number, end: number, reader: RangeReader): BodyStream {
  const stop = new AbortController();
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let ended = stop.signal;
  let position = start;
  let stepBytes = firstStepBytes;
  let ahead: Promise<Buffer[]> | undefined;
  const fetchNext = () => {
    const step = reader.step(position, stepBytes, ended);
    step.catch(() => undefined); // reported when it is its turn
    stepBytes = Math.min(2 * stepBytes, maxStepBytes);
    return step;
  };
  const drop = () => void (ahead = undefined);
  reader.drops.add(drop);
  const pull = async () => {
    if (position < end) {
      const pieces = await (ahead ?? fetchNext());
      await reader.check(ended);
      for (const piece of pieces) {
        position += piece.length;
        controller?.enqueue(piece);
      }
    }
    ahead = position < end ? fetchNext() : undefined;
    if (position < end) return;
    controller?.close();
    finish();
  };
  const stream = new ReadableStream<Uint8Array>(
    {
      start: (given) => void (controller = given),
      pull: () => abortable(pull(), ended).catch(fail),
      cancel: (reason) => stop.abort(reason ?? new DOMException("the stream was cancelled", "AbortError")),
    },
    { highWaterMark: 0 }, // chunks are pulled when they are wanted
  );
  function fail(reason: unknown): void {
    controller?.error(reason);
    stop.abort(reason);
  }
  reader
    .run(stop.signal, (signal) => {
      ended = signal;
      whenAborted(signal, () => fail(signal.reason)); // at once, whatever is queued
      return abortable(finished, signal);
    })
    .catch(fail)
    .finally(() => reader.drops.delete(drop));
  return stream;
}
