/** The call's own deadline has passed. */
export class DeadlineError extends Error {
  override readonly name = "TimeoutError";

  constructor(milliseconds: number) {
    super(`no answer within ${milliseconds} ms`);
  }
}

/** What to do with a result that comes after its caller has left: wipe what it holds. */
export type Discard<T> = (late: T) => void;

/**
 * Waits for work that others may share, or until one's own signal aborts. The work goes on either way.
 * @throws `signal.reason`
 */
export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined, discard?: Discard<T>): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    let left = signal.aborted;
    const leave = () => {
      left = true;
      reject(signal.reason);
    };
    if (left) leave();
    else signal.addEventListener("abort", leave, { once: true });
    const settle = (finish: () => void) => {
      signal.removeEventListener("abort", leave);
      finish();
    };
    work.then(
      (result) => settle(() => (left ? discard?.(result) : resolve(result))),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}

/**
 * Runs a call that ends when it likes, but no later than its deadline or the caller's abort, also if it ignores the
 * controller that it is given and that is aborted then.
 * @param limits - `deadline` in milliseconds
 * @throws DeadlineError, `signal.reason`, or what the call rejects with
 */
export async function boundedCall<T>(
  start: (controller: AbortController) => Promise<T>,
  limits: { deadline: number; signal?: AbortSignal | undefined; discard?: Discard<T> },
): Promise<T> {
  limits.signal?.throwIfAborted();
  const controller = new AbortController();
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new DeadlineError(limits.deadline)), limits.deadline);
  const onAbort = () => stop.abort(limits.signal?.reason);
  limits.signal?.addEventListener("abort", onAbort, { once: true });
  stop.signal.addEventListener("abort", () => controller.abort(stop.signal.reason), { once: true });
  try {
    return await abortable(start(controller), stop.signal, limits.discard);
  } finally {
    clearTimeout(timer);
    limits.signal?.removeEventListener("abort", onAbort);
  }
}

/** What a promise resolves with in `ms` milliseconds; `undefined` when it is late. @throws what it rejects with meanwhile */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), ms)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for a promise, however it ends, but no longer than `ms` milliseconds. */
export async function settledWithin(promise: Promise<unknown>, ms: number): Promise<void> {
  await within(promise, ms).catch(() => undefined);
}

export interface LinkedSignal {
  readonly signal: AbortSignal;
  /** Lets go of the signals behind it. */
  readonly unlink: () => void;
}

/**
 * A signal that aborts with the first of several. Unlike `AbortSignal.any` it leaves nothing behind on a signal that lives
 * longer than the call: a key store or a reader serves millions of them.
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
