import { abortable, type Discard } from "../util/abort.js";
import { Semaphore } from "../util/semaphore.js";
import { kmsFailureGroup, type KmsError } from "./kms-error.js";

/** A call as a circuit runs it. Rejects with a KmsError, or with `signal.reason` after an abort. */
export interface CircuitCall<T> {
  readonly run: () => Promise<T>;
  readonly signal: AbortSignal | undefined;
  /** Wipes a result that comes after its caller has aborted. */
  readonly discard?: Discard<T>;
  /** Takes a rejection for a failure of KMS; `undefined` for an abort. */
  readonly failureOf: (error: unknown) => KmsError | undefined;
  /** Makes the error of a call that shares the failure of a probe. */
  readonly shared: (failure: KmsError) => KmsError;
}

/** The one call that goes out through an open circuit, to find out whether KMS is back. */
class Probe {
  /** Resolves without a failure if KMS answered, or if the call was aborted and so told nothing. */
  readonly outcome: Promise<KmsError | undefined>;
  end!: (failure: KmsError | undefined) => void;

  constructor() {
    this.outcome = new Promise((resolve) => (this.end = resolve));
  }
}

/**
 * Circuit breaker and concurrency limit for the calls of one organization about one KMS key, first come, first served: a key
 * that hangs, such as one in a custom key store, holds up no other.
 *
 * The circuit opens when KMS gives no answer. An open circuit lets one call at a time through as a probe. All that come or
 * wait meanwhile share its failure, so that nobody waits for a deadline of their own; an answer closes the circuit. There is
 * no cool-down: the first call after KMS is back is a probe that succeeds.
 */
export class KeyCircuit {
  readonly #semaphore: Semaphore;
  #open = false;
  #probe: Probe | undefined;
  /** Number of calls that wait or are under way, those included whose caller has left. */
  #calls = 0;

  /** @param concurrency - most calls at a time */
  constructor(concurrency: number) {
    this.#semaphore = new Semaphore(concurrency);
  }

  /** Whether nothing would be lost with it. */
  get isIdle(): boolean {
    return !this.#open && this.#calls === 0;
  }

  /** Opens it for what another key's call has met: from now on one call at a time finds out about this one. */
  open(): void {
    this.#open = true;
  }

  async run<T>(call: CircuitCall<T>): Promise<T> {
    this.#calls += 1;
    try {
      return await this.#run(call);
    } finally {
      this.#calls -= 1;
    }
  }

  async #run<T>(call: CircuitCall<T>): Promise<T> {
    for (;;) {
      call.signal?.throwIfAborted();
      if (this.#probe) {
        const failure = await abortable(this.#probe.outcome, call.signal);
        if (failure) throw call.shared(failure);
      } else if (this.#isOpen()) {
        return await this.#runProbe(call);
      } else {
        await this.#semaphore.acquire(call.signal);
        if (!this.#isOpen()) return await this.#runPermitted(call);
        this.#semaphore.release(); // opened meanwhile, so the whole queue comes this way and shares a probe
      }
    }
  }

  async #runProbe<T>(call: CircuitCall<T>): Promise<T> {
    const probe = new Probe();
    this.#probe = probe;
    let failure: KmsError | undefined;
    try {
      await this.#semaphore.acquire(call.signal);
      return await this.#runPermitted(call);
    } catch (error) {
      failure = call.failureOf(error);
      throw error;
    } finally {
      if (this.#probe === probe) this.#probe = undefined;
      probe.end(failure); // without effect after an answer, be it a refusal
    }
  }

  #runPermitted<T>(call: CircuitCall<T>): Promise<T> {
    this.#calls += 1;
    const running = call.run().then(
      (result) => {
        this.#answered();
        this.#release();
        return result;
      },
      (error: unknown) => {
        const failure = call.failureOf(error);
        // In one turn with the release: the next in the queue must know.
        if (failure) this.#failed(failure);
        this.#release();
        throw error;
      },
    );
    return abortable(running, call.signal, call.discard);
  }

  #release(): void {
    this.#calls -= 1;
    this.#semaphore.release();
  }

  /** A method, because the value changes during an `await`. */
  #isOpen(): boolean {
    return this.#open;
  }

  #answered(): void {
    this.#open = false;
    const probe = this.#probe;
    this.#probe = undefined;
    probe?.end(undefined); // another call was answered first
  }

  #failed(failure: KmsError): void {
    if (kmsFailureGroup(failure.kind) === "unavailable") this.#open = true;
    else this.#answered();
  }
}
