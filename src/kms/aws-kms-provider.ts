import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyPairWithoutPlaintextCommand,
  KMSClient,
  type DecryptCommandOutput,
  type DescribeKeyCommandOutput,
  type EncryptCommandOutput,
  type GenerateDataKeyPairWithoutPlaintextCommandOutput,
} from "@aws-sdk/client-kms";
import { copySecret, wipe } from "../encoding/secrets.js";
import { InvalidInputError, KmsError } from "../errors.js";
import { regionOf } from "./arn.js";
import { classifyAwsFailure } from "./classify-aws-failure.js";
import { kmsError } from "./failures.js";
import type { KmsCallOptions, KmsKeyDescription, KmsProvider } from "./kms-provider.js";

/** What this needs of a `KMSClient`, by its shape: one of another copy or version of the SDK, or a mock, will do. */
export interface KmsClientLike {
  // eslint-disable-next-line @typescript-eslint/no-unsafe-function-type -- the SDK's overloads fit no narrower shape
  send: Function;
  readonly config?: unknown;
}

export interface AwsKmsProviderOptions {
  /**
   * A client, or a function of the Region that gives one (kept per Region). Never closed here. Default: a new client per
   * Region with the SDK's default credentials.
   */
  client?: KmsClientLike | ((region: string) => KmsClientLike);
  /** How long one attempt of the SDK may take, milliseconds. Default 2,000. */
  attemptTimeout?: number;
  /** How long a call may take with all the SDK's retries, milliseconds. Default 5,000. */
  deadline?: number;
}

type Send = (client: KmsClientLike, command: object, options: { abortSignal: AbortSignal; requestTimeout: number }) => Promise<unknown>;
const send: Send = async (client, command, options) => (await Reflect.apply(client.send, client, [command, options])) as unknown;

/** AWS KMS through the AWS SDK. The SDK has no timeout of its own, so this gives every call a deadline. */
export class AwsKmsProvider implements KmsProvider {
  readonly #clientFor: (region: string) => KmsClientLike;
  readonly #single: KmsClientLike | undefined;
  readonly #clients = new Map<string, KmsClientLike>();
  readonly #attemptTimeout: number;
  readonly #deadline: number;

  /** @throws InvalidInputError */
  constructor({ client, attemptTimeout = 2_000, deadline = 5_000 }: AwsKmsProviderOptions = {}) {
    for (const [field, value] of Object.entries({ attemptTimeout, deadline })) {
      if (!Number.isFinite(value) || value < 1 || value > 600_000) throw new InvalidInputError(field, "must be 1 to 600,000 milliseconds", value);
    }
    if (client !== undefined && typeof client !== "function" && typeof (client as { send?: unknown }).send !== "function") {
      throw new InvalidInputError("client", "must be a KMSClient, or a function of the Region that gives one", client);
    }
    this.#single = typeof client === "function" ? undefined : client;
    this.#clientFor = typeof client === "function" ? client : (region) => new KMSClient({ region });
    this.#attemptTimeout = attemptTimeout;
    this.#deadline = deadline;
  }

  async describeKey({ keyId }: { keyId: string }, options?: KmsCallOptions): Promise<KmsKeyDescription> {
    const { KeyMetadata: key } = await this.#call<DescribeKeyCommandOutput>("DescribeKey", keyId, new DescribeKeyCommand({ KeyId: keyId }), options);
    if (!key?.Arn) throw unexpected("DescribeKey", keyId, "it has no key ARN");
    const replicas = key.MultiRegionConfiguration?.ReplicaKeys?.map(({ Region }) => Region).filter((region) => region !== undefined);
    return {
      keyArn: key.Arn,
      enabled: key.Enabled ?? false,
      keyState: key.KeyState ?? "unknown",
      keySpec: key.KeySpec ?? "unknown",
      keyUsage: key.KeyUsage ?? "unknown",
      ...(key.Origin ? { origin: key.Origin } : {}),
      ...(key.KeyManager ? { keyManager: key.KeyManager } : {}),
      ...(key.MultiRegionConfiguration ? { multiRegion: { primaryRegion: key.MultiRegionConfiguration.PrimaryKey?.Region ?? "", replicaRegions: replicas ?? [] } } : {}),
      ...(key.DeletionDate ? { deletionDate: key.DeletionDate } : {}),
    };
  }

