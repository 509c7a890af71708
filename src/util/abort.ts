/** A call's own deadline has passed. */
export class DeadlineError extends Error {
  override readonly name = "TimeoutError";

  /** @param deadline - in ms */
  constructor(deadline: number) {
    super(`no answer within ${deadline} ms`);
  }
}

/** Disposes of a result that comes after its caller has left, such as by wiping what it holds. */
export type Discard<T> = (late: T) => void;

interface BoundedCallOptions<T> {
  /** In ms. */
  readonly deadline: number;
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
  const timer = setTimeout(() => stop.abort(new DeadlineError(deadline)), deadline);
  const onAbort = () => stop.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  stop.signal.addEventListener("abort", () => controller.abort(stop.signal.reason), { once: true });
  try {
    return await abortable(start(controller), stop.signal, discard);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * Waits for work that others may share, or until the caller's own signal aborts. The work goes on either way.
 * @throws `signal.reason`, or what the work rejects with
 */
export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined, discard?: Discard<T>): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    let aborted = signal.aborted;
    const onAbort = () => {
      aborted = true;
      reject(signal.reason);
    };
    if (aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    const settle = (finish: () => void) => {
      signal.removeEventListener("abort", onAbort);
      finish();
    };
    work.then(
      (result) => settle(() => (aborted ? discard?.(result) : resolve(result))),
      (error: unknown) => settle(() => reject(error)),
    );
  });
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
  /** Removes the listeners from the signals that it is linked to. */
  readonly unlink: () => void;
}

/**
 * A signal that aborts with the first of several. Unlike `AbortSignal.any` it leaves nothing on a signal that outlives the
 * call: a key store or a reader serves millions of calls.
 */
export function linkedSignal(...signals: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const controller = new AbortController();
  const links = signals.flatMap((signal) =>
    signal ? [{ signal, onAbort: () => controller.abort(signal.reason) }] : [],
  );
  for (const { signal, onAbort } of links) {
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
  }
  return {
    signal: controller.signal,
    unlink: () => {
      for (const { signal, onAbort } of links) signal.removeEventListener("abort", onAbort);
    },
  };
}
