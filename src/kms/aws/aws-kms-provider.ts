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
import { InvalidInputError } from "../../errors.js";
import { boundedCall } from "../../util/abort.js";
import { sendInAttempts, type CommandWithMiddleware } from "../../util/aws-attempts.js";
import { knownOptions } from "../../util/check-input.js";
import { checkTimes } from "../../util/check-times.js";
import { defined } from "../../util/defined.js";
import { plainBytes } from "../../util/realms.js";
import { member } from "../../util/safe-cause.js";
import { takeSecret } from "../../util/secrets.js";
import { parseKmsArn } from "../arn.js";
import { keyMaterialIdOf } from "../key-material-id.js";
import { kmsError, KmsError } from "../kms-error.js";
import type { KmsCallOptions, KmsProvider } from "../kms-provider.js";
import { clientOfAnotherRegion } from "../not-sent.js";
import { answeredBytes, answeredDescription, answeredKey, discardAnswer, type AwsCall } from "./answers.js";
import { kmsErrorFromAws } from "./failures.js";

/** A `KMSClient` by its shape, so that one of another copy or version of the SDK, or a mock, will do. */
export interface KmsClientLike {
  send(command: object, options?: { abortSignal?: AbortSignal }): Promise<unknown>;
  /** Tells the Region of a `KMSClient`. A client without it gets the calls of every Region. */
  readonly config?: object;
}

/** Options of {@link AwsKmsProvider}. Times are 1 to 600,000 ms. */
export interface AwsKmsProviderOptions {
  /**
   * Client for one Region, or function that gives one for each, at once or as a promise. It is called once per Region, and
   * again after it failed or gave nothing within `deadline`. The provider never closes a client. Default: a new `KMSClient` per
   * Region, with the credentials that the SDK finds by itself.
   */
  client?: KmsClientLike | ((region: string) => KmsClientLike | Promise<KmsClientLike>);
  /** Longest time of one attempt of the SDK, in ms. Default 2,000. */
  attemptTimeout?: number;
  /** Longest time of a call, with all attempts and pauses of the SDK, in ms. Default 5,000. */
  deadline?: number;
  /** Longest time of making an RSA key pair, in one attempt, in ms: from `deadline` on. Default 20,000, or `deadline` if that is longer. */
  keyPairDeadline?: number;
}

/**
 * AWS KMS through the AWS SDK.
 *
 * The SDK has no timeout of its own, so every call gets a deadline, which also holds for a client that ignores aborts.
 * Retries are the SDK's alone (`maxAttempts` of the client). Each Region's calls go to a client of that Region.
 */
export class AwsKmsProvider implements KmsProvider {
  readonly #makeClient: (region: string) => unknown;
  readonly #clients = new Map<string, Promise<OpenedClient>>();
  readonly #attemptTimeout: number;
  readonly #deadline: number;
  readonly #keyPairDeadline: number;

  /** @throws InvalidInputError for a client without `send`, and for a time out of bounds */
  constructor(options: AwsKmsProviderOptions = {}) {
    if (hasSend(options)) throw new InvalidInputError("options", "must be { client }, not the client itself");
    const own = knownOptions(options, { client: true, attemptTimeout: true, deadline: true, keyPairDeadline: true });
    const { client, attemptTimeout = 2_000, deadline = 5_000, keyPairDeadline = 20_000 } = own;
    checkTimes({ attemptTimeout, deadline, keyPairDeadline });
    if (own.keyPairDeadline !== undefined && keyPairDeadline < deadline)
      throw new InvalidInputError(
        "keyPairDeadline",
        `must be at least the deadline of ${deadline} ms`,
        keyPairDeadline,
      );
    if (client !== undefined && typeof client !== "function" && !hasSend(client)) {
      throw new InvalidInputError("client", "must be a KMSClient, or a function of the Region that gives one", client);
    }
    if (client === undefined) this.#makeClient = (region) => new KMSClient({ region });
    else this.#makeClient = typeof client === "function" ? client : () => client;
    this.#attemptTimeout = attemptTimeout;
    this.#deadline = deadline;
    this.#keyPairDeadline = Math.max(keyPairDeadline, deadline);
  }

