/** Where the library takes time from. Inject `TestClock` from `recording-keystore/testing` to move it in tests. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch (UTC). May jump. */
  now(): number;
  /** Milliseconds of a clock that never goes backwards; its origin has no meaning. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** One instant on both clocks: a wall clock may jump, a monotonic one may sleep with the machine. */
export interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

export function momentOf(clock: Clock): Moment {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}

/** Whether more than `ms` have passed since `moment` on either clock, or the wall clock was set back. */
export function hasPassed(moment: Moment, ms: number, clock: Clock): boolean {
  return elapsedSince(moment, clock) >= ms;
}

/** Milliseconds since `moment` on the clock that says more; `Infinity` if the wall clock was set back behind it. */
export function elapsedSince(moment: Moment, clock: Clock): number {
  const wall = clock.now() - moment.wall;
  return wall < 0 ? Infinity : Math.max(wall, clock.monotonic() - moment.monotonic);
}
