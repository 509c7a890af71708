/** A bounded number of slots, handed out in the order in which they were asked for. */
export class Slots {
  readonly #count: number;
  #free: number;
  readonly #queue = new Set<() => void>();

  constructor(count: number) {
    this.#count = count;
    this.#free = count;
  }

  /** How many wait for one. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#count - this.#free;
  }

  /** Takes one if that needs no waiting. */
  tryTake(): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    return true;
  }

  /** @throws `signal.reason` */
  take(signal: AbortSignal | undefined): Promise<void> {
    if (this.tryTake()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const enter = () => {
        this.#queue.delete(enter);
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.#queue.delete(enter);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#queue.add(enter);
    });
  }

  free(): void {
    const [next] = this.#queue;
    if (next) next();
    else this.#free += 1;
  }
}
