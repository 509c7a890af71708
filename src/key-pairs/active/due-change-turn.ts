import { setTimeout as sleep } from "node:timers/promises";
import { elapsedSince, hasPassed, momentOf, type Moment } from "../../clock.js";
import { RecordingKeyStoreError } from "../../errors.js";
import { abortable } from "../../util/abort.js";
import type { KeyPairContext } from "../context.js";
import type { ClaimedKeyPair } from "../key-pair.js";
import { ChangeClaims } from "./change-claims.js";

/** Pauses between two looks whether another worker has made the change, in ms. */
const firstPause = 50;
const longestPause = 1_000;
/** Most looks at a new head of which the fleet has not said yet that KMS vouches for it. */
const looksForWord = 5;

type Parts = Pick<KeyPairContext, "records" | "fleet" | "clock">;

/** Whose turn it is to make a due change: one worker's of the fleet at a time. */
export class DueChangeTurn {
  readonly #parts: Parts;
  readonly #claims: ChangeClaims;
  /** When another worker's claim was met in the background, and for how long it is respected, in ms. */
  #another: { readonly since: Moment; readonly left: number } | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#claims = new ChangeClaims(parts.records, parts.fleet.secret, parts.clock);
  }

  /** What is left of another worker's claim, in ms. */
  get left(): number {
    return this.#another ? this.#another.left - elapsedSince(this.#another.since, this.#parts.clock) : -Infinity;
  }

  /** Whether another worker's claim was met, and nothing has been done since. */
  get wasAnothers(): boolean {
    return this.#another !== undefined;
  }

  /** Lets another worker have its turn at once, after a failure. Never rejects. */
  giveUp(): Promise<void> {
    return this.#claims.giveUp();
  }

  /** Whether it is this worker's turn. Waits for nobody. */
  async take(pair: ClaimedKeyPair): Promise<boolean> {
    const left = await this.#claims.claim(pair);
    this.#another = left > 0 ? { since: momentOf(this.#parts.clock), left } : undefined;
    return left <= 0;
  }

  /**
   * Waits until it is this worker's turn, or another has made the change. The time is that of the key store's clock, and no
   * more than that of the machine.
   * @throws the signal's reason
   */
  async wait(pair: ClaimedKeyPair, signal?: AbortSignal): Promise<void> {
    for (;;) {
      const left = await this.#claims.claim(pair, signal);
      if (left <= 0 || (await this.#isChangedWithin(left, pair, signal))) return;
    }
  }

  async #isChangedWithin(time: number, pair: ClaimedKeyPair, signal: AbortSignal | undefined): Promise<boolean> {
    const { clock } = this.#parts;
    const since = momentOf(clock);
    let [slept, pause, looks] = [0, firstPause, 0];
    while (slept < time && !hasPassed(since, time, clock)) {
      await abortable(sleep(pause), signal);
      slept += pause;
      pause = Math.min(longestPause, 2 * pause);
      const head = await this.#newHead(pair, signal);
      if (head !== undefined && ((await this.#isTold(head)) || ++looks === looksForWord)) return true;
    }
    return false;
  }

  /** Sequence of the pair that the head names, where that is another one. A store that fails says nothing. */
  async #newHead(pair: ClaimedKeyPair, signal: AbortSignal | undefined): Promise<number | undefined> {
    try {
      const head = await this.#parts.records.readHead(signal);
      return !head || head.digest.equals(pair.digest) ? undefined : head.sequence;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof RecordingKeyStoreError) return undefined;
      throw error;
    }
  }

  /** Whether the fleet has said that KMS vouches for the new pair, so that this worker need not ask; without a secret it can't. */
  async #isTold(sequence: number): Promise<boolean> {
    const { fleet } = this.#parts;
    return !fleet.secret || ((await fleet.word())?.sequence ?? 0) >= sequence;
  }
}
