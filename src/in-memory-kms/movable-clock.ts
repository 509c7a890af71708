import { systemClock, type Clock } from "../clock.js";

/** A clock that can be told to move, as a `TestClock` can. */
export interface Movable extends Clock {
  advance(milliseconds: number): void;
  set(time: number): void;
}

export function isMovable(clock: Clock): clock is Movable {
  const { advance, set } = clock as Partial<Movable>;
  return typeof advance === "function" && typeof set === "function";
}

/** The system's clock, which runs on by itself, and which can be moved ahead and turned. */
export class MovableClock implements Movable {
  #ahead = 0;
  #passed = 0;

  now(): number {
    return systemClock.now() + this.#ahead;
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#passed;
  }

  advance(milliseconds: number): void {
    if (!(milliseconds >= 0 && Number.isFinite(milliseconds))) throw new RangeError("Time only passes forwards");
    this.#ahead += milliseconds;
    this.#passed += milliseconds;
  }

  set(time: number): void {
    if (!Number.isFinite(time)) throw new RangeError("A clock needs a finite number of milliseconds");
    this.#ahead = time - systemClock.now();
  }

  /** Shows the system's time again. What has passed has passed. */
  reset(): void {
    this.#ahead = 0;
  }
}
