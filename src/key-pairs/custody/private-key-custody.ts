import type { Clock } from "../../clock.js";
import { hasPassed, type Moment, momentOf } from "../../clock.js";
import { RecordingKeyStoreError } from "../../errors.js";
import type { UnwrappingKey } from "../../format/data-key-wrapping.js";
import type { KmsProvider } from "../../kms/kms-provider.js";
import { abortable } from "../../util/abort.js";

/** Which pair's private half is meant. */
export interface PrivateKeyRef {
  readonly organizationId: string;
  /** Digest of the birth record. */
  readonly digest: Buffer;
}

export interface HeldPrivateKey {
  readonly key: UnwrappingKey;
  /** When the request that unwrapped it was sent; its time to live counts from here. */
  readonly since: Moment;
}

interface Entry extends HeldPrivateKey {
  readonly ttl: number;
}

/** Something derived from a private key that may live for `hold` milliseconds from `since` on. */
export interface Loan {
  readonly organizationId: string;
  readonly since: Moment;
  readonly hold: number;
  /** Its time is over, or (`forgotten`) its organization's keys were forgotten. What was derived is wiped in this call. */
  end(forgotten: boolean): void;
}

/** At least so long lies between two rounds of the sweeper, milliseconds. */
const sweepPause = 50;

/**
 * Keeps unwrapped private keys for at most their time to live, which never slides and which no outage extends. Shared by
 * all key stores of a process that use the same provider and clock, so that an instance per request costs no extra calls.
 * One unref'd timer per custody drops what has expired while nobody asks, and ends what was lent.
 */
export class PrivateKeyCustody {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #held = new Map<string, Entry>();
  readonly #unwrapping = new Map<string, Promise<HeldPrivateKey>>();
  /** Counts `forget` per organization, so that an unwrap begun before it is not kept after it. */
  readonly #generations = new Map<string, number>();
  #forgottenAll = 0;
  readonly #loans = new Set<Loan>();
  #sweeper: NodeJS.Timeout | undefined;
  /** When the sweeper will run, on the monotonic clock. */
  #sweepAt = Infinity;

  /** @param limit - how many private keys are kept at most; the one unwrapped first goes first */
  constructor(clock: Clock, limit = Infinity) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** How many private keys are kept. */
  get size(): number {
    return this.#held.size;
  }

  /** How often `forget` was called for the organization; open readers compare it with the one they began under. */
  generation(organizationId: string): number {
    return this.#forgottenAll + (this.#generations.get(organizationId) ?? 0);
  }

