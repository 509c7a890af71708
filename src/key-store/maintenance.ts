import type { Clock } from "../clock.js";
import { hasPassed, momentOf, type Moment } from "../clock.js";

/** Something that has work to do from time to time. */
export interface Upkept {
  /** In how many milliseconds; `undefined` if somebody else sees to it. */
  readonly upkeepIn: number | undefined;
  /** Never rejects. */
  keepUp(): Promise<void>;
}

/** It is looked at so often at least, whatever it said, milliseconds. */
const longestPause = 3_600_000;
/** A newcomer's first turn comes within so many milliseconds: those of a process that starts do not come at once. */
const firstWithin = 60_000;
/** So much is added to each pause at most, by chance. */
const jitter = 0.1;

/** When the next turn of one organization is. */
export class Upkeep {
  readonly #kept: Upkept;
  readonly #clock: Clock;
  #since: Moment;
  #pause = Math.random() * firstWithin;
  #running = false;

  constructor(kept: Upkept, clock: Clock) {
    this.#kept = kept;
    this.#clock = clock;
    this.#since = momentOf(clock);
  }

  /** Cheap while its turn has not come. Something that was seen to meanwhile (a recording was made) gets a new turn. */
  isDue(): boolean {
    if (this.#running || !hasPassed(this.#since, this.#pause, this.#clock)) return false;
    const { upkeepIn } = this.#kept;
    if (upkeepIn !== undefined && upkeepIn <= 0) return true;
    this.#pauseFor(upkeepIn ?? longestPause);
    return false;
  }

  async run(): Promise<void> {
    this.#running = true;
    await this.#kept.keepUp();
    this.#running = false;
    this.#pauseFor(Math.max(shortestPause, this.#kept.upkeepIn ?? longestPause));
  }

  #pauseFor(milliseconds: number): void {
    this.#since = momentOf(this.#clock);
    this.#pause = Math.min(milliseconds, longestPause) * (1 + jitter * Math.random());
  }
}

/** After a turn there is a pause, also if it changed nothing. */
const shortestPause = 15_000;
