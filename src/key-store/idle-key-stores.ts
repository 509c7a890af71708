/**
 * One key store per organization. The most recently used are kept, up to a limit. An evicted one stays the organization's
 * only one while somebody else holds it.
 */
export class IdleKeyStores<T extends object> implements Iterable<T> {
  readonly #limit: number;
  readonly #isEvictable: (keyStore: T) => boolean;
  /** Least recently used first. */
  readonly #kept = new Map<string, T>();
  readonly #evicted = new Map<string, WeakRef<T>>();

  /** @param isEvictable - one that is not is kept beyond the limit */
  constructor(limit: number, isEvictable: (keyStore: T) => boolean) {
    this.#limit = limit;
    this.#isEvictable = isEvictable;
  }

  get size(): number {
    return this.#kept.size;
  }

  get(organizationId: string): T | undefined {
    return this.#kept.get(organizationId) ?? this.#evicted.get(organizationId)?.deref();
  }

  /** Keeps a key store, as the most recently used one. */
  keep(organizationId: string, keyStore: T): void {
    this.#kept.delete(organizationId);
    this.#evicted.delete(organizationId);
    this.#kept.set(organizationId, keyStore);
    this.#evict(triesPerUse, keyStore);
  }

  delete(organizationId: string): void {
    this.#kept.delete(organizationId);
    this.#evicted.delete(organizationId);
  }

  /** Evicts what was busy when its turn came, and forgets evicted ones that nobody holds. */
  trim(): void {
    this.#evict(this.#kept.size);
    for (const [organizationId, held] of this.#evicted) if (!held.deref()) this.#evicted.delete(organizationId);
  }

  /** The key stores that are kept. */
  [Symbol.iterator](): Iterator<T> {
    return this.#kept.values();
  }

  /** The key stores that are kept, and the evicted ones that somebody holds. */
  all(): T[] {
    return [
      ...this.#kept.values(),
      ...[...this.#evicted.values()].map((held) => held.deref()).filter((keyStore) => keyStore !== undefined),
    ];
  }

  #evict(tries: number, inUse?: T): void {
    for (const [organizationId, keyStore] of this.#kept) {
      if (this.#kept.size <= this.#limit || tries === 0 || keyStore === inUse) return;
      tries -= 1;
      this.#kept.delete(organizationId);
      if (this.#isEvictable(keyStore)) this.#evicted.set(organizationId, new WeakRef(keyStore));
      else this.#kept.set(organizationId, keyStore); // moved to the other end, its turn comes again
    }
  }
}

/** Most candidates that one use tries to evict: it must not become slow while all organizations are busy. */
const triesPerUse = 4;
