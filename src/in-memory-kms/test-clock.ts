import type { Clock } from "../clock.js";

/** A clock that moves only when a test moves it. Share one between key store and in-memory KMS. */
export class TestClock implements Clock {
  #now: number;
  #monotonic = 0;

  /**
   * @param start - wall clock at the start, in ms since the Unix epoch or a `Date`. Default: 1 January 2026 UTC
   * @throws RangeError for a time that is not finite
   */
  constructor(start: number | Date = Date.UTC(2026, 0, 1)) {
    this.#now = checked(Number(start));
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** Moves both clocks forward by `milliseconds`. @throws RangeError for a negative or infinite number */
  advance(milliseconds: number): void {
    if (!(milliseconds >= 0)) throw new RangeError("Time only passes forwards; use set() to turn the wall clock back");
    this.#now = checked(this.#now + milliseconds);
    this.#monotonic += milliseconds;
  }

  /**
   * Sets the wall clock alone, as an administrator or NTP does: the monotonic clock does not move.
   * @param time - in ms since the Unix epoch, or a `Date`
   * @throws RangeError for a time that is not finite
   */
  set(time: number | Date): void {
    this.#now = checked(Number(time));
  }
}

function checked(time: number): number {
  if (!Number.isFinite(time)) throw new RangeError("A clock needs a finite number of milliseconds");
  return time;
}
