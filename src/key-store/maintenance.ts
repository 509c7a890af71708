import { hasPassed, momentOf, type Clock, type Moment } from "../clock.js";

/** A key store's background work. */
export interface Maintained {
  /** Time until it is due, in ms; `undefined` where the key store does it by itself. */
  readonly dueIn: number | undefined;
  /** Does what is due. Never rejects. */
  maintain(): Promise<void>;
}

/** Longest pause between two rounds, whatever `dueIn` said, in ms. */
const longestPause = 3_600_000;
/** Shortest pause after a round, even one that changed nothing, in ms. */
const shortestPause = 15_000;
/** Longest time to the first round, in ms: drawn at random, so that a process that starts does not call for all at once. */
const firstWithin = 60_000;
/** Largest share by which a pause is prolonged at random. */
const jitter = 0.1;

/** The schedule of one key store's background work. */
export class Maintenance {
  readonly #keyStore: Maintained;
  readonly #clock: Clock;
  #since: Moment;
  #pause = Math.random() * firstWithin;
  #running = false;

  constructor(keyStore: Maintained, clock: Clock) {
    this.#keyStore = keyStore;
    this.#clock = clock;
    this.#since = momentOf(clock);
  }

  /** Whether a round is due. Cheap until then; work done meanwhile by a recording postpones it. */
  isDue(): boolean {
    if (this.#running || !hasPassed(this.#since, this.#pause, this.#clock)) return false;
    const { dueIn } = this.#keyStore;
    if (dueIn !== undefined && dueIn <= 0) return true;
    this.#pauseFor(dueIn ?? longestPause);
    return false;
  }

  async run(): Promise<void> {
    this.#running = true;
    await this.#keyStore.maintain();
    this.#running = false;
    this.#pauseFor(Math.max(shortestPause, this.#keyStore.dueIn ?? longestPause));
  }

  #pauseFor(milliseconds: number): void {
    this.#since = momentOf(this.#clock);
    this.#pause = Math.min(milliseconds, longestPause) * (1 + jitter * Math.random());
  }
}
