import { boundedCall, DeadlineError } from "../util/abort.js";
import { Semaphore } from "../util/semaphore.js";
import { regionOf } from "./arn.js";
import { kmsError, kmsFailureGroup, KmsError } from "./kms-error.js";
import type { KmsCallOptions, KmsProvider } from "./kms-provider.js";

/** Share of a Region's permits that is kept for organizations whose last call got no answer. */
const shareForProbes = 1 / 4;

interface LimitedCall {
  readonly operation: string;
  readonly keyId: string;
  readonly signal: AbortSignal | undefined;
}

interface RegionSemaphores {
  readonly usual: Semaphore;
  readonly probes: Semaphore;
}

/** Number of KMS calls of all organizations of a process in one Region. */
export interface KmsCallsUnderWay {
  readonly region: string;
  readonly underWay: number;
  /** Calls in the queue. */
  readonly waiting: number;
}

/**
 * Bounds the KMS calls under way of a process per Region, over all its organizations. Those whose KMS key does not answer
 * share a quarter of the permits, so that they cannot hold up the others, however many hang.
 */
export class KmsCallLimit {
  readonly #perRegion: number;
  readonly #longestWait: number;
  readonly #regions = new Map<string, RegionSemaphores>();

  /**
   * @param perRegion - most calls at a time, from 2
   * @param longestWait - longest wait for a permit, after which a call fails as `timeout`, in ms
   */
  constructor(perRegion: number, longestWait = 5_000) {
    this.#perRegion = perRegion;
    this.#longestWait = longestWait;
  }

  /** The provider as one organization may use it. */
  shareOf(provider: KmsProvider): KmsProvider {
    let answers = true;
    const limited = async <T>(
      operation: string,
      keyId: string,
      options: KmsCallOptions | undefined,
      call: () => Promise<T>,
    ): Promise<T> => {
      const { usual, probes } = this.#semaphoresOf(keyId);
      const semaphore = answers ? usual : probes;
      await this.#acquire(semaphore, { operation, keyId, signal: options?.signal });
      try {
        const result = await call();
        answers = true;
        return result;
      } catch (error) {
        if (!options?.signal?.aborted)
          answers = !(error instanceof KmsError) || kmsFailureGroup(error.kind) !== "unavailable";
        throw error;
      } finally {
        semaphore.release();
      }
    };
    return {
      describeKey: (request, options) =>
        limited("DescribeKey", request.keyId, options, () => provider.describeKey(request, options)),
      encrypt: (request, options) =>
        limited("Encrypt", request.keyId, options, () => provider.encrypt(request, options)),
      decrypt: (request, options) =>
        limited("Decrypt", request.keyId, options, () => provider.decrypt(request, options)),
      generateDataKeyPair: (request, options) =>
        limited("GenerateDataKeyPairWithoutPlaintext", request.keyId, options, () =>
          provider.generateDataKeyPair(request, options),
        ),
    };
  }

  get underWay(): readonly KmsCallsUnderWay[] {
    return [...this.#regions].map(([region, { usual, probes }]) => ({
      region,
      underWay: usual.acquired + probes.acquired,
      waiting: usual.waiting + probes.waiting,
    }));
  }

  #semaphoresOf(keyId: string): RegionSemaphores {
    const region = regionOf(keyId) ?? "";
    let semaphores = this.#regions.get(region);
    if (!semaphores) {
      const probes = Math.max(1, Math.floor(this.#perRegion * shareForProbes));
      semaphores = { usual: new Semaphore(this.#perRegion - probes), probes: new Semaphore(probes) };
      this.#regions.set(region, semaphores);
    }
    return semaphores;
  }

  async #acquire(semaphore: Semaphore, { operation, keyId, signal }: LimitedCall): Promise<void> {
    if (semaphore.tryAcquire()) return;
    try {
      await boundedCall((controller) => semaphore.acquire(controller.signal), {
        deadline: this.#longestWait,
        signal,
        discard: () => semaphore.release(),
      });
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      const message = `${operation} with ${keyId} was not sent: the process's KMS calls to this Region were all under way for ${this.#longestWait} ms`;
      throw kmsError("timeout", { operation, keyId, message, cause: error });
    }
  }
}
