import { hasPassed, momentOf, type Clock, type Moment } from "../../clock.js";
import type { HeadChanges, KeyPairStore } from "../../stores/key-pair-store.js";
import { settledWithin } from "../../util/abort.js";
import { member } from "../../util/safe-cause.js";
import { corrupt, itemsOf, memberOf } from "../store-answers.js";
import { callStore } from "../store-call.js";

/*
 * One look at what a store tells of its heads stands for reading the head of each organization. It is a claim, like everything in
 * the store: it saves reads and decides nothing. Who can keep a change from it could as well keep the head from changing, and delays
 * the other workers by `longestTrust` at most.
 */

/** Time for which a head is relied on by the feed's word alone, in ms. Then it is read all the same. */
export const longestTrust = 3_600_000;
/** Time for which a head that was announced to change is read as if there were no feed, in ms: twice what the store's contract gives a swap. */
export const settlingTime = 60_000;
/** Time after which nobody waits for a look, in ms. It still counts when it comes. */
const patience = 500;
/** Most announcements remembered one by one. */
const mostAnnounced = 100_000;

/** When a head was read, and how it is asked for. */
interface HeadQuestion {
  readonly organizationId: string;
  /** When the read began. */
  readonly readAt: Moment;
  /** Oldest look that counts, in ms. */
  readonly headTtl: number;
}

/** What a process knows of the changes to the heads of one store. */
export class HeadFeed {
  readonly #store: Pick<KeyPairStore, "headChanges">;
  readonly #clock: Clock;
  #cursor: string | undefined;
  /** When the latest good look began: what was announced before is known. */
  #lookedAt: Moment | undefined;
  /** When the latest look began, good or not. */
  #triedAt: Moment | undefined;
  #looking: Promise<void> | undefined;
  /** When it was last learned that any head may change, on the monotonic clock, in ms. */
  #anyAt = -Infinity;
  /** When it was last learned that the head of an organization may change, on the monotonic clock, in ms; the latest last. */
  readonly #announcedAt = new Map<string, number>();

  constructor(store: Pick<KeyPairStore, "headChanges">, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Whether a head has not changed since it was read, by a look that is not older than `headTtl`. Asks nobody. */
  isUnchanged(question: HeadQuestion): boolean {
    return this.#isSettled(question) && this.#isSince(this.#lookedAt, question.headTtl);
  }

  /**
   * As {@link HeadFeed.isUnchanged}, after a look where one is due: at most one in `headTtl` for all organizations, good or not.
   * Never rejects, and waits no longer than half a second.
   * @param timeout - longest time of the store's call, in ms
   */
  async askUnchanged(question: HeadQuestion, timeout: number): Promise<boolean> {
    if (!this.#isSettled(question)) return false; // it is to be read in any case
    if (!this.#isSince(this.#triedAt, question.headTtl)) this.#looking ??= this.#startLook(timeout);
    await this.#looking;
    return this.isUnchanged(question);
  }

  /** Whether a head was read after everything that was announced could have come about, and not too long ago. */
  #isSettled({ organizationId, readAt }: HeadQuestion): boolean {
    const changingAt = Math.max(this.#anyAt, this.#announcedAt.get(organizationId) ?? -Infinity);
    return readAt.monotonic >= changingAt + settlingTime && this.#isSince(readAt, longestTrust);
  }

  #isSince(moment: Moment | undefined, ms: number): boolean {
    return moment !== undefined && !hasPassed(moment, ms, this.#clock);
  }

  #startLook(timeout: number): Promise<void> {
    const look = this.#look(timeout).finally(() => (this.#looking = undefined));
    return settledWithin(look, patience);
  }

  async #look(timeout: number): Promise<void> {
    const after = this.#cursor;
    const began = (this.#triedAt = momentOf(this.#clock));
    let changes: HeadChanges;
    try {
      const call = { operation: "headChanges", timeout, signal: undefined };
      changes = changesOf(await callStore(call, async (options) => this.#store.headChanges?.({ after }, options)));
    } catch {
      return; // heads are read meanwhile, and the next look goes on from the same place
    }
    this.#lookedAt = began;
    this.#cursor = changes.cursor;
    this.#learn(after === undefined ? undefined : changes.organizationIds);
  }

  #learn(organizationIds: readonly string[] | undefined): void {
    const now = this.#clock.monotonic();
    for (const organizationId of organizationIds ?? []) {
      this.#announcedAt.delete(organizationId);
      this.#announcedAt.set(organizationId, now);
    }
    if (organizationIds && this.#announcedAt.size <= mostAnnounced) this.#forget(now - longestTrust - settlingTime);
    else {
      this.#announcedAt.clear();
      this.#anyAt = now;
    }
  }

  /** Forgets announcements behind which no head is relied on any more. */
  #forget(before: number): void {
    for (const [organizationId, at] of this.#announcedAt) {
      if (at > before) return;
      this.#announcedAt.delete(organizationId);
    }
  }
}

/** The answer of a store, which may be anything. @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
function changesOf(answer: unknown): HeadChanges {
  const [cursor, listed] = [memberOf(answer, "cursor"), memberOf(answer, "organizationIds")];
  if (typeof cursor !== "string" || cursor.length > 256) throw corrupt("the store gave no cursor of changes to heads");
  if (listed === undefined) return { cursor, organizationIds: undefined };
  const organizationIds = itemsOf(listed, "organizations");
  if (!organizationIds.every((id): id is string => typeof id === "string" && id.length <= 512))
    throw corrupt("the store gave no list of organizations");
  return { cursor, organizationIds };
}

const feeds = new WeakMap<object, WeakMap<Clock, HeadFeed>>();

/** The feed of a store, which all key stores on it share; `undefined` for a store that tells nothing of its changes. */
export function headFeedOf(store: KeyPairStore, clock: Clock): HeadFeed | undefined {
  if (typeof member(store, "headChanges") !== "function") return undefined;
  let byClock = feeds.get(store);
  if (!byClock) feeds.set(store, (byClock = new WeakMap()));
  let feed = byClock.get(clock);
  if (!feed) byClock.set(clock, (feed = new HeadFeed(store, clock)));
  return feed;
}
