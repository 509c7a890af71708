/** A call's own deadline has passed. */
export class DeadlineError extends Error {
  override readonly name = "TimeoutError";

  /** @param deadline - in ms */
  constructor(deadline: number) {
    super(`no answer within ${deadline} ms`);
  }
}

/** Whether a call ended at its own deadline. Takes anything that may have been thrown. */
export function isDeadline(error: unknown): error is DeadlineError {
  try {
    return error instanceof DeadlineError;
  } catch {
    return false; // what can't be looked at, such as a revoked proxy
  }
}

/** What waits for one signal. */
class SignalCallbacks {
  readonly #signal: AbortSignal;
  readonly #callbacks = new Set<{ readonly call: () => void }>();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** @returns a function that takes the callback out again */
  add(call: () => void): () => void {
    const entry = { call };
    if (this.#callbacks.size === 0) this.#signal.addEventListener("abort", this.#onAbort);
    this.#callbacks.add(entry);
    return () => {
      if (this.#callbacks.delete(entry) && this.#callbacks.size === 0) this.#stop();
    };
  }

  #stop(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = () => {
    this.#stop();
    for (const entry of this.#callbacks) {
      this.#callbacks.delete(entry);
      try {
        entry.call();
      } catch (error) {
        // As by an EventTarget: one that throws keeps no other from being called.
        process.nextTick(() => {
          throw error;
        });
      }
    }
  };
}

const callbacksOf = new WeakMap<AbortSignal, SignalCallbacks>();

/**
 * Calls back once when a signal aborts, at once if it already has. However many wait for a signal, it bears one listener,
 * and none once nobody waits: a signal may outlive millions of calls, and Node 20 warns of a leak from the eleventh on.
 * @returns a function that ends the waiting
 */
export function whenAborted(signal: AbortSignal | null | undefined, callback: () => void): () => void {
  if (!signal) return () => undefined;
  if (signal.aborted) {
    callback();
    return () => undefined;
  }
  const callbacks = callbacksOf.get(signal) ?? new SignalCallbacks(signal);
  callbacksOf.set(signal, callbacks);
  return callbacks.add(callback);
}

/** Disposes of a result that comes after its caller has left, such as by wiping what it holds. What it throws is dropped. */
export type Discard<T> = (late: T) => void;

interface BoundedCallOptions<T> {
  /** In ms; `undefined` for none. */
  readonly deadline: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly discard?: Discard<T>;
}

/**
 * Ends a call no later than at its deadline or its caller's abort, even if the call ignores its controller, which is
 * aborted then.
 * @throws DeadlineError, `signal.reason`, or what the call rejects with
 */
export async function boundedCall<T>(
  start: (controller: AbortController) => Promise<T>,
  options: BoundedCallOptions<T>,
): Promise<T> {
  const { deadline, signal, discard } = options;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const stop = new AbortController();
  const timer =
    deadline === undefined ? undefined : setTimeout(() => stop.abort(new DeadlineError(deadline)), deadline);
  const leave = whenAborted(signal, () => stop.abort(signal?.reason));
  whenAborted(stop.signal, () => controller.abort(stop.signal.reason));
  try {
    return await abortable(start(controller), stop.signal, discard);
  } finally {
    clearTimeout(timer);
    leave();
  }
}

/**
 * Waits for work that others may share, or until the caller's own signal aborts. The work goes on either way.
 * @throws `signal.reason`, or what the work rejects with
 */
export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined, discard?: Discard<T>): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    let aborted = false;
    const leave = whenAborted(signal, () => {
      aborted = true;
      reject(signal.reason);
    });
    const settle = (finish: () => void) => {
      leave();
      finish();
    };
    work.then(
      (result) => settle(() => (aborted ? discarded(result, discard) : resolve(result))),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}

function discarded<T>(late: T, discard: Discard<T> | undefined): void {
  try {
    discard?.(late);
  } catch {
    // nobody waits for it any more
  }
}

/** Waits for a promise, however it settles, but no longer than `ms` milliseconds. */
export async function settledWithin(promise: Promise<unknown>, ms: number): Promise<void> {
  await within(promise, ms).catch(() => undefined);
}

/**
 * Runs a task under a signal that also aborts after a time, with a `TimeoutError`. The timer keeps the process alive.
 * @param ms - `undefined` for no limit
 */
export async function withTimeout<T>(
  ms: number | undefined,
  signal: AbortSignal | undefined,
  task: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  if (ms === undefined) return task(signal);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new DOMException(`not done within ${ms} ms`, "TimeoutError")), ms);
  const linked = linkedSignal(signal, late.signal);
  try {
    return await task(linked.signal);
  } finally {
    clearTimeout(timer);
    linked.unlink();
  }
}

/** Result of a promise, or `undefined` after `ms` milliseconds. @throws what the promise rejects with until then */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), ms)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export interface LinkedSignal {
  readonly signal: AbortSignal;
  /** Leaves nothing on the signals that it is linked to. */
  readonly unlink: () => void;
}

/**
 * A signal that aborts with the first of several. Unlike `AbortSignal.any` it leaves nothing on a signal that outlives the
 * call: a key store or a reader serves millions of calls.
 */
export function linkedSignal(...signals: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const controller = new AbortController();
  const links = signals.map((signal) => whenAborted(signal, () => controller.abort(signal?.reason)));
  return {
    signal: controller.signal,
    unlink: () => {
      for (const unlink of links) unlink();
    },
  };
}
