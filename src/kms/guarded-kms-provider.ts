import type { Discard } from "../util/abort.js";
import { defined } from "../util/defined.js";
import { wipe } from "../util/secrets.js";
import { regionOf } from "./arn.js";
import type { KmsCallLimit } from "./call-limit.js";
import { CheckedKmsProvider } from "./checked-kms-provider.js";
import { KeyCircuit } from "./circuit.js";
import { kmsError, KmsError } from "./kms-error.js";
import type { KmsCallOptions, KmsProvider } from "./kms-provider.js";

/** Most calls of one organization under way per KMS key: all share the quota of the calling account. */
const defaultConcurrency = 16;

/** Number of circuits from which on idle ones are dropped: an organization has few KMS keys. */
const manyCircuits = 64;

/** Longest time of a call unless told otherwise, in ms. */
const defaultTimeout = 30_000;

interface GuardOptions {
  /** Most calls at a time, per KMS key. */
  readonly concurrency?: number;
  /** Longest time of one call to the provider, in ms. */
  readonly timeout?: number;
  /** Bounds the calls of the whole process. */
  readonly limit?: KmsCallLimit | undefined;
}

/**
 * A provider for one organization, held to its promises ({@link CheckedKmsProvider}). Bounds how many calls run at once, and
 * keeps callers from piling up behind a KMS that does not answer ({@link KeyCircuit}). A key that gives no answer is its own
 * trouble alone; an endpoint that can't be reached is that of all keys in its Region.
 */
export class GuardedKmsProvider implements KmsProvider {
  readonly #provider: KmsProvider;
  readonly #concurrency: number;
  readonly #circuits = new Map<string, KeyCircuit>();

  constructor(
    provider: KmsProvider,
    { concurrency = defaultConcurrency, timeout = defaultTimeout, limit }: GuardOptions = {},
  ) {
    const checked = new CheckedKmsProvider(provider, timeout);
    this.#provider = limit?.shareOf(checked) ?? checked;
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
        run,
        signal,
        failureOf: (error) => (!signal?.aborted && error instanceof KmsError ? error : undefined),
        shared: (failure) => sharedFailure(failure, call),
        ...defined({ discard }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof KmsError && error.kind === "unreachable") this.#openRegionOf(keyId);
      throw error;
    }
  }

  #circuitOf(keyId: string): KeyCircuit {
    const known = this.#circuits.get(keyId);
    if (known) return known;
    if (this.#circuits.size >= manyCircuits)
      for (const [id, circuit] of this.#circuits) if (circuit.isIdle) this.#circuits.delete(id);
    const circuit = new KeyCircuit(this.#concurrency);
    this.#circuits.set(keyId, circuit);
    return circuit;
  }

  /** One call at a time finds out about each of the Region's keys: the endpoint is the same. */
  #openRegionOf(keyId: string): void {
    const region = regionOf(keyId);
    for (const [id, circuit] of this.#circuits) if (regionOf(id) === region) circuit.open();
  }
}

interface Call {
  readonly operation: string;
  readonly keyId: string;
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
