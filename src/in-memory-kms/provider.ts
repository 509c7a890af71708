import { TextDecoder } from "node:util";
import type { DescribeKeyCommandOutput } from "@aws-sdk/client-kms";
import { answeredBytes, answeredDescription, answeredKey, type AwsCall } from "../kms/aws/answers.js";
import { kmsErrorFromAws } from "../kms/aws/failures.js";
import { keyMaterialIdOf } from "../kms/key-material-id.js";
import { kmsError, KmsError } from "../kms/kms-error.js";
import type { KmsCallOptions, KmsProvider } from "../kms/kms-provider.js";
import { boundedCall } from "../util/abort.js";
import { ownOptions } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import type { InMemoryKms } from "./in-memory-kms.js";

/** Deadline of a call that a fault may hold up, in ms. */
const deadlineUnderFaults = 5_000;

/**
 * A `KmsProvider` on an in-memory KMS, without the AWS SDK. Requests and answers are AWS's, and failures are classified as
 * `AwsKmsProvider` does. It never retries.
 */
export class InMemoryKmsProvider implements KmsProvider {
  readonly #kms: InMemoryKms;
  readonly #accessKeyId: string;
  readonly #deadline: number | undefined;

  /**
   * @param options.accessKeyId - caller; default: an administrator of `000000000000`
   * @param options.deadline - longest time that a call may take, in ms. Default: none, and 5,000 while there are faults, so that
   * nothing depends on how busy the machine is, such as one that makes an RSA pair under load
   */
  constructor(kms: InMemoryKms, options: { accessKeyId?: string; deadline?: number } = {}) {
    // A principal is one too, which addPrincipal() gave.
    const { accessKeyId = "AKIAINMEMORYKMSADMIN", deadline } = ownOptions(options);
    this.#kms = kms;
    this.#accessKeyId = accessKeyId;
    this.#deadline = deadline;
  }

  async describeKey(
    ...[{ keyId }, options]: Parameters<KmsProvider["describeKey"]>
  ): ReturnType<KmsProvider["describeKey"]> {
    const call = { operation: "DescribeKey", keyId };
    return answeredDescription(call, withDates(await this.#send(call, {}, options)));
  }

  async encrypt(
    ...[{ keyId, plaintext, encryptionContext }, options]: Parameters<KmsProvider["encrypt"]>
  ): ReturnType<KmsProvider["encrypt"]> {
    const call = { operation: "Encrypt", keyId };
    const answer = await this.#send(
      call,
      { Plaintext: toBase64(plaintext), EncryptionContext: encryptionContext },
      options,
    );
    return { keyArn: keyOf(call, answer), ciphertext: bytesOf(call, answer, "CiphertextBlob") };
  }

  async decrypt(
    ...[{ keyId, ciphertext, encryptionContext }, options]: Parameters<KmsProvider["decrypt"]>
  ): ReturnType<KmsProvider["decrypt"]> {
    const call = { operation: "Decrypt", keyId };
    const answer = await this.#send(
      call,
      { CiphertextBlob: toBase64(ciphertext), EncryptionContext: encryptionContext },
      options,
    );
    return {
      keyArn: keyOf(call, answer),
      plaintext: bytesOf(call, answer, "Plaintext"),
      ...defined({ keyMaterialId: keyMaterialIdOf(answer["KeyMaterialId"]) }),
    };
  }

  async generateDataKeyPair(
    ...[{ keyId, spec, encryptionContext }, options]: Parameters<KmsProvider["generateDataKeyPair"]>
  ): ReturnType<KmsProvider["generateDataKeyPair"]> {
    const call = { operation: "GenerateDataKeyPairWithoutPlaintext", keyId };
    const answer = await this.#send(call, { KeyPairSpec: spec, EncryptionContext: encryptionContext }, options);
    return {
      keyArn: keyOf(call, answer),
      publicKey: bytesOf(call, answer, "PublicKey"),
      privateKeyCiphertext: bytesOf(call, answer, "PrivateKeyCiphertextBlob"),
    };
  }

  async #send(call: AwsCall, input: object, { signal }: KmsCallOptions = {}): Promise<Answer> {
    const [, , , region] = call.keyId.split(":");
    if (!region)
      throw kmsError("invalid-request", {
        ...call,
        message: `${JSON.stringify(call.keyId)} is not the ARN of a KMS key or alias`,
      });
    const request = {
      method: "POST",
      headers: { "x-amz-target": `TrentService.${call.operation}`, authorization: this.#authorization(region) },
      body: JSON.stringify({ KeyId: call.keyId, ...input }),
    };
    try {
      const { response } = await boundedCall(
        ({ signal: abortSignal }) => this.#kms.requestHandler.handle(request, { abortSignal }),
        {
          deadline: this.#deadline ?? (this.#kms.faults.active().length > 0 ? deadlineUnderFaults : undefined),
          signal,
        },
      );
      const body = JSON.parse(new TextDecoder().decode(response.body)) as Answer;
      if (response.statusCode === 200) return body;
      const { message } = body as { message?: unknown };
      const $metadata = { httpStatusCode: response.statusCode, requestId: response.headers["x-amzn-requestid"] };
      throw Object.assign(new Error(typeof message === "string" ? message : ""), { name: body["__type"], $metadata });
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof KmsError ? error : kmsErrorFromAws(error, call);
    }
  }

  /** An Authorization header without a valid signature, which the in-memory KMS does not check. */
  #authorization(region: string): string {
    const date = new Date().toISOString().slice(0, 10).replaceAll("-", "");
    return `AWS4-HMAC-SHA256 Credential=${this.#accessKeyId}/${date}/${region}/kms/aws4_request, SignedHeaders=host, Signature=${"0".repeat(64)}`;
  }
}

type Answer = Record<string, unknown>;

const toBase64 = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");

const keyOf = (call: AwsCall, answer: Answer) => answeredKey(call, answer["KeyId"] as string | undefined);

/** Bytes of a field, in memory of their own, so that the caller can wipe them. */
function bytesOf(call: AwsCall, answer: Answer, field: string): Uint8Array {
  const text = answer[field];
  return answeredBytes(call, field, typeof text === "string" ? new Uint8Array(Buffer.from(text, "base64")) : undefined);
}

function withDates(answer: Answer): DescribeKeyCommandOutput {
  const metadata = answer["KeyMetadata"] as (Record<string, unknown> & { DeletionDate?: number }) | undefined;
  const { DeletionDate: seconds, ...rest } = metadata ?? {};
  const KeyMetadata = defined({ ...rest, DeletionDate: seconds === undefined ? undefined : new Date(seconds * 1000) });
  return { KeyMetadata, $metadata: {} } as DescribeKeyCommandOutput;
}
