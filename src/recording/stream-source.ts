import { Readable } from "node:stream";
import { InvalidInputError } from "../errors.js";
import { isBytes } from "../util/bytes.js";
import { yieldToEventLoop } from "../util/event-loop.js";
import { member, textOfThrown } from "../util/safe-cause.js";

/** A web stream of bytes, by its shape: Node's, and the DOM's where `lib: dom` is on. */
export interface ByteStream {
  getReader(): {
    read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
    cancel(reason?: unknown): Promise<unknown>;
  };
}

export type RecordingStream = Readable | ByteStream | AsyncIterable<Uint8Array>;

/** Chunks after which the event loop gets its turn, if it is due: they may be tiny, empty even, and without end. */
const pullsPerLook = 64;

/** Pulls chunks of bytes out of any kind of stream. Can be cancelled at any moment, also while it waits. */
export class ByteSource {
  /** Whether it reads a Node `Readable`. Its chunks may be kept; an async iterable may fill one buffer again and again. */
  readonly isReadable: boolean;
  /** Gives what should be a promise of an `IteratorResult`. */
  readonly #pull: () => unknown;
  readonly #cancel: (reason: unknown) => void;
  readonly #field: string;
  #pulls = 0;
  #reject: ((reason: unknown) => void) | undefined;
  #ended: { readonly reason: unknown } | undefined;

  constructor(stream: RecordingStream, field: string) {
    this.#field = field;
    this.isReadable = isReadable(stream);
    if (isReadable(stream)) {
      checkUnread(stream, field);
      this.#pull = pullReadable(stream);
      this.#cancel = () => void stream.destroy();
    } else if ("getReader" in stream) {
      const reader = lockedReader(stream, field);
      this.#pull = () => reader.read();
      this.#cancel = (reason) => void (async () => reader.cancel(reason))().catch(() => undefined);
    } else {
      const iterator: AsyncIterator<unknown, unknown> = stream[Symbol.asyncIterator]();
      this.#pull = () => iterator.next();
      this.#cancel = () => void (async () => iterator.return?.())().catch(() => undefined);
    }
  }

