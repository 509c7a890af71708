import type { Readable } from "node:stream";
import { InvalidInputError } from "../errors.js";
import type { OtherStream } from "../recording/bodies.js";
import { ByteSource } from "../recording/stream-source.js";
import { whenAborted } from "../util/abort.js";

/** As many bytes as `Content-Length` says, or an error. Cut the connection then, or the client takes the part for the whole. */
export interface AnswerBody {
  /** The next chunk, never empty; `undefined` at the end. */
  next(): Promise<Uint8Array | undefined>;
  /** Stops reading the recording. Call it for every body that is not read to its end. */
  cancel(reason?: unknown): void;
}

export interface RangeBodyInit {
  /** Begins to read; the signal ends it. */
  readonly open: (signal: AbortSignal) => Readable | OtherStream;
  /** In bytes. */
  readonly length: number;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal | undefined;
  /** Called once, when nothing more will be read, for whatever reason. */
  readonly ended: () => void;
}

export class RangeBody implements AnswerBody {
  readonly #init: RangeBodyInit;
  readonly #stop = new AbortController();
  #leave: () => void = () => undefined;
  #ended = false;
  #source: ByteSource | undefined;
  #first: Uint8Array | undefined;
  /** Bytes still to come. */
  #rest: number;

  constructor(init: RangeBodyInit) {
    this.#init = init;
    this.#rest = init.length;
  }

  /** Waits for the first chunk. */
  async begin(): Promise<void> {
    const { open, signal } = this.#init;
    this.#leave = whenAborted(signal, () => this.cancel(signal?.reason));
    try {
      this.#stop.signal.throwIfAborted();
      this.#source = new ByteSource(open(this.#stop.signal), "recording.stream");
    } catch (error) {
      this.cancel(error);
      throw error;
    }
    this.#first = await this.#pull();
  }

  async next(): Promise<Uint8Array | undefined> {
    const first = this.#first;
    this.#first = undefined;
    return first ?? this.#pull();
  }

  cancel(reason?: unknown): void {
    if (this.#ended) return;
    this.#first = undefined;
    this.#source?.cancel(reason);
    this.#stop.abort(reason);
    this.#end();
  }

  async #pull(): Promise<Uint8Array | undefined> {
    try {
      const chunk = await this.#source?.next();
      this.#rest -= chunk?.length ?? 0;
      if (this.#rest < 0 || (!chunk && this.#rest > 0))
        throw new InvalidInputError("recording.stream", "must give exactly the range it was asked for");
      if (!chunk) this.#end();
      return chunk;
    } catch (error) {
      this.cancel(error);
      throw error;
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#leave();
    this.#init.ended();
  }
}
