import { setMaxListeners } from "node:events";
import { RecordingKeyStoreError } from "../errors.js";
import { linkedSignal, settledWithin, whenAborted } from "../util/abort.js";

/** A result that goes on after its call, such as a streamed body. */
interface GoesOn {
  readonly done?: Promise<unknown>;
}

/** A reader, which stays open between calls. An idle one does not hold `close` up. */
interface StaysOpen {
  readonly closed: Promise<void>;
  /** Fails what is under way with the reason, and closes. */
  end(reason: unknown): Promise<void>;
}

/** Longest time for which an aborted close waits for other people's code that hears no signal, in ms. */
const graceAfterAbort = 1_000;

/** What a key store has under way, so that `close` can wait for it or end it. */
export class OpenWork {
  readonly #open = new Set<Promise<unknown>>();
  readonly #kept = new Set<StaysOpen>();
  readonly #end = unlimitedListeners(new AbortController());
  #closed = false;

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Nothing runs, and nothing stays open. */
  get isIdle(): boolean {
    return this.#open.size + this.#kept.size === 0;
  }

  /**
   * Runs a task under a signal that also ends with `close({ signal })`; a streamed result counts until it is done.
   * @throws RecordingKeyStoreError `ERR_CLOSED`; the signal's reason
   */
  async run<T>(
    signal: AbortSignal | undefined,
    task: (signal: AbortSignal) => Promise<T>,
    streams: boolean,
  ): Promise<T> {
    this.#refuseWhenClosed();
    signal?.throwIfAborted();
    const { signal: both, unlink } = signal
      ? linkedSignal(signal, this.#end.signal)
      : { signal: this.#end.signal, unlink: undefined };
    let done: Promise<unknown> | undefined;
    try {
      const running = task(both); // throws for bad input
      this.#count(running);
      const result = await running;
      done = streams ? (result as GoesOn).done : undefined;
      if (done) this.#count(done);
      return result;
    } finally {
      if (unlink) void (done ?? Promise.resolve()).catch(() => undefined).then(unlink);
    }
  }

  /** Runs a task of a kept reader. @throws RecordingKeyStoreError `ERR_CLOSED` */
  readonly runKept = <T>(task: () => Promise<T>): Promise<T> => {
    this.#refuseWhenClosed();
    const running = task();
    this.#count(running);
    return running;
  };

  /** Keeps a reader until it is closed; `close` waits for what runs on it, and closes it. */
  keep<T extends StaysOpen>(kept: T): T {
    this.#kept.add(kept);
    void kept.closed.catch(() => undefined).then(() => this.#kept.delete(kept));
    return kept;
  }

  /** Waits for what is open or, once the signal aborts, no longer than it takes to end what hears of that. */
  async close(signal: AbortSignal | undefined): Promise<void> {
    this.#closed = true;
    const ended = this.#ended();
    let leave: () => void = () => undefined;
    const aborted = new Promise<void>((resolve) => {
      leave = whenAborted(signal, () => {
        this.#end.abort(signal?.reason);
        for (const kept of this.#kept) void kept.end(signal?.reason).catch(() => undefined);
        resolve();
      });
    });
    await Promise.race([ended, aborted.then(() => settledWithin(ended, graceAfterAbort))]);
    leave();
  }

  async #ended(): Promise<void> {
    while (this.#open.size > 0) await Promise.allSettled([...this.#open]);
    await Promise.all([...this.#kept].map((kept) => kept.end(closedError())));
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw closedError();
  }

  #count(work: Promise<unknown>): void {
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    this.#open.add(settled);
    void settled.finally(() => this.#open.delete(settled));
  }
}

/** Thousands of recordings may be open at once; Node would warn of a leak from the eleventh on. */
function unlimitedListeners(controller: AbortController): AbortController {
  try {
    setMaxListeners(0, controller.signal);
  } catch {
    // A DOM's own signals, as in a test runner, count no listeners.
  }
  return controller;
}

function closedError(): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_CLOSED", "the key store is closed");
}
