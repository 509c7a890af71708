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
