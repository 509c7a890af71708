import { kmsFailureGroup, type KmsError } from "./kms-error.js";
import { Semaphore } from "../util/semaphore.js";
import { abortable, type Discard } from "../util/abort.js";

/** A call as a lane runs it. Rejects with a KmsError, or with `signal.reason` once that is aborted. */
export interface LaneCall<T> {
  readonly run: () => Promise<T>;
  readonly signal: AbortSignal | undefined;
  /** Wipes a result that comes after its caller has aborted. */
  readonly discard?: Discard<T>;
  /** What of a rejection is a failure of KMS; `undefined` for an abort. */
  readonly failureOf: (error: unknown) => KmsError | undefined;
  /** What this call rejects with when a probe has failed in its stead. */
  readonly shared: (failure: KmsError) => KmsError;
}

/** A call through which a failing lane finds out whether KMS is back. */
class Probe {
  /** Ends without a failure if KMS answered, or if the call was aborted and so told nothing. */
  readonly fate: Promise<KmsError | undefined>;
  end!: (failure: KmsError | undefined) => void;

  constructor() {
    this.fate = new Promise((resolve) => (this.end = resolve));
  }
}

/**
 * The calls of one organization to one Region: a bounded number at a time, first come, first served.
 *
 * While the latest answer was none, one call at a time goes out as a probe. All that come or wait meanwhile share its
 * failure, so that nobody waits for a deadline of their own; once it is answered they go out. There is no cool-down: the
 * first call after KMS is back is a probe that succeeds.
 */
export class RegionLane {
  readonly #slots: Semaphore;
  #failing = false;
  #probe: Probe | undefined;

  constructor(concurrency: number) {
    this.#slots = new Semaphore(concurrency);
  }

  async run<T>(call: LaneCall<T>): Promise<T> {
    for (;;) {
      call.signal?.throwIfAborted();
      if (this.#probe) {
        const failure = await abortable(this.#probe.fate, call.signal);
        if (failure) throw call.shared(failure);
      } else if (this.#isFailing()) {
        return await this.#runProbe(call);
      } else {
        await this.#slots.acquire(call.signal);
        if (!this.#isFailing()) return await this.#runInSlot(call);
        this.#slots.release(); // began to fail meanwhile, so the whole queue comes this way and shares a probe
      }
    }
  }

  async #runProbe<T>(call: LaneCall<T>): Promise<T> {
    const probe = new Probe();
    this.#probe = probe;
    let failure: KmsError | undefined;
    try {
      await this.#slots.acquire(call.signal);
      return await this.#runInSlot(call);
    } catch (error) {
      failure = call.failureOf(error);
      throw error;
    } finally {
      if (this.#probe === probe) this.#probe = undefined;
      probe.end(failure); // without effect after an answer, also one that is a refusal
    }
  }

  #runInSlot<T>(call: LaneCall<T>): Promise<T> {
    const running = call.run().then(
      (result) => {
        this.#answered();
        this.#slots.release();
        return result;
      },
      (error: unknown) => {
        const failure = call.failureOf(error);
        // In one turn with handing on the slot: the next in the queue must know.
        if (failure) this.#failed(failure);
        this.#slots.release();
        throw error;
      },
    );
    return abortable(running, call.signal, call.discard);
  }

  /** A method, because what it tells changes during an `await`. */
  #isFailing(): boolean {
    return this.#failing;
  }

  #answered(): void {
    this.#failing = false;
    const probe = this.#probe;
    this.#probe = undefined;
    probe?.end(undefined); // another call has found out first
  }

  #failed(failure: KmsError): void {
    if (kmsFailureGroup(failure.kind) === "unavailable") this.#failing = true;
    else this.#answered();
  }
}
