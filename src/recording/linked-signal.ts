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
