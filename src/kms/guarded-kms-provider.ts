import { KmsError } from "../errors.js";
import { parseKmsArn, regionOf, replicaArn } from "./arn.js";
import { kmsError, kmsFailureGroup, type KmsFailureKind } from "./failures.js";
import type { EncryptionContext, KmsCallOptions, KmsProvider } from "./kms-provider.js";

/** How many calls one organization has under way at most: the calling account's quota is shared by all of them. */
const defaultConcurrency = 16;

interface Circuit {
  /** Set while the last call failed for want of an answer. */
  failing: boolean;
  /** The one call that finds out whether KMS is back. */
  probe: Promise<KmsError | undefined> | undefined;
}

/**
 * Wraps a provider for one organization: bounds how many calls run at once, and keeps callers from piling up behind a KMS
 * that does not answer. While it is failing one call at a time goes out as a probe, and all who come meanwhile share its
 * failure. There is no cool-down: the first call after KMS is back succeeds.
 */
export class GuardedKmsProvider implements KmsProvider {
  readonly #provider: KmsProvider;
  readonly #gate: Gate;
  readonly #circuits = new Map<string, Circuit>();

  constructor(provider: KmsProvider, concurrency = defaultConcurrency) {
    this.#provider = provider;
    this.#gate = new Gate(concurrency);
  }

  describeKey: KmsProvider["describeKey"] = (request, options) => this.#guard("DescribeKey", request.keyId, options, () => this.#provider.describeKey(request, options));

  encrypt: KmsProvider["encrypt"] = (request, options) => this.#guard("Encrypt", request.keyId, options, () => this.#provider.encrypt(request, options));

  decrypt: KmsProvider["decrypt"] = (request, options) => this.#guard("Decrypt", request.keyId, options, () => this.#provider.decrypt(request, options));

  generateDataKeyPair: KmsProvider["generateDataKeyPair"] = (request, options) =>
    this.#guard("GenerateDataKeyPairWithoutPlaintext", request.keyId, options, () => this.#provider.generateDataKeyPair(request, options));

  async #guard<T>(operation: string, keyId: string, options: KmsCallOptions | undefined, call: () => Promise<T>): Promise<T> {
    const signal = options?.signal;
    const region = regionOf(keyId) ?? "";
    let circuit = this.#circuits.get(region);
    if (!circuit) this.#circuits.set(region, (circuit = { failing: false, probe: undefined }));
    if (circuit.failing && circuit.probe) {
      const failure = await circuit.probe;
      signal?.throwIfAborted();
      if (failure) throw kmsError(failure.kind, { operation, keyId, message: failure.message, awsErrorName: failure.awsErrorName, cause: failure });
    }
    const attempt = this.#gate.run(call, signal);
    const outcome = this.#observe(circuit, operation, keyId, signal, attempt);
    if (circuit.failing) circuit.probe ??= outcome.finally(() => (circuit.probe = undefined));
    try {
      return await attempt;
    } catch (error) {
      const failure = await outcome;
      if (failure && !signal?.aborted) throw failure;
      throw error;
    }
  }

  /** Moves the circuit by how a call ends. Resolves with its failure, in the library's own terms. */
  async #observe(circuit: Circuit, operation: string, keyId: string, signal: AbortSignal | undefined, attempt: Promise<unknown>): Promise<KmsError | undefined> {
    try {
      await attempt;
      circuit.failing = false;
      return undefined;
    } catch (error) {
      if (signal?.aborted) return undefined; // says nothing about KMS
      const failure =
        error instanceof KmsError ? error : kmsError("unexpected-answer", { operation, keyId, message: `the KMS provider failed at ${operation} in a way it does not document`, cause: error });
      circuit.failing = kmsFailureGroup(failure.kind) === "unavailable";
      return failure;
    }
  }
}

/** Failures after which another Region may know better. A refusal is the organization's word and is never gone round. */
const regionalFailures: ReadonlySet<KmsFailureKind> = new Set(["unreachable", "timeout", "service-error"]);

/**
 * `kms:Decrypt` under one key. A multi-Region key is asked in the given Regions, in order, and in a further one only when
 * the one before could not be reached; any other key only where it is.
 */
export function decryptionInRegions(kms: KmsProvider, kmsKeyArn: string, regions: readonly string[]) {
  const replicas = parseKmsArn(kmsKeyArn)?.multiRegion ? regions.map((region) => replicaArn(kmsKeyArn, region)).filter((arn) => arn !== undefined) : [];
  const keyIds = replicas.length > 0 ? [...new Set(replicas)] : [kmsKeyArn];
  return async ({ ciphertext, encryptionContext }: { ciphertext: Uint8Array; encryptionContext: EncryptionContext }, signal?: AbortSignal): Promise<Buffer> => {
    let first: unknown;
    for (const keyId of keyIds) {
      try {
        const { plaintext } = await kms.decrypt({ keyId, ciphertext, encryptionContext }, signal ? { signal } : {});
        return Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
      } catch (error) {
        first ??= error;
        if (!(error instanceof KmsError) || !regionalFailures.has(error.kind)) throw first;
      }
    }
    throw first;
  };
}

/** Lets a bounded number of tasks run, in the order in which they came. */
class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(width: number) {
    this.#free = width;
  }

  async run<T>(task: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    await this.#enter(signal);
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }

  #enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiting.push(enter);
    });
  }
}
