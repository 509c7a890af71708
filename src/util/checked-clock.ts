import { systemClock, type Clock } from "../clock.js";
import { dropRejection, textOfThrown } from "./safe-cause.js";

type Reading = "now" | "monotonic";

/** Earliest and latest reading that can be used, in ms. A wall clock shows the years 1970 to 9999. */
const usable: Readonly<Record<Reading, readonly [earliest: number, latest: number]>> = {
  now: [0, Date.UTC(10_000, 0, 1) - 1],
  monotonic: [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

/** One reading of a clock that may throw or give anything. */
class CheckedReading {
  readonly #clock: Clock;
  readonly #reading: Reading;
  /** The latest reading that could be used, in ms. */
  #last: number | undefined;
  /** When that was, on the system's monotonic clock, in ms. */
  #lastAt = 0;
  #warned = false;

  constructor(clock: Clock, reading: Reading) {
    this.#clock = clock;
    this.#reading = reading;
  }

  /** In ms. Where the clock gives none: its latest one, and the system's time since; before the first, the system's. */
  read(): number {
    const given = this.#given();
    const at = systemClock.monotonic();
    if (given === undefined)
      return this.#last === undefined ? systemClock[this.#reading]() : this.#last + Math.max(0, at - this.#lastAt);
    this.#last = given;
    this.#lastAt = at;
    return given;
  }

  #given(): number | undefined {
    let given: unknown;
    try {
      given = this.#clock[this.#reading]();
    } catch (error) {
      return this.#unusable(`threw: ${textOfThrown(error)}`);
    }
    const [earliest, latest] = usable[this.#reading];
    if (typeof given === "number" && given >= earliest && given <= latest) return given;
    dropRejection(given);
    return this.#unusable(
      `gave ${typeof given === "number" ? given : `no number but a value of type ${typeof given}`}`,
    );
  }

  #unusable(why: string): undefined {
    if (!this.#warned)
      process.emitWarning(
        `recording-keystore: the injected clock's ${this.#reading}() ${why}; the system's time goes on in its place`,
      );
    this.#warned = true;
    return undefined;
  }
}

/**
 * Holds a clock, which is other people's code, to what {@link Clock} promises: it never throws, tells the wall time in whole ms
 * within the years 1970 to 9999, and its monotonic time never goes back. A clock that fails stops no recording and keeps no
 * private key for longer: the system's time goes on from its latest reading.
 */
class CheckedClock implements Clock {
  readonly #wall: CheckedReading;
  readonly #monotonic: CheckedReading;
  #shown: number | undefined;
  #passed = 0;

  constructor(clock: Clock) {
    this.#wall = new CheckedReading(clock, "now");
    this.#monotonic = new CheckedReading(clock, "monotonic");
  }

  now(): number {
    return Math.floor(this.#wall.read());
  }

  /** Adds up the steps forwards, so that time passes on after one backwards. */
  monotonic(): number {
    const shown = this.#monotonic.read();
    this.#passed += Math.max(0, shown - (this.#shown ?? shown));
    this.#shown = shown;
    return this.#passed;
  }
}

const checked = new WeakMap<Clock, CheckedClock>();

/** The same for the same clock, so that what is shared by clock stays shared. The system's where there is none. */
export function checkedClock(clock: Clock | undefined): Clock {
  if (clock === undefined || clock === systemClock || clock instanceof CheckedClock) return clock ?? systemClock;
  let own = checked.get(clock);
  if (!own) checked.set(clock, (own = new CheckedClock(clock)));
  return own;
}