  encrypt: KmsProvider["encrypt"] = async ({ keyId, plaintext, encryptionContext }, options) => {
    const command = new EncryptCommand({ KeyId: keyId, Plaintext: plaintext, EncryptionContext: { ...encryptionContext } });
    const { KeyId, CiphertextBlob } = await this.#call<EncryptCommandOutput>("Encrypt", keyId, command, options);
    return { keyArn: text("Encrypt", keyId, KeyId), ciphertext: bytes("Encrypt", keyId, CiphertextBlob) };
  };

  decrypt: KmsProvider["decrypt"] = async ({ keyId, ciphertext, encryptionContext }, options) => {
    const command = new DecryptCommand({ KeyId: keyId, CiphertextBlob: ciphertext, EncryptionContext: { ...encryptionContext } });
    const { KeyId, Plaintext } = await this.#call<DecryptCommandOutput>("Decrypt", keyId, command, options);
    const given = bytes("Decrypt", keyId, Plaintext);
    const plaintext = copySecret(given);
    wipe(given);
    return { keyArn: text("Decrypt", keyId, KeyId), plaintext };
  };

  generateDataKeyPair: KmsProvider["generateDataKeyPair"] = async ({ keyId, spec, encryptionContext }, options) => {
    const operation = "GenerateDataKeyPairWithoutPlaintext";
    const command = new GenerateDataKeyPairWithoutPlaintextCommand({ KeyId: keyId, KeyPairSpec: spec, EncryptionContext: { ...encryptionContext } });
    const answer = await this.#call<GenerateDataKeyPairWithoutPlaintextCommandOutput>(operation, keyId, command, options);
    return {
      keyArn: text(operation, keyId, answer.KeyId),
      publicKey: bytes(operation, keyId, answer.PublicKey),
      privateKeyCiphertext: bytes(operation, keyId, answer.PrivateKeyCiphertextBlob),
    };
  };

  /** Sends one command, and ends with the caller's signal or the deadline also when the client heeds neither. */
  async #call<T>(operation: string, keyId: string, command: object, options: KmsCallOptions = {}): Promise<T> {
    const { signal } = options;
    signal?.throwIfAborted();
    const end = new AbortController();
    let onAbort: (() => void) | undefined;
    let timer: NodeJS.Timeout | undefined;
    const ended = new Promise<never>((_, reject) => {
      const stop = (reason: unknown) => {
        reject(reason);
        end.abort(reason);
      };
      onAbort = () => stop(signal?.reason);
      signal?.addEventListener("abort", onAbort, { once: true });
      timer = setTimeout(() => stop(kmsError("timeout", { operation, keyId, message: `${operation} got no answer within ${this.#deadline} ms` })), this.#deadline);
    });
    try {
      const client = await this.#client(operation, keyId);
      const answer = send(client, command, { abortSignal: end.signal, requestTimeout: this.#attemptTimeout });
      answer.catch(() => undefined); // the race may be over before it fails
      return (await Promise.race([answer, ended])) as T;
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof KmsError ? error : classifyAwsFailure(error, operation, keyId);
    } finally {
      ended.catch(() => undefined);
      clearTimeout(timer);
      if (onAbort) signal?.removeEventListener("abort", onAbort);
    }
  }

  async #client(operation: string, keyId: string): Promise<KmsClientLike> {
    const region = regionOf(keyId);
    if (region === undefined) throw kmsError("invalid-request", { operation, keyId, message: `${JSON.stringify(keyId)} is no ARN of a KMS key or alias` });
    if (this.#single) {
      const own = await configuredRegion(this.#single);
      if (own !== undefined && own !== region) {
        throw kmsError("invalid-request", { operation, keyId, message: `${keyId} is in ${region}, and the only KMSClient given is for ${own}: give a function of the Region as client` });
      }
      return this.#single;
    }
    let client = this.#clients.get(region);
    if (!client) this.#clients.set(region, (client = this.#clientFor(region)));
    return client;
  }
}

async function configuredRegion({ config }: KmsClientLike): Promise<string | undefined> {
  const region = (config as { region?: unknown } | undefined)?.region;
  const value: unknown = typeof region === "function" ? await (region as () => unknown)() : region;
  return typeof value === "string" ? value : undefined;
}

function text(operation: string, keyId: string, value: string | undefined): string {
  if (value) return value;
  throw unexpected(operation, keyId, "it names no key");
}

function bytes(operation: string, keyId: string, value: Uint8Array | undefined): Uint8Array {
  if (value instanceof Uint8Array && value.length > 0) return value;
  throw unexpected(operation, keyId, "it lacks the bytes that the operation promises");
}

function unexpected(operation: string, keyId: string, what: string): KmsError {
  return kmsError("unexpected-answer", { operation, keyId, message: `the answer to ${operation} is not one: ${what}` });
}
