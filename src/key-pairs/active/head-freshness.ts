import { hasPassed, momentOf, type Moment } from "../../clock.js";
import type { KeyPairContext } from "../context.js";
import type { ClaimedKeyPair } from "../key-pair.js";
import type { ClaimedHead } from "../records.js";

type Parts = Pick<KeyPairContext, "organizationId" | "records" | "feed" | "clock" | "times">;

/** When the store's head was read, and whether it is to be read again. */
export class HeadFreshness {
  readonly #parts: Parts;
  #readAt: Moment | undefined;
  /** What the latest good read has found, and when it began. */
  #found: { readonly digest: Buffer; readonly at: Moment } | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** When the head was last read, well or not; `undefined` if never. */
  get readAt(): Moment | undefined {
    return this.#readAt;
  }

  /** Takes note that a read is over, well or not, or that the head is known otherwise. */
  noteRead(): void {
    this.#readAt = momentOf(this.#parts.clock);
  }

  /** Takes note of what a read has found. @param began - when it was begun */
  noteFound(head: ClaimedHead | undefined, began: Moment): void {
    this.#found = head && { digest: head.digest, at: began };
  }

  /**
   * Whether the head is to be read again, as far as is known without asking anybody.
   * @param held - the pair in use, where the feed's word that the head still names it is enough
   */
  isStale(held: ClaimedKeyPair | undefined): boolean {
    const { clock, feed, times } = this.#parts;
    if (!this.#readAt) return true;
    if (!hasPassed(this.#readAt, times.headTtl, clock)) return false;
    const question = this.#questionAbout(held);
    return !(question && feed?.isUnchanged(question));
  }

  /** Whether the head still names the pair in use, by the store's feed of changes. Never rejects. */
  async isUnchanged(held: ClaimedKeyPair | undefined): Promise<boolean> {
    const { feed, records } = this.#parts;
    const question = this.#questionAbout(held);
    return question !== undefined && feed !== undefined && feed.askUnchanged(question, records.timeout);
  }

  #questionAbout(held: ClaimedKeyPair | undefined) {
    const { organizationId, times } = this.#parts;
    if (times.headTtl === 0 || !held || !this.#found?.digest.equals(held.digest)) return undefined;
    return { organizationId, readAt: this.#found.at, headTtl: times.headTtl };
  }
}
