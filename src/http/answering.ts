import type { Readable } from "node:stream";
import { InvalidInputError } from "../errors.js";
import type { OtherStream } from "../recording/bodies.js";
import { ownOptions } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import { member } from "../util/safe-cause.js";
import {
  answerHead,
  checkAnswerOptions,
  failureHead,
  type RangeRequest,
  type RecordingAnswerOptions,
} from "./answer-head.js";
import { RangeBody, type AnswerBody } from "./range-body.js";

/** The part of an open recording that an answer needs. */
export interface SeekableRecording {
  /** Length of the plaintext in bytes. */
  readonly size: number;
  /** The plaintext from byte `start` up to, and without, byte `end`. */
  stream(range: { start: number; end: number; signal: AbortSignal }): Readable | OtherStream;
  /** Called for `closeWhenDone` only. */
  close?(): unknown;
}

export interface RecordingAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** `undefined` if nothing follows the headers. */
  readonly body: AnswerBody | undefined;
}

/** One answer, from its request until it is done. Reads each member of recording and options once. */
export class Answering {
  readonly #options: RecordingAnswerOptions;
  readonly #recording: Partial<SeekableRecording>;
  #body: RangeBody | undefined;
  #ended: Promise<void> | undefined;

  constructor(recording: SeekableRecording, options: RecordingAnswerOptions) {
    this.#options = ownOptions(options);
    const given: object = typeof recording === "object" && recording !== null ? recording : {};
    const [size, stream, close] = ["size", "stream", "close"].map((name) => member(given, name));
    this.#recording = defined({
      size: size as number | undefined,
      stream: typeof stream === "function" ? (stream as SeekableRecording["stream"]).bind(given) : undefined,
      close: typeof close === "function" ? (close as () => unknown).bind(given) : undefined,
    });
  }

  /** @throws InvalidInputError; `signal.reason`. Whoever calls ends it then */
  async answer(request: RangeRequest, signal: AbortSignal | undefined): Promise<RecordingAnswer> {
    const options = checkAnswerOptions(this.#options);
    const { size, stream } = this.#checkedRecording();
    signal?.throwIfAborted();
    const { range, ...head } = answerHead(request, size, options);
    if (!range) {
      void this.end();
      return { ...head, body: undefined };
    }
    const body = new RangeBody({
      open: (stop) => stream({ ...range, signal: stop }),
      length: range.end - range.start,
      signal,
      ended: () => void this.end(),
    });
    this.#body = body;
    try {
      await body.begin();
      return { ...head, body };
    } catch (error) {
      signal?.throwIfAborted();
      this.report(error);
      return { ...failureHead(error, options), body: undefined };
    }
  }

  /** Tells `onError`. What it throws is nobody's to catch. */
  report(error: unknown): void {
    void (async () => this.#options.onError?.(error))().catch(() => undefined);
  }

  /** Stops reading, if anything is read; closes the recording where that was asked for; tells `onDone`. All of it once. */
  end(reason?: unknown): Promise<void> {
    this.#body?.cancel(reason);
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    const { closeWhenDone, onDone } = this.#options;
    for (const step of [closeWhenDone === true ? this.#recording.close : undefined, onDone]) {
      try {
        await step?.();
      } catch (error) {
        this.report(error);
      }
    }
  }

  #checkedRecording(): Pick<SeekableRecording, "size" | "stream"> {
    const { size, stream, close } = this.#recording;
    if (!stream || typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
      throw new InvalidInputError("recording", "must be open: with a size, and stream({ start, end, signal })");
    if (this.#options.closeWhenDone === true && !close)
      throw new InvalidInputError("recording", "must have a method close, for closeWhenDone");
    return { size, stream };
  }
}
