import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import type { ByteSource, RecordingStream } from "./stream-source.js";
import { loopTurn } from "../util/event-loop.js";

export type ByteStreamBody = Readable | ReadableStream<Uint8Array>;

interface Worker<T> {
  /** Asked once, when the reader has everything. */
  totals(): T;
  destroy(): void;
  /** What ends the body between two reads, at once. */
  onFailure?(failed: (reason: unknown) => void): void;
}

/** Pieces of the result, as many as one step makes; `undefined` at the end. */
type NextPieces = () => Promise<readonly Buffer[] | undefined>;

/** Gives a producer of bytes the shape of its input, and ends both with the signal, a cancellation or an error. */
export function streamed<T>(
  input: RecordingStream,
  source: ByteSource,
  produce: NextPieces,
  worker: Worker<T>,
  signal: AbortSignal | undefined,
): { body: ByteStreamBody; done: Promise<T> } {
  let finish: Finish = () => undefined;
  const done = new Promise<T>((resolve, reject) => {
    let finished = false;
    finish = (error) => {
      if (finished) return;
      finished = true;
      signal?.removeEventListener("abort", onAbort);
      worker.destroy();
      if (error) {
        source.cancel(error.reason);
        reject(error.reason);
      } else resolve(worker.totals());
    };
  });
  done.catch(() => undefined);
  const next: NextPieces = async () => {
    try {
      for (;;) {
        const turn = loopTurn();
        if (turn) await turn;
        const pieces = await produce();
        if (!pieces || pieces.some(({ length }) => length > 0)) return pieces;
      }
    } catch (reason) {
      finish({ reason });
      throw reason;
    }
  };
  const body = input instanceof Readable ? nodeBody(next, finish) : webBody(next, finish);
  const fail = (reason: unknown) => {
    finish({ reason });
    body.fail(reason);
  };
  function onAbort() {
    fail(signal?.reason);
  }
  worker.onFailure?.(fail);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  return { body: body.stream, done };
}

interface FailableBody {
  readonly stream: ByteStreamBody;
  fail(reason: unknown): void;
}

/** Without an error: the reader has everything. */
type Finish = (error?: { readonly reason: unknown }) => void;

function nodeBody(next: NextPieces, finish: Finish): FailableBody {
  const stream = new Readable({
    read() {
      next().then(
        (pieces) => {
          for (const piece of pieces ?? [null]) this.push(piece);
        },
        (error: unknown) => this.destroy(asError(error)),
      );
    },
    destroy(error, callback) {
      finish({ reason: error ?? new DOMException("the stream was destroyed", "AbortError") });
      callback(error);
    },
  });
  stream.once("end", () => finish());
  return { stream, fail: (reason) => void stream.destroy(asError(reason)) };
}

function webBody(next: NextPieces, finish: Finish): FailableBody {
  let fail: (reason: unknown) => void = () => undefined;
  const stream = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        fail = (reason) => controller.error(reason);
      },
      async pull(controller) {
        const pieces = await next();
        for (const piece of pieces ?? []) controller.enqueue(piece);
        if (pieces) return;
        controller.close();
        finish();
      },
      cancel(reason) {
        finish({ reason: reason ?? new DOMException("the stream was cancelled", "AbortError") });
      },
    },
    { highWaterMark: 0 }, // chunks are pulled when they are wanted; the source does its own buffering
  );
  return { stream, fail: (reason) => fail(reason) };
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
