/**
 * One object per organization, for as long as anybody uses it. The most recently used are kept, up to a limit; one let go
 * stays the organization's only one while somebody else holds it, and is garbage after that.
 */
export class Residents<T extends object> implements Iterable<T> {
  readonly #limit: number;
  readonly #mayGo: (resident: T) => boolean;
  /** Least recently used first. */
  readonly #kept = new Map<string, T>();
  readonly #letGo = new Map<string, WeakRef<T>>();

  /** @param mayGo - whether it may be let go now; one that may not is kept beyond the limit */
  constructor(limit: number, mayGo: (resident: T) => boolean) {
    this.#limit = limit;
    this.#mayGo = mayGo;
  }

  get size(): number {
    return this.#kept.size;
  }

  get(organizationId: string): T | undefined {
    return this.#kept.get(organizationId) ?? this.#letGo.get(organizationId)?.deref();
  }

  /** Keeps it, as the most recently used one. */
  keep(organizationId: string, resident: T): void {
    this.#kept.delete(organizationId);
    this.#letGo.delete(organizationId);
    this.#kept.set(organizationId, resident);
    this.#letGoOf(triesPerUse, resident);
  }

  delete(organizationId: string): void {
    this.#kept.delete(organizationId);
    this.#letGo.delete(organizationId);
  }

  /** Lets go of what was busy when its turn came, and forgets what nobody held on to. */
  trim(): void {
    this.#letGoOf(this.#kept.size);
    for (const [organizationId, held] of this.#letGo) if (!held.deref()) this.#letGo.delete(organizationId);
  }

  /** Those that are kept. */
  [Symbol.iterator](): Iterator<T> {
    return this.#kept.values();
  }

  /** Also those that were let go and are still in somebody's hands. */
  all(): T[] {
    return [
      ...this.#kept.values(),
      ...[...this.#letGo.values()].map((held) => held.deref()).filter((resident) => resident !== undefined),
    ];
  }

  #letGoOf(tries: number, inUse?: T): void {
    for (const [organizationId, resident] of this.#kept) {
      if (this.#kept.size <= this.#limit || tries === 0 || resident === inUse) return;
      tries -= 1;
      this.#kept.delete(organizationId);
      if (this.#mayGo(resident)) this.#letGo.set(organizationId, new WeakRef(resident));
      else this.#kept.set(organizationId, resident); // to the other end: its turn comes again
    }
  }
}

/** A use looks at so many candidates at most: it must not become slow while all organizations are busy. */
const triesPerUse = 4;
