import { scheduler } from "node:timers/promises";

/*
 * Encryption and decryption run on the calling thread, in steps of at most 1 MiB. Only promises lie between two steps of
 * a recording, and promises don't let the event loop run: timers, sockets and other recordings would wait for the end.
 * Fairness is all that this file is about; nothing that is encrypted depends on it.
 */

/** Longest time consecutive steps may hold the event loop, in ms. */
const maxHold = 8;

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
      void nextEventLoopIteration().then(() => (firstStepAt = undefined));
    }
    if (now - firstStepAt < maxHold) return undefined;
    void nextEventLoopIteration().then(runNext);
  }
  return new Promise((resolve) => queue.push(resolve));
}

/** Waits, before a step, for the event loop's turn if that is due. @throws the signal's reason */
export async function turnOf(signal: AbortSignal | undefined): Promise<void> {
  await yieldToEventLoop();
  signal?.throwIfAborted();
}

/**
 * Resolves in the next iteration of the event loop, however young this one is. Not by `setImmediate`: test runners fake that, also
 * before this file is loaded, and an iteration would never end.
 */
export function nextEventLoopIteration(): Promise<void> {
  return scheduler.yield();
}

function runNext(): void {
  queue.shift()?.();
  if (queue.length > 0) void nextEventLoopIteration().then(runNext);
}