  /** The next chunk that is not empty; `undefined` at the end. @throws InvalidInputError for a chunk that is not bytes */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      this.#pulls += 1;
      const turn = this.#pulls % pullsPerLook === 0 ? yieldToEventLoop() : undefined;
      if (turn) await turn;
      if (this.#ended) throw this.#ended.reason;
      const pulled = await new Promise<unknown>((resolve, reject) => {
        this.#reject = reject;
        Promise.resolve(this.#pull()).then(resolve, reject);
      });
      if (typeof pulled !== "object" || pulled === null)
        throw new InvalidInputError(this.#field, "must be a stream that gives { done, value }");
      if (member(pulled, "done")) return undefined;
      const value = member(pulled, "value");
      if (!isBytes(value)) throw notBytes(this.#field, value);
      if (value.length > 0) return value;
    }
  }

  /** Stops reading: a pending `next` rejects with the reason, and the stream is told to stop. */
  cancel(reason: unknown): void {
    if (this.#ended) return;
    this.#ended = { reason };
    this.#reject?.(reason);
    this.#cancel(reason);
  }
}

/** Node's own streams, and by their shape those of other copies of them: npm's `readable-stream`, another realm. */
function isReadable(input: unknown): input is Readable {
  if (input instanceof Readable) return true;
  if (typeof input !== "object" || input === null || "getReader" in input) return false;
  const members = input as Partial<Record<keyof Readable, unknown>>;
  return readableMethods.every((name) => typeof members[name] === "function");
}

const readableMethods = ["pipe", "on", "once", "read", "pause", "resume", "destroy", "listenerCount"] as const;

/** Whether the end has been told; `readable-stream` 3 has no `readableEnded`. */
function hasEnded(stream: Readable): boolean {
  const { readableEnded, _readableState: state } = stream as Partial<Readable> & {
    _readableState?: { readonly endEmitted?: boolean };
  };
  return readableEnded ?? state?.endEmitted ?? false;
}

/** A stream that somebody else reads would become a recording without its beginning, or an empty one. */
function checkUnread(stream: Readable, field: string): void {
  if (hasEnded(stream)) throw new InvalidInputError(field, "must be a stream that has not been read to its end");
  if (stream.readableDidRead && stream.readableFlowing)
    throw new InvalidInputError(field, "must be a stream that has not begun to flow to somebody else");
  if (stream.listenerCount("readable") > 0)
    throw new InvalidInputError(field, "must be a stream that nobody reads by its readable event");
}

/** Names the kind of a chunk alone: its content belongs into no message. */
function notBytes(field: string, chunk: unknown): InvalidInputError {
  const kind = typeof chunk === "object" ? "objects" : `${typeof chunk}s`;
  return new InvalidInputError(field, `must be a stream of Uint8Array chunks, not of ${kind}`);
}

function lockedReader(stream: ByteStream, field: string): ReturnType<ByteStream["getReader"]> {
  try {
    return stream.getReader();
  } catch {
    throw new InvalidInputError(field, "must not be locked by another reader");
  }
}

/** What a recording is read from: bytes, or a stream that was taken over. */
export type TakenInput = Uint8Array | ByteSource;

/**
 * Takes a stream over, at once: from this turn of the event loop on nothing of a live one is lost, and whoever has it ends it.
 * @throws InvalidInputError for neither bytes nor a stream that can be read from its beginning
 */
export function takeInput(input: unknown, field: string): TakenInput {
  if (isBytes(input)) return input;
  try {
    if (input instanceof ByteSource) return input;
    if (typeof input === "object" && input !== null) {
      if (isReadable(input) || "getReader" in input || Symbol.asyncIterator in input)
        return new ByteSource(input as RecordingStream, field);
    }
  } catch (error) {
    if (error instanceof InvalidInputError) throw error;
    throw new InvalidInputError(field, `must be something that can be read, and fails: ${textOfThrown(error)}`);
  }
  throw new InvalidInputError(
    field,
    "must be a Uint8Array, a Readable, a ReadableStream or an async iterable of bytes",
    input,
  );
}

/** Takes a stream over before anything is waited for, and ends it where the task fails. @throws as {@link takeInput}, and the task */
export async function withInput<T>(input: unknown, field: string, task: (input: TakenInput) => Promise<T>): Promise<T> {
  const taken = takeInput(input, field);
  try {
    return await task(taken);
  } catch (error) {
    if (taken instanceof ByteSource) taken.cancel(error);
    throw error;
  }
}

type Waiting = { resolve(result: IteratorResult<unknown, undefined>): void; reject(reason: unknown): void };

const end = { done: true, value: undefined } as const;

/**
 * Pulls a Node stream chunk by chunk as it comes. Its own async iterator would join whatever is buffered into one new
 * chunk, which costs a copy of everything.
 */
export function pullReadable(stream: Readable): () => Promise<IteratorResult<unknown, undefined>> {
  const chunks: unknown[] = [];
  let waiting: Waiting | undefined;
  let outcome: { readonly error?: unknown } | undefined;

  const settle = () => {
    const next = waiting;
    if (!next) return;
    if (chunks.length > 0) {
      waiting = undefined;
      next.resolve({ done: false, value: chunks.shift() });
    } else if (outcome) {
      waiting = undefined;
      if ("error" in outcome) next.reject(outcome.error);
      else next.resolve(end);
    }
  };
  const finish = (how: { readonly error?: unknown }) => {
    outcome ??= how;
    settle();
  };

  if (stream.errored) finish({ error: stream.errored });
  else if (hasEnded(stream)) finish({});
  else if (stream.destroyed) finish({ error: prematureClose() });
  stream.pause(); // or the first listener would set it flowing
  stream.on("data", (chunk: unknown) => {
    chunks.push(chunk);
    stream.pause();
    settle();
  });
  stream.once("end", () => finish({}));
  stream.on("error", (error) => finish({ error })); // for good: a second one without a listener would end the process
  stream.once("close", () => finish({ error: prematureClose() }));

  return () =>
    new Promise((resolve, reject) => {
      waiting = { resolve, reject };
      settle();
      if (waiting) stream.resume();
    });
}

function prematureClose(): Error {
  return Object.assign(new Error("the stream was closed before its end"), { code: "ERR_STREAM_PREMATURE_CLOSE" });
}
