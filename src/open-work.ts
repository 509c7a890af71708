import { setMaxListeners } from "node:events";

/** Something that goes on after the call that began it: a streamed body. */
interface GoesOn {
  readonly done?: Promise<unknown>;
}

/** What a key store has under way, so that `close` can wait for it or end it. */
export class OpenWork {
  readonly #open = new Set<Promise<unknown>>();
  readonly #end = unlimitedListeners(new AbortController());
  #closed = false;

  get closed(): boolean {
    return this.#closed;
  }

  /** Runs a task under a signal that also ends with `close({ signal })`; a streamed result counts until it is done. */
  async run<T>(signal: AbortSignal | undefined, task: (signal: AbortSignal) => Promise<T>, streams: boolean): Promise<T> {
    const both = signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal;
    const running = task(both);
    this.#count(running);
    const result = await running;
    const done = streams ? (result as GoesOn).done : undefined;
    if (done) this.#count(done);
    return result;
  }

  async close(signal: AbortSignal | undefined): Promise<void> {
    this.#closed = true;
    const end = () => this.#end.abort(signal?.reason);
    if (signal?.aborted) end();
    signal?.addEventListener("abort", end, { once: true });
    while (this.#open.size > 0) await Promise.allSettled([...this.#open]);
    signal?.removeEventListener("abort", end);
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
  setMaxListeners(0, controller.signal);
  return controller;
}
