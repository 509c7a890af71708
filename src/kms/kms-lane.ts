import type { Clock } from "../clock.js";

/** Longest time of a call that is no trouble, in ms. An answer of KMS takes some 10 to 300. */
const slowAfter = 1_000;
/** Number of quick answers in a row that end the trouble: a KMS key that stutters answers quickly now and then. */
const quickAnswersNeeded = 8;
/** Making RSA key pairs takes seconds, which is no trouble. */
const isSlowByNature = (operation: string) => operation.startsWith("GenerateDataKeyPair");

/** How an organization's calls about one KMS key fare. In trouble from a slow or missing answer until several quick ones. */
export class KmsLane {
  readonly #clock: Clock;
  /** Beginnings of the calls under way that should be quick, oldest first. */
  readonly #underWay = new Set<{ readonly at: number }>();
  #quickAnswersLacking = 0;
  /** Number of calls that wait or are under way. */
  calls = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the latest calls were slow, or one is under way for too long already. */
  get inTrouble(): boolean {
    const [oldest] = this.#underWay;
    return this.#quickAnswersLacking > 0 || (oldest !== undefined && this.#isSlow(oldest));
  }

  /** Begins a call. @returns a function to say that it has ended, and how: an abort tells nothing about KMS */
  begin(operation: string): (how: "answered" | "unanswered" | "aborted") => void {
    const timed = !isSlowByNature(operation);
    const began = { at: this.#clock.monotonic() };
    if (timed) this.#underWay.add(began);
    return (how) => {
      this.#underWay.delete(began);
      if (how === "unanswered" || (timed && this.#isSlow(began))) this.#quickAnswersLacking = quickAnswersNeeded;
      else if (how === "answered" && timed && this.#quickAnswersLacking > 0) this.#quickAnswersLacking -= 1;
    };
  }

  #isSlow({ at }: { readonly at: number }): boolean {
    return this.#clock.monotonic() - at >= slowAfter;
  }
}
