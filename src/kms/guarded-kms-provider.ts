import { wipe } from "../encoding/secrets.js";
import { KmsError, RecordingKeyStoreError } from "../errors.js";
import { parseKmsArn, regionOf, replicaArn } from "./arn.js";
import { kmsError, kmsFailureKinds, type KmsFailureKind } from "./failures.js";
import type { EncryptionContext, KmsCallOptions, KmsProvider } from "./kms-provider.js";
import { RegionLane } from "./region-lane.js";
import { sanitizeCause } from "./sanitized-cause.js";
import type { Discard } from "./waiting.js";

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

  describeKey: KmsProvider["describeKey"] = (request, options) => this.#guard("DescribeKey", request, options, () => this.#provider.describeKey(request, options));

  encrypt: KmsProvider["encrypt"] = (request, options) => this.#guard("Encrypt", request, options, () => this.#provider.encrypt(request, options));

  decrypt: KmsProvider["decrypt"] = (request, options) =>
    this.#guard(
      "Decrypt",
      request,
      options,
      () => this.#provider.decrypt(request, options),
      ({ plaintext }) => wipe(plaintext),
    );

  generateDataKeyPair: KmsProvider["generateDataKeyPair"] = (request, options) =>
    this.#guard("GenerateDataKeyPairWithoutPlaintext", request, options, () => this.#provider.generateDataKeyPair(request, options));

  async #guard<T>(operation: string, { keyId }: { keyId: string }, options: KmsCallOptions | undefined, run: () => Promise<T>, discard?: Discard<T>): Promise<T> {
    const signal = options?.signal;
    const call = { operation, keyId };
    try {
      return await this.#laneOf(keyId).run({
        run: async () => await run(), // async, so that a provider that throws instead of rejecting is caught too
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

/** The error itself, the same one of another copy of the package made ours, or `unexpected-answer` for anything else. */
function asKmsError(error: unknown, call: Call): KmsError {
  if (error instanceof KmsError) return error;
  if (error instanceof RecordingKeyStoreError) {
    const { kind, operation, keyId, awsErrorName, requestId } = error as Partial<KmsError>;
    if (kind !== undefined && kmsFailureKinds.includes(kind)) {
      return kmsError(kind, { operation: operation ?? call.operation, keyId, awsErrorName, requestId, message: error.message, cause: error.cause });
    }
  }
  return kmsError("unexpected-answer", { ...call, message: `the KMS provider failed at ${call.operation} with ${call.keyId} in a way that it does not classify`, cause: sanitizeCause(error) });
}

/** The failure of a probe as it concerns a call that waited for it. */
function sharedFailure({ kind, awsErrorName, requestId, message, cause }: KmsError, call: Call): KmsError {
  return kmsError(kind, { ...call, awsErrorName, requestId, message: `${call.operation} with ${call.keyId} was not sent while KMS does not answer: ${message}`, cause });
}

/** Failures after which another Region may know better. A refusal is the organization's word and is never gone round. */
const regionalFailures: ReadonlySet<KmsFailureKind> = new Set(["unreachable", "timeout", "service-error"]);

/**
 * `kms:Decrypt` under one key. A multi-Region key is asked in the given Regions, in order, and in a further one only when
 * the one before could not be reached; any other key only where it is. If no Region helps, the first one's failure counts.
 */
export function decryptionInRegions(
  kms: KmsProvider,
  kmsKeyArn: string,
  regions: readonly string[],
): (request: { ciphertext: Uint8Array; encryptionContext: EncryptionContext }, signal?: AbortSignal) => Promise<Buffer> {
  const replicas = parseKmsArn(kmsKeyArn)?.multiRegion ? regions.map((region) => replicaArn(kmsKeyArn, region)).filter((arn) => arn !== undefined) : [];
  const keyIds = replicas.length > 0 ? [...new Set(replicas)] : [kmsKeyArn];
  return async (request, signal) => {
    let first: KmsError | undefined;
    for (const keyId of keyIds) {
      try {
        return await decryptUnder(kms, keyId, request, signal);
      } catch (error) {
        if (!(error instanceof KmsError)) throw error;
        // A further Region's refusal is a word about that Region's replica and not about the key at home.
        first ??= error;
        if (!regionalFailures.has(error.kind)) break;
      }
    }
    throw first;
  };
}

async function decryptUnder(
  kms: KmsProvider,
  keyId: string,
  request: { ciphertext: Uint8Array; encryptionContext: EncryptionContext },
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const { keyArn, plaintext } = await kms.decrypt({ ...request, keyId }, signal ? { signal } : {});
  if (keyArn !== keyId) {
    wipe(plaintext);
    throw kmsError("unexpected-answer", { operation: "Decrypt", keyId, message: `the KMS provider answered Decrypt under ${keyId} with another key, ${JSON.stringify(keyArn)}` });
  }
  return Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
}
