import { elapsedSince, hasPassed, momentOf, type Clock, type Moment } from "../../clock.js";
import { RecordingKeyStoreError } from "../../errors.js";
import type { UnwrappingKey } from "../../format/data-key-wrapping.js";
import type { KmsProvider } from "../../kms/kms-provider.js";
import { abortable } from "../../util/abort.js";
import { unref } from "../../util/realms.js";

/** Names a pair's private half. */
export interface PrivateKeyRef {
  readonly organizationId: string;
  /** SHA-256 of the birth record. */
  readonly digest: Buffer;
}

export interface HeldPrivateKey {
  readonly key: UnwrappingKey;
  /** When the request that unwrapped it was sent. Its time to live counts from here. */
  readonly since: Moment;
}

interface Entry extends HeldPrivateKey {
  readonly ttl: number;
}

/** An unwrap under way. */
interface Unwrapping {
  readonly answer: Promise<HeldPrivateKey>;
  /** Longest time to live of those who wait for it, in ms. */
  ttl: number;
}

/** A lease on something derived from a private key. */
export interface Lease {
  readonly organizationId: string;
  readonly since: Moment;
  /** Time from `since` to the end, in ms. */
  readonly duration: number;
  /**
   * Ends the lease and wipes what was derived.
   * @param forgotten - the organization's keys were forgotten, so that it can't be renewed
   */
  end(forgotten: boolean): void;
}

/** Shortest pause between two rounds of the sweeper, in ms. */
const sweepPause = 50;

/**
 * Keeps unwrapped private keys for at most their time to live, which never slides and which no outage extends. Shared by
 * all key stores of a process on one provider and clock, so that an instance per request costs no extra calls: what one of
 * them does, be it closing, ends nothing of the others but by `forget`. One unref'd timer drops expired keys and ends leases
 * while nobody asks.
 */
export class PrivateKeyCustody {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #held = new Map<string, Entry>();
  readonly #unwrapping = new Map<string, Unwrapping>();
  /** Counts `forget` per organization, so that a key whose unwrapping began before is not kept after. */
  readonly #timesForgotten = new Map<string, number>();
  #timesAllForgotten = 0;
  readonly #leases = new Set<Lease>();
  #sweeper: NodeJS.Timeout | undefined;
  /** When the sweeper runs next, on the monotonic clock, in ms. */
  #sweepAt = Infinity;

  /** @param limit - most private keys at a time; the one unwrapped first is evicted first */
  constructor(clock: Clock, limit = Infinity) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** Number of private keys kept. */
  get size(): number {
    return this.#held.size;
  }

  /** How often the organization's keys were forgotten: a change says that what began before must not go on. */
  timesForgotten(organizationId: string): number {
    return this.#timesAllForgotten + (this.#timesForgotten.get(organizationId) ?? 0);
  }

  /**
   * The pair's private key, from memory or through `unwrap`. One unwrap at a time per pair, shared by all callers: one
   * caller's abort does not abort it for the others.
   * @param ttl - in ms; 0 keeps nothing
   * @throws what `unwrap` throws; the signal's reason; `ERR_KEYS_FORGOTTEN`
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
    if (held && hasPassed(held.since, held.ttl, this.#clock)) this.#held.delete(name);
    const under = this.#unwrapping.get(name);
    if (under) {
      under.ttl = Math.max(under.ttl, ttl);
      return abortable(under.answer, signal);
    }
    const answer = this.#unwrap(ref, () => unwrapping.ttl, unwrap).finally(() => {
      if (this.#unwrapping.get(name) === unwrapping) this.#unwrapping.delete(name);
    });
    const unwrapping: Unwrapping = { answer, ttl };
    this.#unwrapping.set(name, unwrapping);
    return abortable(answer, signal);
  }

  /** Drops one pair's key, which KMS has refused. */
  drop(ref: PrivateKeyRef): void {
    this.#held.delete(nameOf(ref));
  }

  /** Drops all keys of an organization and ends its leases. */
  forget(organizationId: string): void {
    this.#timesForgotten.set(organizationId, (this.#timesForgotten.get(organizationId) ?? 0) + 1);
    const prefix = prefixOf(organizationId);
    for (const map of [this.#held, this.#unwrapping]) {
      for (const name of map.keys()) if (name.startsWith(prefix)) map.delete(name);
    }
    for (const lease of this.#leases) if (lease.organizationId === organizationId) this.#end(lease, true);
  }

  /** {@link PrivateKeyCustody.forget} for all organizations. */
  forgetAll(): void {
    this.#timesAllForgotten += 1;
    this.#held.clear();
    this.#unwrapping.clear();
    for (const lease of this.#leases) this.#end(lease, true);
  }

  /** Starts a lease, or renews it under a new `since`: it ends in time unless it is released before. */
  start(lease: Lease): void {
    this.#leases.add(lease);
    this.#sweepWithin(lease.duration);
  }

  release(lease: Lease): void {
    this.#leases.delete(lease);
  }

  valid({ since, duration }: Lease): boolean {
    return !hasPassed(since, duration, this.#clock);
  }

  async #unwrap(
    ref: PrivateKeyRef,
    longestTtl: () => number,
    unwrap: () => Promise<UnwrappingKey>,
  ): Promise<HeldPrivateKey> {
    const since = momentOf(this.#clock);
    const forgotten = this.timesForgotten(ref.organizationId);
    const key = await unwrap();
    if (forgotten !== this.timesForgotten(ref.organizationId)) {
      throw new RecordingKeyStoreError(
        "ERR_KEYS_FORGOTTEN",
        "private keys were forgotten while one was being unwrapped",
        { retryable: true },
      );
    }
    this.#keep(nameOf(ref), { key, since, ttl: longestTtl() });
    return { key, since };
  }

  /** Keeps a key for its time to live, but no shorter than the one before it would have been kept for others. */
  #keep(name: string, { key, since, ttl }: Entry): void {
    const before = this.#held.get(name);
    const kept = Math.max(ttl, before ? before.ttl - elapsedSince(before.since, this.#clock) : 0);
    this.#held.delete(name);
    if (kept <= 0 || hasPassed(since, kept, this.#clock)) return;
    this.#held.set(name, { key, since, ttl: kept });
    const [oldest] = this.#held.keys();
    if (this.#held.size > this.#limit && oldest !== undefined) this.#held.delete(oldest);
    this.#sweepWithin(kept);
  }

  #end(lease: Lease, forgotten: boolean): void {
    this.#leases.delete(lease);
    lease.end(forgotten);
  }

  /** @param delay - longest time until the sweeper runs, in ms */
  #sweepWithin(delay: number): void {
    const at = this.#clock.monotonic() + delay;
    if (this.#sweeper && this.#sweepAt <= at) return;
    clearTimeout(this.#sweeper);
    this.#sweepAt = at;
    this.#sweeper = unref(setTimeout(() => this.#sweep(), delay));
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
    for (const lease of this.#leases) if (endedOrNext(lease.since, lease.duration)) this.#end(lease, false);
    if (next < Infinity) this.#sweepWithin(Math.max(sweepPause, next));
  }
}

const shared = new WeakMap<KmsProvider, WeakMap<Clock, PrivateKeyCustody>>();

/** The custody of a provider and clock. Two copies of the package have one each, which costs calls and nothing else. */
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
