import { InvalidInputError } from "../errors.js";
import { boundedCall, DeadlineError, whenAborted } from "../util/abort.js";
import { checkTimes } from "../util/check-times.js";
import { isAbortSignal } from "../util/realms.js";
import { sourceError } from "./source-errors.js";

/** How patient a source is with its server. Times are in ms, 1 to 600,000. */
export interface PatienceOptions {
  /** Attempts per read when the network or the server fails, the first one included: 1 to 10, default 3. */
  attempts?: number | undefined;
  /** Longest time that an attempt may take until all its bytes are there, in ms. Default 10,000. */
  attemptTimeout?: number | undefined;
  /** Longest time that a read may take with all its attempts and pauses, in ms. Default 30,000. */
  deadline?: number | undefined;
}

/** Their names, for those whose options extend them. */
export const patienceOptions = { attempts: true, attemptTimeout: true, deadline: true } as const;

export type Patience = { readonly [K in keyof PatienceOptions]-?: number };

/** @throws InvalidInputError */
export function checkPatience({
  attempts = 3,
  attemptTimeout = 10_000,
  deadline = 30_000,
  signal,
}: PatienceOptions & { signal?: AbortSignal | undefined }): Patience {
  if (signal !== undefined && !isAbortSignal(signal))
    throw new InvalidInputError("signal", "must be an AbortSignal", signal);
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > 10)
    throw new InvalidInputError("attempts", "must be a whole number from 1 to 10", attempts);
  checkTimes({ attemptTimeout, deadline });
  return { attempts, attemptTimeout, deadline };
}

/** Thrown by an attempt that another may repair. `error` is what the caller sees if there is no other attempt. */
export class Retryable {
  /** @param pause - shortest pause that the server asked for, in ms */
  constructor(
    readonly error: Error,
    readonly pause = 0,
  ) {}
}

/** In ms. */
const firstPause = 100;

/**
 * Repeats an idempotent read until it succeeds, fails for good, or patience ends. Pauses grow and are jittered.
 * @throws what the last attempt threw; `signal.reason` at once when the caller aborts
 */
export async function withRetries<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  patience: Patience,
  signal: AbortSignal | undefined,
): Promise<T> {
  const end = performance.now() + patience.deadline;
  for (let made = 1; ; made += 1) {
    const time = Math.max(1, Math.min(patience.attemptTimeout, end - performance.now()));
    try {
      return await boundedCall((controller) => attempt(controller.signal), { deadline: time, signal });
    } catch (thrown) {
      signal?.throwIfAborted();
      const late =
        thrown instanceof DeadlineError
          ? sourceError("ERR_SOURCE_UNAVAILABLE", `the recording's source gave no answer within ${Math.round(time)} ms`)
          : undefined;
      const failure = late ? new Retryable(late) : thrown;
      if (!(failure instanceof Retryable)) throw thrown;
      const pause = Math.max(failure.pause, firstPause * 2 ** (made - 1) * (0.5 + Math.random() / 2));
      if (made >= patience.attempts || performance.now() + pause >= end) throw failure.error;
      await sleep(pause, signal);
    }
  }
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stay();
      resolve();
    }, milliseconds);
    const stay = whenAborted(signal, () => {
      clearTimeout(timer);
      reject(signal?.reason);
    });
  });
}
