import { whenAborted } from "./abort.js";

/** Who takes slots. Told apart by identity. */
export type Party = object;

interface Waiting {
  readonly party: Party;
  readonly enter: () => void;
}

/** Share of the slots that is left to parties that have none. */
const reserveShare = 1 / 4;

/**
 * Slots that parties share fairly: whoever has the fewest is next, and the last ones go to parties that have none, so that a
 * party with any number of calls, however long they take, holds up no other.
 */
export class FairSlots {
  readonly #size: number;
  readonly #reserve: number;
  readonly #taken = new Map<Party, number>();
  readonly #queue = new Set<Waiting>();
  #free: number;

  constructor(size: number) {
    this.#size = size;
    this.#free = size;
    this.#reserve = Math.floor(size * reserveShare);
  }

  get taken(): number {
    return this.#size - this.#free;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** Takes a slot if that needs no waiting. */
  tryTake(party: Party): boolean {
    if (!this.#mayTake(party)) return false;
    this.#take(party);
    return true;
  }

  /** @throws `signal.reason` when the caller aborts while it waits */
  take(party: Party, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.tryTake(party)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const leave = whenAborted(signal, () => {
        this.#queue.delete(waiting);
        reject(signal.reason);
      });
      const enter = () => {
        leave();
        resolve();
      };
      const waiting = { party, enter };
      this.#queue.add(waiting);
    });
  }

  release(party: Party): void {
    const left = this.#takenBy(party) - 1;
    if (left > 0) this.#taken.set(party, left);
    else this.#taken.delete(party);
    this.#free += 1;
    for (let next = this.#next(); next && this.#mayTake(next.party); next = this.#next()) {
      this.#queue.delete(next);
      this.#take(next.party);
      next.enter();
    }
  }

  /** Of those who wait for longest, the one whose party has the fewest slots. */
  #next(): Waiting | undefined {
    let next: Waiting | undefined;
    let fewest = Infinity;
    for (const waiting of this.#queue) {
      const taken = this.#takenBy(waiting.party);
      if (taken >= fewest) continue;
      [next, fewest] = [waiting, taken];
      if (fewest === 0) break;
    }
    return next;
  }

  #mayTake(party: Party): boolean {
    return this.#free > (this.#taken.has(party) ? this.#reserve : 0);
  }

  #take(party: Party): void {
    this.#taken.set(party, this.#takenBy(party) + 1);
    this.#free -= 1;
  }

  #takenBy(party: Party): number {
    return this.#taken.get(party) ?? 0;
  }
}
