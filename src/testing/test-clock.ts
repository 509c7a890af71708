import type { Clock } from "../clock.js";

/**
 * A clock that moves only when a test moves it. Give one to the key store and to the in-memory KMS, and both see the
 * same time.
 */
export class TestClock implements Clock {
  #now: number;
  #monotonic = 0;

  /** @param start Wall clock to begin with, milliseconds since the Unix epoch; 1 January 2026 UTC unless given. */
  constructor(start: number | Date = Date.UTC(2026, 0, 1)) {
    this.#now = checked(Number(start));
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** Lets time pass, on both clocks. */
  advance(milliseconds: number): void {
    if (!(milliseconds >= 0)) throw new RangeError("Time only passes forwards; use set() to turn the wall clock back");
    this.#now = checked(this.#now + milliseconds);
    this.#monotonic += milliseconds;
  }

  /** Sets the wall clock, as an administrator or NTP would: no time passes, the monotonic clock does not move. */
  set(time: number | Date): void {
    this.#now = checked(Number(time));
  }
}

function checked(time: number): number {
  if (!Number.isFinite(time)) throw new RangeError("A clock needs a finite number of milliseconds");
  return time;
}
