import type { Clock } from "../clock.js";
import { RecordingKeyStoreError } from "../errors.js";
import type { KmsProvider } from "../kms/kms-provider.js";
import { abortable } from "../kms/waiting.js";
import type { UnwrappingKey } from "./key-wrapping.js";

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

/** One instant on both clocks: a wall clock may jump, a monotonic one may sleep with the machine. */
export interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

export function momentOf(clock: Clock): Moment {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}

/** Whether more than `ms` have passed since `moment` on either clock, or the wall clock was set back. */
export function hasPassed(moment: Moment, ms: number, clock: Clock): boolean {
  const wall = clock.now() - moment.wall;
  return wall >= ms || wall < 0 || clock.monotonic() - moment.monotonic >= ms;
}

interface Entry extends HeldPrivateKey {
  readonly ttl: number;
}

/**
 * Keeps unwrapped private keys for at most their time to live, which never slides and which no outage extends. Shared by
 * all key stores of a process that use the same provider and clock, so that an instance per request costs no extra calls.
 * One unref'd timer per custody drops what has expired while nobody asks.
 */
export class PrivateKeyCustody {
  readonly #clock: Clock;
  readonly #held = new Map<string, Entry>();
  readonly #unwrapping = new Map<string, Promise<HeldPrivateKey>>();
  /** Counts `forget` per organization, so that an unwrap begun before it is not kept after it. */
  readonly #generations = new Map<string, number>();
  #sweeper: NodeJS.Timeout | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How often `forget` was called for the organization; open readers compare it with the one they began under. */
  generation(organizationId: string): number {
    return this.#generations.get(organizationId) ?? 0;
  }

  /**
   * The pair's private key, from memory or through `unwrap`. One unwrap at a time per pair, shared by all callers;
   * a caller that aborts leaves the others waiting undisturbed.
   */
  async open(ref: PrivateKeyRef, ttl: number, unwrap: () => Promise<UnwrappingKey>, signal?: AbortSignal): Promise<HeldPrivateKey> {
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
    this.#generations.set(organizationId, this.generation(organizationId) + 1);
    const prefix = prefixOf(organizationId);
    for (const map of [this.#held, this.#unwrapping]) {
      for (const name of map.keys()) if (name.startsWith(prefix)) map.delete(name);
    }
  }

  async #unwrap(ref: PrivateKeyRef, ttl: number, unwrap: () => Promise<UnwrappingKey>): Promise<HeldPrivateKey> {
    const since = momentOf(this.#clock);
    const generation = this.generation(ref.organizationId);
    const key = await unwrap();
    if (generation !== this.generation(ref.organizationId)) {
      throw new RecordingKeyStoreError("ERR_KEYS_FORGOTTEN", "private keys were forgotten while one was being unwrapped", { retryable: true });
    }
    if (ttl > 0 && !hasPassed(since, ttl, this.#clock)) {
      this.#held.set(nameOf(ref), { key, since, ttl });
      this.#scheduleSweep(ttl);
    }
    return { key, since };
  }

  #scheduleSweep(delay: number): void {
    if (this.#sweeper) return;
    this.#sweeper = setTimeout(() => {
      this.#sweeper = undefined;
      for (const [name, entry] of this.#held) {
        if (hasPassed(entry.since, entry.ttl, this.#clock)) this.#held.delete(name);
      }
      // What is left was put later; none is older than its own time to live by more than one round.
      if (this.#held.size > 0) this.#scheduleSweep(Math.max(50, Math.min(...[...this.#held.values()].map(({ ttl }) => ttl)) / 4));
    }, delay);
    this.#sweeper.unref();
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
