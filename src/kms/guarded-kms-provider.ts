import { RecordingKeyStoreError } from "../errors.js";
import type { Discard } from "../util/abort.js";
import { defined } from "../util/defined.js";
import { sanitizeCause } from "../util/safe-cause.js";
import { wipe } from "../util/secrets.js";
import { regionOf } from "./arn.js";
import { RegionCircuit } from "./circuit.js";
import { kmsError, kmsFailureKinds, KmsError } from "./kms-error.js";
import type { KmsCallOptions, KmsProvider } from "./kms-provider.js";

/** Most calls of one organization under way per Region: all share the quota of the calling account. */
const defaultConcurrency = 16;

/**
 * Wraps a provider for one organization. Bounds how many calls run at once, keeps callers from piling up behind a KMS that
 * does not answer ({@link RegionCircuit}), and holds the provider to what {@link KmsProvider} promises of failures: a call
 * rejects with a KmsError of this copy of the package, or with the caller's own abort reason.
 */
export class GuardedKmsProvider implements KmsProvider {
  readonly #provider: KmsProvider;
  readonly #concurrency: number;
  readonly #circuits = new Map<string, RegionCircuit>();

  /** @param concurrency - most calls at a time, per Region */
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
    { keyId }: Pick<Call, "keyId">,
    options: KmsCallOptions | undefined,
    run: () => Promise<T>,
    discard?: Discard<T>,
  ): Promise<T> {
    const signal = options?.signal;
    const call = { operation, keyId };
    try {
      return await this.#circuitOf(keyId).run({
        run: async () => anAnswer(await run(), call), // async: a provider may throw instead of rejecting
        signal,
        failureOf: (error) => (signal?.aborted ? undefined : asKmsError(error, call)),
        shared: (failure) => sharedFailure(failure, call),
        ...defined({ discard }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw asKmsError(error, call);
    }
  }

  #circuitOf(keyId: string): RegionCircuit {
    const region = regionOf(keyId) ?? "";
    let circuit = this.#circuits.get(region);
    if (!circuit) this.#circuits.set(region, (circuit = new RegionCircuit(this.#concurrency)));
    return circuit;
  }
}

interface Call {
  readonly operation: string;
  readonly keyId: string;
}

/** @throws KmsError where the provider resolved with no object */
function anAnswer<T>(answer: T, call: Call): T {
  if (typeof answer === "object" && answer !== null) return answer;
  const message = `the KMS provider answered ${call.operation} for ${call.keyId} with nothing`;
  throw kmsError("unexpected-answer", { ...call, message });
}

/** The error itself; a copy of one from another copy of the package; `unexpected-answer` for anything else. */
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

/** The failure of a probe, for a call that waited for it. */
function sharedFailure({ kind, awsErrorName, requestId, message, cause }: KmsError, call: Call): KmsError {
  return kmsError(kind, {
    ...call,
    awsErrorName,
    requestId,
    message: `${call.operation} with ${call.keyId} was not sent while KMS does not answer: ${message}`,
    cause,
  });
}