  /**
   * The pair's private key, from memory or through `unwrap`. One unwrap at a time per pair, shared by all callers;
   * a caller that aborts leaves the others waiting undisturbed.
   */
  async open(
    ref: PrivateKeyRef,
    ttl: number,
    unwrap: () => Promise<UnwrappingKey>,
    signal?: AbortSignal,
  ): Promise<HeldPrivateKey> {
    signal?.throwIfAborted();
    const name = nameOf(ref);
    const held = this.#held.get(name);
    if (held && !hasPassed(held.since, Math.min(ttl, held.ttl), this.#clock)) return held;
    this.#held.delete(name);
    let unwrapping = this.#unwrapping.get(name);
    if (!unwrapping) {
      unwrapping = this.#unwrap(ref, ttl, unwrap).finally(() => {
        if (this.#unwrapping.get(name) === unwrapping) this.#unwrapping.delete(name);
      });
      this.#unwrapping.set(name, unwrapping);
    }
    return abortable(unwrapping, signal);
  }

  /** Drops one pair's key at once: KMS has refused it. */
  drop(ref: PrivateKeyRef): void {
    this.#held.delete(nameOf(ref));
  }

  /** Drops all keys of an organization and ends what was opened with them. */
  forget(organizationId: string): void {
    this.#generations.set(organizationId, (this.#generations.get(organizationId) ?? 0) + 1);
    const prefix = prefixOf(organizationId);
    for (const map of [this.#held, this.#unwrapping]) {
      for (const name of map.keys()) if (name.startsWith(prefix)) map.delete(name);
    }
    for (const loan of this.#loans) if (loan.organizationId === organizationId) this.#end(loan, true);
  }

  /** {@link forget} for all organizations. */
  forgetAll(): void {
    this.#forgottenAll += 1;
    this.#held.clear();
    this.#unwrapping.clear();
    for (const loan of this.#loans) this.#end(loan, true);
  }

  /** Watches over a loan until it is taken back; a loan whose time is over may be lent again under a new `since`. */
  lend(loan: Loan): void {
    this.#loans.add(loan);
    this.#sweepWithin(loan.hold);
  }

  takeBack(loan: Loan): void {
    this.#loans.delete(loan);
  }

  hasEnded(loan: Loan): boolean {
    return hasPassed(loan.since, loan.hold, this.#clock);
  }

  async #unwrap(ref: PrivateKeyRef, ttl: number, unwrap: () => Promise<UnwrappingKey>): Promise<HeldPrivateKey> {
    const since = momentOf(this.#clock);
    const generation = this.generation(ref.organizationId);
    const key = await unwrap();
    if (generation !== this.generation(ref.organizationId)) {
      throw new RecordingKeyStoreError(
        "ERR_KEYS_FORGOTTEN",
        "private keys were forgotten while one was being unwrapped",
        { retryable: true },
      );
    }
    if (ttl > 0 && !hasPassed(since, ttl, this.#clock)) {
      this.#held.set(nameOf(ref), { key, since, ttl });
      const [oldest] = this.#held.keys();
      if (this.#held.size > this.#limit && oldest !== undefined) this.#held.delete(oldest);
      this.#sweepWithin(ttl);
    }
    return { key, since };
  }

  #end(loan: Loan, forgotten: boolean): void {
    this.#loans.delete(loan);
    loan.end(forgotten);
  }

  /** Sees to it that the sweeper runs in `delay` milliseconds at the latest. */
  #sweepWithin(delay: number): void {
    const at = this.#clock.monotonic() + delay;
    if (this.#sweeper && this.#sweepAt <= at) return;
    clearTimeout(this.#sweeper);
    this.#sweepAt = at;
    this.#sweeper = setTimeout(() => this.#sweep(), delay);
    this.#sweeper.unref();
  }

  #sweep(): void {
    this.#sweeper = undefined;
    let next = Infinity;
    const endedOrNext = (since: Moment, ttl: number) => {
      if (hasPassed(since, ttl, this.#clock)) return true;
      next = Math.min(next, since.monotonic + ttl - this.#clock.monotonic());
      return false;
    };
    for (const [name, { since, ttl }] of this.#held) if (endedOrNext(since, ttl)) this.#held.delete(name);
    for (const loan of this.#loans) if (endedOrNext(loan.since, loan.hold)) this.#end(loan, false);
    if (next < Infinity) this.#sweepWithin(Math.max(sweepPause, next));
  }
}

const shared = new WeakMap<KmsProvider, WeakMap<Clock, PrivateKeyCustody>>();

/** The custody that all users of this provider and clock share. Two copies of the package have one each: slower, not wrong. */
export function sharedCustody(provider: KmsProvider, clock: Clock): PrivateKeyCustody {
  let byClock = shared.get(provider);
  if (!byClock) shared.set(provider, (byClock = new WeakMap()));
  let custody = byClock.get(clock);
  if (!custody) byClock.set(clock, (custody = new PrivateKeyCustody(clock)));
  return custody;
}

function prefixOf(organizationId: string): string {
  return `${organizationId.length}:${organizationId}:`;
}

function nameOf({ organizationId, digest }: PrivateKeyRef): string {
  return prefixOf(organizationId) + digest.toString("base64url");
}
