import { wipe } from "../util/secrets.js";
import { RecordingKeyStoreError } from "../errors.js";
import { regionOf } from "./arn.js";
import { kmsError, kmsFailureKinds, KmsError } from "./kms-error.js";
import type { KmsCallOptions, KmsProvider } from "./kms-provider.js";
import { RegionLane } from "./circuit.js";
import { sanitizeCause } from "../util/safe-cause.js";
import type { Discard } from "../util/abort.js";

/** How many calls one organization has under way per Region at most: the calling account's quota is shared by all. */
const defaultConcurrency = 16;

/**
 * Wraps a provider for one organization: bounds how many calls run at once, keeps callers from piling up behind a KMS that
 * does not answer ({@link RegionLane}), and holds any provider to the promises of {@link KmsProvider} about failures: what
 * rejects is a KmsError of this copy of the package or the caller's own abort reason.
 */
export class GuardedKmsProvider implements KmsProvider {
  readonly #provider: KmsProvider;
  readonly #concurrency: number;
  readonly #lanes = new Map<string, RegionLane>();

  /** @param concurrency - calls at a time, per Region */
  constructor(provider: KmsProvider, concurrency = defaultConcurrency) {
    this.#provider = provider;
    this.#concurrency = concurrency;
  }

  describeKey: KmsProvider["describeKey"] = (request, options) =>
    this.#guard("DescribeKey", request, options, () => this.#provider.describeKey(request, options));

  encrypt: KmsProvider["encrypt"] = (request, options) =>
    this.#guard("Encrypt", request, options, () => this.#provider.encrypt(request, options));

  decrypt: KmsProvider["decrypt"] = (request, options) =>
    this.#guard(
      "Decrypt",
      request,
      options,
      () => this.#provider.decrypt(request, options),
      ({ plaintext }) => wipe(plaintext),
    );

  generateDataKeyPair: KmsProvider["generateDataKeyPair"] = (request, options) =>
    this.#guard("GenerateDataKeyPairWithoutPlaintext", request, options, () =>
      this.#provider.generateDataKeyPair(request, options),
    );

  async #guard<T>(
    operation: string,
    { keyId }: { keyId: string },
    options: KmsCallOptions | undefined,
    run: () => Promise<T>,
    discard?: Discard<T>,
  ): Promise<T> {
    const signal = options?.signal;
    const call = { operation, keyId };
    try {
      return await this.#laneOf(keyId).run({
        run: async () => anAnswer(await run(), call), // async, so that a provider that throws instead of rejecting is caught too
        signal,
        failureOf: (error) => (signal?.aborted ? undefined : asKmsError(error, call)),
        shared: (failure) => sharedFailure(failure, call),
        ...(discard ? { discard } : {}),
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw asKmsError(error, call);
    }
  }

  #laneOf(keyId: string): RegionLane {
    const region = regionOf(keyId) ?? "";
    let lane = this.#lanes.get(region);
    if (!lane) this.#lanes.set(region, (lane = new RegionLane(this.#concurrency)));
    return lane;
  }
}

interface Call {
  readonly operation: string;
  readonly keyId: string;
}

/** @throws KmsError where the provider resolved with nothing that could be an answer */
function anAnswer<T>(answer: T, call: Call): T {
  if (typeof answer === "object" && answer !== null) return answer;
  const message = `the KMS provider answered ${call.operation} for ${call.keyId} with nothing`;
  throw kmsError("unexpected-answer", { ...call, message });
}

/** The error itself, the same one of another copy of the package made ours, or `unexpected-answer` for anything else. */
function asKmsError(error: unknown, call: Call): KmsError {
  if (error instanceof KmsError) return error;
  if (error instanceof RecordingKeyStoreError) {
    const { kind, operation, keyId, awsErrorName, requestId } = error as Partial<KmsError>;
    if (kind !== undefined && kmsFailureKinds.includes(kind)) {
      return kmsError(kind, {
        operation: operation ?? call.operation,
        keyId,
        awsErrorName,
        requestId,
        message: error.message,
        cause: error.cause,
      });
    }
  }
  return kmsError("unexpected-answer", {
    ...call,
    message: `the KMS provider failed at ${call.operation} with ${call.keyId} in a way that it does not classify`,
    cause: sanitizeCause(error),
  });
}

/** The failure of a probe as it concerns a call that waited for it. */
function sharedFailure({ kind, awsErrorName, requestId, message, cause }: KmsError, call: Call): KmsError {
  return kmsError(kind, {
    ...call,
    awsErrorName,
    requestId,
    message: `${call.operation} with ${call.keyId} was not sent while KMS does not answer: ${message}`,
    cause,
  });
}
