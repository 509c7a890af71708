/** Source of time. Inject `TestClock` from `recording-keystore/testing` to move time in tests. */
export interface Clock {
  /** Wall clock, in ms since the Unix epoch (UTC). May jump. */
  now(): number;
  /** Clock that never goes backwards, in ms. Its origin has no meaning. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** An instant on both clocks: a wall clock may jump, a monotonic clock may stand still while the machine sleeps. */
export interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

export function momentOf(clock: Clock): Moment {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}

/** Whether at least `ms` milliseconds have passed since `moment` on either clock, or the wall clock was set back. */
export function hasPassed(moment: Moment, ms: number, clock: Clock): boolean {
  return elapsedSince(moment, clock) >= ms;
}

/** Time since `moment` on the clock that shows more, in ms. `Infinity` if the wall clock was set back behind `moment`. */
export function elapsedSince(moment: Moment, clock: Clock): number {
  const wall = clock.now() - moment.wall;
  return wall < 0 ? Infinity : Math.max(wall, clock.monotonic() - moment.monotonic);
}