  async describeKey(
    ...[{ keyId }, options]: Parameters<KmsProvider["describeKey"]>
  ): ReturnType<KmsProvider["describeKey"]> {
    const call = { operation: "DescribeKey", keyId };
    const command = new DescribeKeyCommand({ KeyId: keyId });
    return answeredDescription(call, await this.#send<DescribeKeyCommandOutput>(call, command, options));
  }

  async encrypt(
    ...[{ keyId, plaintext, encryptionContext }, options]: Parameters<KmsProvider["encrypt"]>
  ): ReturnType<KmsProvider["encrypt"]> {
    const call = { operation: "Encrypt", keyId };
    const command = new EncryptCommand({
      KeyId: keyId,
      Plaintext: plainBytes(plaintext),
      EncryptionContext: { ...encryptionContext },
    });
    const { KeyId, CiphertextBlob } = await this.#send<EncryptCommandOutput>(call, command, options);
    return { keyArn: answeredKey(call, KeyId), ciphertext: answeredBytes(call, "CiphertextBlob", CiphertextBlob) };
  }

  async decrypt(
    ...[{ keyId, ciphertext, encryptionContext }, options]: Parameters<KmsProvider["decrypt"]>
  ): ReturnType<KmsProvider["decrypt"]> {
    const call = { operation: "Decrypt", keyId };
    const command = new DecryptCommand({
      KeyId: keyId,
      CiphertextBlob: plainBytes(ciphertext),
      EncryptionContext: { ...encryptionContext },
    });
    const answer = await this.#send<DecryptCommandOutput>(call, command, options);
    try {
      return {
        keyArn: answeredKey(call, answer.KeyId),
        plaintext: takeSecret(answeredBytes(call, "Plaintext", answer.Plaintext)),
        ...defined({ keyMaterialId: keyMaterialIdOf(answer.KeyMaterialId) }),
      };
    } finally {
      discardAnswer(answer);
    }
  }

  async generateDataKeyPair(
    ...[{ keyId, spec, encryptionContext }, options]: Parameters<KmsProvider["generateDataKeyPair"]>
  ): ReturnType<KmsProvider["generateDataKeyPair"]> {
    const call = { operation: "GenerateDataKeyPairWithoutPlaintext", keyId };
    const command = new GenerateDataKeyPairWithoutPlaintextCommand({
      KeyId: keyId,
      KeyPairSpec: spec,
      EncryptionContext: { ...encryptionContext },
    });
    const times = { attemptTimeout: this.#keyPairDeadline, deadline: this.#keyPairDeadline };
    const answer = await this.#send<GenerateDataKeyPairWithoutPlaintextCommandOutput>(call, command, options, times);
    return {
      keyArn: answeredKey(call, answer.KeyId),
      publicKey: answeredBytes(call, "PublicKey", answer.PublicKey),
      privateKeyCiphertext: answeredBytes(call, "PrivateKeyCiphertextBlob", answer.PrivateKeyCiphertextBlob),
    };
  }

  async #send<T extends object>(
    call: AwsCall,
    command: CommandWithMiddleware,
    { signal }: KmsCallOptions = {},
    { attemptTimeout, deadline } = { attemptTimeout: this.#attemptTimeout, deadline: this.#deadline },
  ): Promise<T> {
    const send = async ({ signal: ending }: AbortController) => {
      const client = await this.#clientFor(call);
      ending.throwIfAborted();
      return sendInAttempts(client, command, {
        attemptTimeout: attemptTimeout < deadline ? attemptTimeout : undefined,
        signal: ending,
        discard: discardAnswer,
      });
    };
    let answer: unknown;
    try {
      answer = await boundedCall(send, { deadline, signal, discard: discardAnswer });
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof KmsError ? error : kmsErrorFromAws(error, call);
    }
    if (typeof answer === "object" && answer !== null) return answer as T;
    throw kmsError("unexpected-answer", {
      ...call,
      message: `the KMS client resolved ${call.operation} without an answer`,
    });
  }

  async #clientFor(call: AwsCall): Promise<KmsClientLike> {
    const region = parseKmsArn(call.keyId)?.region;
    if (region === undefined)
      throw kmsError("invalid-request", {
        ...call,
        message: `${JSON.stringify(call.keyId)} is not the ARN of a KMS key or alias`,
      });
    let opening = this.#clients.get(region);
    if (!opening) {
      // Bounded, so that one that hangs is not waited for by all calls to come.
      opening = boundedCall(() => openClient(this.#makeClient, region), { deadline: this.#deadline });
      this.#clients.set(region, opening);
      opening.catch(() => this.#clients.delete(region));
    }
    const { client, ownRegion } = await opening;
    const unsent = `${call.operation} with ${call.keyId} was not sent: `;
    if (!client) {
      this.#clients.delete(region);
      throw kmsError("unreachable", { ...call, message: `${unsent}the client option gave no KMSClient for ${region}` });
    }
    if (ownRegion === undefined || ownRegion === region) return client;
    // No verdict of KMS: recordings go on being encrypted until somebody has mended the wiring.
    const message = `${unsent}${clientOfAnotherRegion} ${ownRegion}; give AwsKmsProvider a client for ${region}, or a function of the Region`;
    throw kmsError("unreachable", { ...call, message });
  }
}

function hasSend(given: unknown): given is KmsClientLike {
  return typeof given === "object" && given !== null && typeof member(given, "send") === "function";
}

interface OpenedClient {
  /** `undefined` for something else than a client. */
  readonly client: KmsClientLike | undefined;
  /** Region of the client, if it tells. */
  readonly ownRegion: string | undefined;
}

async function openClient(makeClient: (region: string) => unknown, region: string): Promise<OpenedClient> {
  const client = await makeClient(region);
  if (!hasSend(client)) return { client: undefined, ownRegion: undefined };
  const config: unknown = member(client, "config");
  const told = typeof config === "object" && config !== null ? member(config, "region") : undefined;
  // A `KMSClient` has a function for it, which may read profile and environment.
  const ownRegion: unknown = typeof told === "function" ? await (told as () => unknown).call(config) : told;
  return { client, ownRegion: typeof ownRegion === "string" ? ownRegion : undefined };
}
