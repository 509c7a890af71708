import { whenAborted } from "./abort.js";

/** A counting semaphore. Its permits are handed out in the order in which they were asked for. */
export class Semaphore {
  #available: number;
  readonly #queue = new Set<() => void>();

  constructor(permits: number) {
    this.#available = permits;
  }

  /** @throws `signal.reason` when the caller aborts while it waits */
  acquire(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#available > 0) {
      this.#available -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const enter = () => {
        this.#queue.delete(enter);
        leave();
        resolve();
      };
      const leave = whenAborted(signal, () => {
        this.#queue.delete(enter);
        reject(signal?.reason);
      });
      this.#queue.add(enter);
    });
  }

  /** Hands the permit to the next caller in the queue. */
  release(): void {
    const [next] = this.#queue;
    if (next) next();
    else this.#available += 1;
  }
}
