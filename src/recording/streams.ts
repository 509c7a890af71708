import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import type { StreamTotals } from "../format/segments.js";
import { whenAborted } from "../util/abort.js";
import { yieldToEventLoop } from "../util/event-loop.js";
import { isError } from "../util/realms.js";
import type { BodyStream } from "./body-types.js";
import { ByteReader } from "./byte-reader.js";
import { RecordingDecryptor, type DecryptRequest } from "./decryptor.js";
import { RecordingEncryptor, type EncryptRequest } from "./encryptor.js";
import type { ByteSource } from "./stream-source.js";

export type ByteStreamBody = Readable | BodyStream;

interface Worker<T> {
  /** Called once, when the reader has everything. */
  totals(): T;
  destroy(): void;
  /** Registers what ends the body between two reads. */
  onFailure?(failed: (reason: unknown) => void): void;
}

/** Pieces of the result, as many as one step makes; `undefined` at the end. */
type NextPieces = () => Promise<readonly Buffer[] | undefined>;

/** Wraps a producer of bytes in a stream of the kind of its input. Signal, cancellation and errors end both. */
function streamed<T>(
  source: ByteSource,
  produce: NextPieces,
  worker: Worker<T>,
  signal: AbortSignal | undefined,
): { body: ByteStreamBody; done: Promise<T> } {
  let finish: Finish = () => undefined;
  let leave: () => void = () => undefined;
  const done = new Promise<T>((resolve, reject) => {
    let finished = false;
    finish = (error) => {
      if (finished) return;
      finished = true;
      leave();
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
        const turn = yieldToEventLoop();
        if (turn) await turn;
        const pieces = await produce();
        if (!pieces || pieces.some(({ length }) => length > 0)) return pieces;
      }
    } catch (reason) {
      finish({ reason });
      throw reason;
    }
  };
  const body = source.isReadable ? nodeBody(next, finish) : webBody(next, finish);
  const fail = (reason: unknown) => {
    finish({ reason });
    body.fail(reason);
  };
  leave = whenAborted(signal, () => fail(signal?.reason));
  worker.onFailure?.(fail);
  return { body: body.stream, done };
}

interface FailableBody {
  readonly stream: ByteStreamBody;
  fail(reason: unknown): void;
}

/** Called without an error once the reader has everything. */
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
  return isError(reason) ? reason : new Error(String(reason));
}

/** Opens a streamed recording up to its first segment. */
export function openSource(source: ByteSource, request: DecryptRequest): Promise<RecordingDecryptor> {
  return onSource(source, request.signal, (reader) => RecordingDecryptor.open(reader, request));
}

/** Reads the beginning of a stream, which ends with the signal and where that fails. */
export async function onSource<T>(
  source: ByteSource,
  signal: AbortSignal | undefined,
  task: (reader: ByteReader) => Promise<T>,
): Promise<T> {
  const leave = whenAborted(signal, () => source.cancel(signal?.reason));
  try {
    return await task(new ByteReader(() => source.next(), source.isReadable));
  } catch (error) {
    source.cancel(error);
    throw error;
  } finally {
    leave();
  }
}

/** Opens a streamed recording, whose plaintext is a stream of the same kind. */
export async function openStream<T>(
  source: ByteSource,
  request: DecryptRequest,
  totalsOf: (decryptor: RecordingDecryptor) => T,
): Promise<{ decryptor: RecordingDecryptor; body: ByteStreamBody; done: Promise<T> }> {
  const decryptor = await openSource(source, request);
  const next = async () => {
    const pieces = await decryptor.next();
    // Nothing behind damage is read. A whole source has ended by itself, and may be half of a socket.
    if (!pieces && !decryptor.complete) source.cancel(undefined);
    return pieces;
  };
  const worker = {
    totals: () => totalsOf(decryptor),
    destroy: () => decryptor.destroy(),
    onFailure: (failed: (error: unknown) => void) => decryptor.onFailure(failed),
  };
  return { decryptor, ...streamed(source, next, worker, request.signal) };
}

/** Most bytes of a chunk encrypted in one step: more is no faster, and takes more memory. */
const maxStep = 262_144;

export function encryptStream(
  source: ByteSource,
  request: EncryptRequest & { signal?: AbortSignal },
): { body: ByteStreamBody; done: Promise<StreamTotals> } {
  const encryptor = new RecordingEncryptor(request);
  let rest: Uint8Array = new Uint8Array(0);
  let ended = false;
  const next = async () => {
    if (ended) return undefined;
    const chunk = rest.length > 0 ? rest : await source.next();
    if (chunk) {
      rest = chunk.subarray(maxStep);
      return encryptor.push(chunk.subarray(0, maxStep), source.isReadable);
    }
    ended = true;
    return encryptor.end();
  };
  return streamed(source, next, encryptor, request.signal);
}
