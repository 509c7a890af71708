import { setImmediate } from "node:timers";

/*
 * Encryption and decryption are work for the calling thread, in steps of at most a mebibyte. Between two steps of one
 * recording lie only promises, which do not let the event loop go on: timers, sockets and other recordings would wait until
 * all of it is done. This is about fairness alone; nothing that is encrypted depends on it.
 */

/** So long the event loop may be kept by steps that follow each other, milliseconds. */
const longestTurn = 8;
/** As it was when this was loaded: fake timers would never end a turn. */
const immediately = setImmediate;

/** When the turn of the event loop began in which a step was made; `undefined` before its first. */
let began: number | undefined;
/** Who wants to make a step and has to wait; one goes on per turn, in order. */
const waiting: (() => void)[] = [];

/**
 * Asked before each step: `undefined` when it may be made now, and otherwise a promise of its turn. It may be made then
 * without asking again.
 */
export function loopTurn(): Promise<void> | undefined {
  if (waiting.length === 0) {
    const now = performance.now();
    if (began === undefined) {
      began = now;
      immediately(() => (began = undefined));
    }
    if (now - began < longestTurn) return undefined;
    immediately(goOn);
  }
  return new Promise((resolve) => waiting.push(resolve));
}

/** The next turn of the event loop, however young this one is. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => immediately(resolve));
}

function goOn(): void {
  waiting.shift()?.();
  if (waiting.length > 0) immediately(goOn);
}
