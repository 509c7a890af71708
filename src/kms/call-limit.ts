import { regionOf } from "./arn.js";
import { kmsError, kmsFailureGroup, KmsError } from "./kms-error.js";
import type { KmsCallOptions, KmsProvider } from "./kms-provider.js";
import { Semaphore } from "../util/semaphore.js";
import { boundedCall, DeadlineError } from "../util/abort.js";

/** So much of a Region's slots is for organizations whose last call got no answer. */
const shareForProbes = 1 / 4;

interface RegionSlots {
  readonly usual: Semaphore;
  readonly probes: Semaphore;
}

/** How many KMS calls all organizations of a process have under way in one Region. */
export interface KmsCallsUnderWay {
  readonly region: string;
  readonly underWay: number;
  readonly waiting: number;
}

/**
 * Bounds how many KMS calls a process has under way per Region, over all its organizations. Those whose KMS key does not
 * answer have a quarter of it to themselves, so that however many hang, they cannot hold up the others.
 */
export class KmsCallLimit {
  readonly #perRegion: number;
  readonly #longestWait: number;
  readonly #regions = new Map<string, RegionSlots>();

  /**
   * @param perRegion - calls at a time, from 2
   * @param longestWait - milliseconds after which a call that found no slot fails as `timeout`
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
      const slots = answers ? this.#slotsOf(keyId).usual : this.#slotsOf(keyId).probes;
      await this.#take(slots, { operation, keyId, signal: options?.signal });
      try {
        const result = await call();
        answers = true;
        return result;
      } catch (error) {
        if (!options?.signal?.aborted)
          answers = !(error instanceof KmsError) || kmsFailureGroup(error.kind) !== "unavailable";
        throw error;
      } finally {
        slots.release();
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

  #slotsOf(keyId: string): RegionSlots {
    const region = regionOf(keyId) ?? "";
    let slots = this.#regions.get(region);
    if (!slots) {
      const probes = Math.max(1, Math.floor(this.#perRegion * shareForProbes));
      this.#regions.set(
        region,
        (slots = { usual: new Semaphore(this.#perRegion - probes), probes: new Semaphore(probes) }),
      );
    }
    return slots;
  }

  async #take(
    slots: Semaphore,
    { operation, keyId, signal }: { operation: string; keyId: string; signal: AbortSignal | undefined },
  ): Promise<void> {
    if (slots.tryAcquire()) return;
    try {
      await boundedCall((controller) => slots.acquire(controller.signal), {
        deadline: this.#longestWait,
        signal,
        discard: () => slots.release(),
      });
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      const message = `${operation} with ${keyId} was not sent: the process's KMS calls to this Region were all under way for ${this.#longestWait} ms`;
      throw kmsError("timeout", { operation, keyId, message, cause: error });
    }
  }
}
