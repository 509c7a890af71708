/**
 * Source of time. Inject `TestClock` from `recording-keystore/testing` to move time in tests. Where a method throws or gives no
 * usable number, the system's time goes on from its latest reading, and the process warns once.
 */
export interface Clock {
  /** Wall clock, in ms since the Unix epoch (UTC), of the years 1970 to 9999. May jump. Fractions are dropped. */
  now(): number;
  /** Clock that never goes backwards, in ms. Its origin has no meaning. A step backwards counts as no time. */
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
  const now = momentOf(clock);
  return now.wall < moment.wall ? Infinity : between(moment, now);
}

/** As {@link elapsedSince}, for what a wall clock that was set back must not end: then the monotonic clock alone counts. */
export function knownElapsed(moment: Moment, clock: Clock): number {
  return between(moment, momentOf(clock));
}

function between(from: Moment, to: Moment): number {
  return Math.max(to.wall - from.wall, to.monotonic - from.monotonic);
}

/** Longest time by which clocks of different hosts are taken to differ, in ms: as AWS does for signatures. */
const longestSkew = 300_000;

/** Whether a time, in ms since the Unix epoch, that is said to have been lies ahead: some clock was wrong, and it tells nothing. */
export function isAhead(time: number, clock: Pick<Clock, "now">): boolean {
  return time - clock.now() > longestSkew;
}
