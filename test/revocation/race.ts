import { setTimeout as sleep } from "node:timers/promises";
import { ways, type Player, type Way } from "./player.js";

/** What a process has seen of a withdrawal, in ms of its own monotonic clock. */
export interface RaceReport {
  /** How long after it was told the last part was begun that could still be played; negative for before. */
  readonly last: Readonly<Record<Way, number>>;
  /** Parts played before and after. */
  readonly played: readonly [before: number, after: number];
  /** Whatever should not have been. */
  readonly faults: readonly string[];
}

/**
 * Plays all the time, by the system's clock, and holds every part that could be played against the latest unwrapping of the
 * private key: it began no later than `ttl` after that was asked for, or was waiting for the answer.
 */
export class Race {
  readonly #player: Player;
  readonly #ttl: number;
  readonly #last: Record<Way, number> = { bytes: -Infinity, reader: -Infinity, stream: -Infinity };
  readonly #faults: string[] = [];
  #running: Promise<unknown> = Promise.resolve();
  #unwrapping = { asked: -Infinity, answered: -Infinity };
  #withdrawn = Infinity;
  #before = 0;
  #after = 0;

  constructor(player: Player, ttl: number) {
    this.#player = player;
    this.#ttl = ttl;
    player.keyStore.observe({
      started: ({ operation }) => {
        const asked = performance.now();
        return operation === "unwrapPrivateKey"
          ? { ended: ({ error }) => !error && this.#unwrapped(asked) }
          : undefined;
      },
    });
  }

  /** Resolves when something was played each way. */
  async start(): Promise<void> {
    await this.#player.open();
    this.#running = Promise.all(ways.map((way) => this.#playUntilRefused(way)));
    while (Object.values(this.#last).includes(-Infinity)) await sleep(5);
  }

  /** KMS has withdrawn the key. Resolves when nothing is played any more. */
  async withdrawn(): Promise<RaceReport> {
    const withdrawn = (this.#withdrawn = performance.now());
    await this.#running;
    const last = Object.fromEntries(ways.map((way) => [way, this.#last[way] - withdrawn])) as Record<Way, number>;
    return { last, played: [this.#before, this.#after], faults: this.#faults };
  }

  #unwrapped(asked: number): void {
    this.#unwrapping = { asked, answered: performance.now() };
    if (asked >= this.#withdrawn) this.#faults.push(`KMS unwrapped what was asked for after the withdrawal`);
  }

  async #playUntilRefused(way: Way): Promise<void> {
    for (;;) {
      // Streams come so slowly that each of them outlives the time to live.
      await sleep(this.#ttl / (way === "stream" ? 50 : 200));
      const begun = performance.now();
      const outcome = await this.#player.outcome(way);
      if (outcome !== "ok") {
        if (outcome !== "ERR_KMS_REFUSED") this.#faults.push(`${way}: ${outcome}`);
        return;
      }
      this.#last[way] = begun;
      if (begun < this.#withdrawn) this.#before += 1;
      else this.#after += 1;
      const { asked, answered } = this.#unwrapping;
      if (begun >= asked + this.#ttl && begun > answered)
        this.#faults.push(`${way}: played ${begun - asked} ms after KMS was asked to unwrap the key`);
    }
  }
}
