import { systemClock, type Clock } from "../clock.js";
import { boundedCall, DeadlineError } from "../util/abort.js";
import { FairSlots, type Party } from "../util/fair-slots.js";
import { regionOf } from "./arn.js";
import { kmsError, kmsFailureGroup, KmsError } from "./kms-error.js";
import { KmsLane } from "./kms-lane.js";
import type { KmsCallOptions, KmsProvider } from "./kms-provider.js";

/** Share of a Region's slots that is kept for calls about KMS keys that answer slowly or not at all. */
const shareForProbes = 1 / 4;

interface LimitedCall {
  readonly operation: string;
  readonly keyId: string;
  readonly signal: AbortSignal | undefined;
}

interface RegionSlots {
  readonly usual: FairSlots;
  readonly probes: FairSlots;
}

/** Number of KMS calls of all organizations of a process in one Region. */
export interface KmsCallsUnderWay {
  readonly region: string;
  readonly underWay: number;
  /** Calls in the queue. */
  readonly waiting: number;
}

/**
 * Bounds the KMS calls under way of a process per Region, over all its organizations, which share them fairly. Calls about
 * KMS keys that answer slowly or not at all share a quarter of the slots, so that they cannot hold up the others, however
 * many hang.
 */
export class KmsCallLimit {
  readonly #perRegion: number;
  readonly #longestWait: number;
  readonly #clock: Clock;
  readonly #regions = new Map<string, RegionSlots>();

  /**
   * @param perRegion - most calls at a time, from 2
   * @param longestWait - longest wait for a slot, after which a call fails as `timeout`, in ms
   * @param clock - tells how long calls take
   */
  constructor(perRegion: number, longestWait = 5_000, clock: Clock = systemClock) {
    this.#perRegion = perRegion;
    this.#longestWait = longestWait;
    this.#clock = clock;
  }

  /** The provider as one organization may use it. */
  shareOf(provider: KmsProvider): KmsProvider {
    const organization: Party = {};
    const lanes = new Map<string, KmsLane>();
    const limited = async <T>(
      operation: string,
      keyId: string,
      options: KmsCallOptions | undefined,
      run: () => Promise<T>,
    ): Promise<T> => {
      let lane = lanes.get(keyId);
      if (!lane) lanes.set(keyId, (lane = new KmsLane(this.#clock)));
      const call = { operation, keyId, signal: options?.signal };
      lane.calls += 1;
      try {
        const slots = await this.#enter(organization, lane, call);
        const ended = lane.begin(operation);
        try {
          const result = await run();
          ended("answered");
          return result;
        } catch (error) {
          ended(call.signal?.aborted ? "aborted" : isAnswer(error) ? "answered" : "unanswered");
          throw error;
        } finally {
          slots.release(organization);
        }
      } finally {
        lane.calls -= 1;
        if (lane.calls === 0 && !lane.inTrouble) lanes.delete(keyId);
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
      underWay: usual.taken + probes.taken,
      waiting: usual.waiting + probes.waiting,
    }));
  }

  #slotsOf(keyId: string): RegionSlots {
    const region = regionOf(keyId) ?? "";
    let slots = this.#regions.get(region);
    if (!slots) {
      const probes = Math.max(1, Math.floor(this.#perRegion * shareForProbes));
      slots = { usual: new FairSlots(this.#perRegion - probes), probes: new FairSlots(probes) };
      this.#regions.set(region, slots);
    }
    return slots;
  }

  /** Takes a slot. A call whose KMS key turned out slow while it waited goes on waiting with its like. */
  async #enter(organization: Party, lane: KmsLane, call: LimitedCall): Promise<FairSlots> {
    const { usual, probes } = this.#slotsOf(call.keyId);
    if (!lane.inTrouble) {
      await this.#take(usual, organization, call);
      if (!lane.inTrouble) return usual;
      usual.release(organization);
    }
    await this.#take(probes, organization, call);
    return probes;
  }

  async #take(slots: FairSlots, organization: Party, { operation, keyId, signal }: LimitedCall): Promise<void> {
    if (slots.tryTake(organization)) return;
    try {
      await boundedCall((controller) => slots.take(organization, controller.signal), {
        deadline: this.#longestWait,
        signal,
        discard: () => slots.release(organization),
      });
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      const message = `${operation} with ${keyId} was not sent: the process's KMS calls to this Region were all under way for ${this.#longestWait} ms`;
      throw kmsError("timeout", { operation, keyId, message, cause: error });
    }
  }
}

/** Whether a call that failed was answered by KMS, be it with a refusal. */
function isAnswer(error: unknown): boolean {
  return error instanceof KmsError && kmsFailureGroup(error.kind) !== "unavailable";
}
