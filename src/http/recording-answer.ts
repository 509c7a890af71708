import type { Readable } from "node:stream";
import { InvalidInputError } from "../errors.js";
import type { OtherStream } from "../recording/bodies.js";
import { ByteSource } from "../recording/stream-source.js";
import { ownOptions } from "../util/check-input.js";
import {
  answerHead,
  failureHead,
  type AnswerHead,
  type RangeRequest,
  type RecordingAnswerOptions,
} from "./answer-head.js";

/** The part of an open recording that an answer needs. */
export interface SeekableRecording {
  /** Length of the plaintext in bytes. */
  readonly size: number;
  /** The plaintext from byte `start` up to, and without, byte `end`. */
  stream(range: { start: number; end: number; signal: AbortSignal }): Readable | OtherStream;
}

export interface RecordingAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** `undefined` if nothing follows the headers. */
  readonly body: AnswerBody | undefined;
}

/** As many bytes as `Content-Length` says, or an error. Cut the connection then, or the client takes the part for the whole. */
export interface AnswerBody {
  /** The next chunk, never empty; `undefined` at the end. */
  next(): Promise<Uint8Array | undefined>;
  /** Stops reading the recording. Call it for every body that is not read to its end. */
  cancel(reason?: unknown): void;
}

/**
 * Makes the answer to a request for a recording, for any kind of server: {@link sendRecording} and {@link recordingResponse}
 * use it. Waits for the first bytes, so that a recording that can't be read (KMS refuses, the source is away) is answered
 * with 503 if another try may help, and with 500 otherwise.
 * @param signal - aborts when the client leaves
 * @throws InvalidInputError; `signal.reason`
 */
export async function answerRecordingRequest(
  request: RangeRequest,
  recording: SeekableRecording,
  options: RecordingAnswerOptions,
  signal: AbortSignal,
): Promise<RecordingAnswer> {
  if (
    typeof (recording as Partial<SeekableRecording> | null | undefined)?.stream !== "function" ||
    !Number.isSafeInteger(recording.size)
  ) {
    throw new InvalidInputError(
      "recording",
      "must be open: with a size, and stream({ start, end, signal })",
      recording,
    );
  }
  const own = ownOptions(options);
  const { range, ...head }: AnswerHead = answerHead(request, recording.size, own);
  if (!range) return { ...head, body: undefined };
  const body = new RangeBody(() => recording.stream({ ...range, signal }), range.end - range.start);
  try {
    signal.throwIfAborted();
    signal.addEventListener("abort", () => body.cancel(signal.reason), { once: true });
    await body.begin();
    return { ...head, body };
  } catch (error) {
    body.cancel(error);
    signal.throwIfAborted();
    own.onError?.(error);
    const { status, headers } = failureHead(error, own);
    return { status, headers, body: undefined };
  }
}

class RangeBody implements AnswerBody {
  readonly #open: () => Readable | OtherStream;
  #source: ByteSource | undefined;
  #first: Uint8Array | undefined;
  /** Bytes still to come. */
  #rest: number;

  constructor(open: () => Readable | OtherStream, length: number) {
    this.#open = open;
    this.#rest = length;
  }

  async begin(): Promise<void> {
    this.#source = new ByteSource(this.#open(), "recording.stream");
    this.#first = await this.#pull();
  }

  async next(): Promise<Uint8Array | undefined> {
    const first = this.#first;
    this.#first = undefined;
    return first ?? this.#pull();
  }

  cancel(reason?: unknown): void {
    this.#source?.cancel(reason);
  }

  async #pull(): Promise<Uint8Array | undefined> {
    const chunk = await this.#source?.next();
    this.#rest -= chunk?.length ?? 0;
    if (this.#rest < 0 || (!chunk && this.#rest > 0))
      throw new InvalidInputError("recording.stream", "must give exactly the range it was asked for");
    return chunk;
  }
}
