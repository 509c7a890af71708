import { RecordingKeyStoreError, type KeyPairStore } from "../../src/index.js";
import type { StoreCallOptions } from "../../src/stores/key-pair-store.js";

export type StoreMethod = keyof KeyPairStore;

/** A store call that waits for the scheduler. */
export interface WaitingCall {
  readonly method: StoreMethod;
  /** Aborted once the caller waits no more. */
  readonly signal: AbortSignal | undefined;
  /** Does it, whoever still waits. */
  readonly perform: () => Promise<unknown>;
  readonly answer: (result: unknown) => void;
  readonly refuse: (error: unknown) => void;
}

/** One worker's way to the store: each call waits until the scheduler lets it happen. */
export class ScheduledStore {
  readonly store: KeyPairStore;
  waiting: WaitingCall | undefined;
  #closed = false;
  #arrived: () => void = () => undefined;

  constructor(store: KeyPairStore) {
    this.store = new Proxy(store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) =>
          this.#call(name as StoreMethod, args, value.bind(target) as (...args: unknown[]) => unknown);
      },
    });
  }

  /** Resolves at the next call. */
  arrival(): Promise<void> {
    if (this.waiting) return Promise.resolve();
    return new Promise((arrived) => (this.#arrived = arrived));
  }

  /** Lets nothing more happen: who waits, and whoever comes later, learns that the store is away. */
  close(): void {
    this.#closed = true;
    this.waiting?.refuse(away());
  }

  async #call(method: StoreMethod, args: unknown[], run: (...args: unknown[]) => unknown): Promise<unknown> {
    if (this.#closed) throw away();
    if (this.waiting)
      throw new Error(`${method} while ${this.waiting.method} is under way: the schedule would not be the whole of it`);
    const signal = (args.at(-1) as StoreCallOptions | undefined)?.signal;
    const withoutSignal = [...args.slice(0, -1), {}];
    return new Promise((resolve, reject) => {
      this.waiting = { method, signal, perform: async () => run(...withoutSignal), answer: resolve, refuse: reject };
      this.#arrived();
    });
  }
}

export function away(): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", "the store is away", { retryable: true });
}
