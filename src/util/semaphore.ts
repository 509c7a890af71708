import { whenAborted } from "./abort.js";

/** A counting semaphore. Its permits are handed out in the order in which they were asked for. */
export class Semaphore {
  readonly #permits: number;
  #available: number;
  readonly #queue = new Set<() => void>();

  constructor(permits: number) {
    this.#permits = permits;
    this.#available = permits;
  }

  /** Number of callers in the queue. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Number of permits handed out. */
  get acquired(): number {
    return this.#permits - this.#available;
  }

  /** Acquires a permit if that needs no waiting. */
  tryAcquire(): boolean {
    if (this.#available === 0) return false;
    this.#available -= 1;
    return true;
  }

  /** @throws `signal.reason` when the caller aborts while it waits */
  acquire(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.tryAcquire()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const enter = () => {
        this.#queue.delete(enter);
        stay();
        resolve();
      };
      this.#queue.add(enter);
      const stay = whenAborted(signal, () => {
        this.#queue.delete(enter);
        reject(signal?.reason);
      });
    });
  }

  /** Hands the permit to the next caller in the queue. */
  release(): void {
    const [next] = this.#queue;
    if (next) next();
    else this.#available += 1;
  }
}
