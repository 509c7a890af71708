import { setImmediate } from "node:timers";

/*
 * Encryption and decryption run on the calling thread, in steps of at most 1 MiB. Only promises lie between two steps of
 * a recording, and promises don't let the event loop run: timers, sockets and other recordings would wait for the end.
 * Fairness is all that this file is about; nothing that is encrypted depends on it.
 */

/** Longest time consecutive steps may hold the event loop, in ms. */
const maxHold = 8;
/** The real one, captured at load: under fake timers an iteration would never end. */
const immediately = setImmediate;

/** Start of the first step in this iteration of the event loop; `undefined` before it. */
let firstStepAt: number | undefined;
/** Steps that wait for an iteration of their own, in order. */
const queue: (() => void)[] = [];

/**
 * Called before each step. Returns `undefined` if the step may run now, and otherwise a promise after which it may run
 * without another call.
 */
export function yieldToEventLoop(): Promise<void> | undefined {
  if (queue.length === 0) {
    const now = performance.now();
    if (firstStepAt === undefined) {
      firstStepAt = now;
      immediately(() => (firstStepAt = undefined));
    }
    if (now - firstStepAt < maxHold) return undefined;
    immediately(runNext);
  }
  return new Promise((resolve) => queue.push(resolve));
}

/** Waits, before a step, for the event loop's turn if that is due. @throws the signal's reason */
export async function turnOf(signal: AbortSignal | undefined): Promise<void> {
  await yieldToEventLoop();
  signal?.throwIfAborted();
}

/** Resolves in the next iteration of the event loop, however young this one is. */
export function nextEventLoopIteration(): Promise<void> {
  return new Promise((resolve) => immediately(resolve));
}

function runNext(): void {
  queue.shift()?.();
  if (queue.length > 0) immediately(runNext);
}
