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
import { plainBytes } from "../../util/realms.js";
import { takeSecret } from "../../util/secrets.js";
import { parseKmsArn } from "../arn.js";
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
   * Client for one Region, or function that gives one for each (called once per Region). The provider never closes it.
   * Default: a new `KMSClient` per Region, with the credentials that the SDK finds by itself.
   */
  client?: KmsClientLike | ((region: string) => KmsClientLike);
  /** Longest time of one attempt of the SDK, in ms. Default 2,000. */
  attemptTimeout?: number;
  /** Longest time of a call, with all attempts and pauses of the SDK, in ms. Default 5,000. */
  deadline?: number;
  /** Longest time of making an RSA key pair, in one attempt, in ms. Default 20,000, or `deadline` if that is longer. */
  keyPairDeadline?: number;
}

/**
 * AWS KMS through the AWS SDK.
 *
 * The SDK has no timeout of its own, so every call gets a deadline, which also holds for a client that ignores aborts.
 * Retries are the SDK's alone (`maxAttempts` of the client). Each Region's calls go to a client of that Region.
 */
export class AwsKmsProvider implements KmsProvider {
  readonly #makeClient: (region: string) => KmsClientLike;
  readonly #clients = new Map<string, Promise<OpenedClient>>();
  readonly #attemptTimeout: number;
  readonly #deadline: number;
  readonly #keyPairDeadline: number;

  /** @throws InvalidInputError for a client without `send`, and for a time out of bounds */
  constructor(options: AwsKmsProviderOptions = {}) {
    if (typeof (options as Partial<KmsClientLike> | null)?.send === "function")
      throw new InvalidInputError("options", "must be { client }, not the client itself");
    const {
      client,
      attemptTimeout = 2_000,
      deadline = 5_000,
      keyPairDeadline = Math.max(20_000, deadline),
    } = knownOptions(options, { client: true, attemptTimeout: true, deadline: true, keyPairDeadline: true });
    checkTimes({ attemptTimeout, deadline, keyPairDeadline });
    if (
      client !== undefined &&
      typeof client !== "function" &&
      typeof (client as Partial<KmsClientLike> | null)?.send !== "function"
    ) {
      throw new InvalidInputError("client", "must be a KMSClient, or a function of the Region that gives one", client);
    }
    if (client === undefined) this.#makeClient = (region) => new KMSClient({ region });
    else this.#makeClient = typeof client === "function" ? client : () => client;
    this.#attemptTimeout = attemptTimeout;
    this.#deadline = deadline;
    this.#keyPairDeadline = keyPairDeadline;
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
      opening = openClient(this.#makeClient, region);
      this.#clients.set(region, opening);
      opening.catch(() => this.#clients.delete(region));
    }
    const { client, ownRegion } = await opening;
    if (ownRegion === undefined || ownRegion === region) return client;
    // No verdict of KMS: recordings go on being encrypted until somebody has mended the wiring.
    const message = `${call.operation} with ${call.keyId} was not sent: ${clientOfAnotherRegion} ${ownRegion}; give AwsKmsProvider a client for ${region}, or a function of the Region`;
    throw kmsError("unreachable", { ...call, message });
  }
}

interface OpenedClient {
  readonly client: KmsClientLike;
  /** Region of the client, if it tells. */
  readonly ownRegion: string | undefined;
}

async function openClient(makeClient: (region: string) => KmsClientLike, region: string): Promise<OpenedClient> {
  const client = makeClient(region);
  const { region: told } = (client.config ?? {}) as { region?: unknown };
  // A `KMSClient` has a function for it, which may read profile and environment.
  const ownRegion: unknown = typeof told === "function" ? await (told as () => unknown)() : told;
  return { client, ownRegion: typeof ownRegion === "string" ? ownRegion : undefined };
}
