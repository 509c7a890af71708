import { request } from "node:http";
import {
  kmsError,
  type KmsCallOptions,
  type KmsFailureKind,
  type KmsKeyDescription,
  type KmsProvider,
} from "recording-keystore/kms";

type Facts = { readonly operation: string; readonly keyId: string };
type Answer = Readonly<Record<string, unknown>>;

/** KMS's names for its refusals and rejections. What is not here is no verdict: it must not make a good key look wrong. */
const kinds: Readonly<Record<string, KmsFailureKind>> = {
  AccessDeniedException: "access-denied",
  DisabledException: "key-disabled",
  NotFoundException: "key-not-found",
  InvalidCiphertextException: "invalid-ciphertext",
  IncorrectKeyException: "incorrect-key",
  InvalidKeyUsageException: "key-unsupported",
  UnsupportedOperationException: "key-unsupported",
  ValidationException: "invalid-request",
  InvalidArnException: "invalid-request",
  ThrottlingException: "throttled",
  LimitExceededException: "throttled",
  ExpiredTokenException: "credentials",
  UnrecognizedClientException: "credentials",
};

/**
 * KMS without the AWS SDK: its own JSON protocol over HTTP, to a sidecar on loopback that signs each request with the pod's
 * credentials and sends it on, such as aws-sigv4-proxy. The service itself then holds no credentials at all.
 */
export class SidecarKmsProvider implements KmsProvider {
  readonly #url: string;
  readonly #timeout: number;

  /** @param options.timeout - longest time of one call, in ms; 5,000 by default */
  constructor({ url, timeout = 5_000 }: { url: string; timeout?: number }) {
    this.#url = url;
    this.#timeout = timeout;
  }

  async describeKey({ keyId }: { keyId: string }, options?: KmsCallOptions): Promise<KmsKeyDescription> {
    const facts = { operation: "DescribeKey", keyId };
    const { KeyMetadata: key = {} } = (await this.#call(facts, { KeyId: keyId }, options)) as { KeyMetadata?: Answer };
    const multiRegion = key["MultiRegionConfiguration"] as
      { PrimaryKey: { Region: string }; ReplicaKeys: { Region: string }[] } | undefined;
    return {
      keyArn: text(facts, key, "Arn"),
      enabled: key["Enabled"] === true,
      keyState: text(facts, key, "KeyState"),
      keySpec: text(facts, key, "KeySpec"),
      keyUsage: text(facts, key, "KeyUsage"),
      ...(multiRegion && {
        multiRegion: {
          primaryRegion: multiRegion.PrimaryKey.Region,
          replicaRegions: multiRegion.ReplicaKeys.map(({ Region }) => Region),
        },
      }),
      ...(typeof key["DeletionDate"] === "number" && { deletionDate: new Date(key["DeletionDate"] * 1_000) }),
    };
  }

  async encrypt(
    { keyId, plaintext, encryptionContext }: Parameters<KmsProvider["encrypt"]>[0],
    options?: KmsCallOptions,
  ): ReturnType<KmsProvider["encrypt"]> {
    const facts = { operation: "Encrypt", keyId };
    const input = { KeyId: keyId, Plaintext: base64(plaintext), EncryptionContext: encryptionContext };
    const answer = await this.#call(facts, input, options);
    return { keyArn: text(facts, answer, "KeyId"), ciphertext: bytes(facts, answer, "CiphertextBlob") };
  }

  async decrypt(
    { keyId, ciphertext, encryptionContext }: Parameters<KmsProvider["decrypt"]>[0],
    options?: KmsCallOptions,
  ): ReturnType<KmsProvider["decrypt"]> {
    const facts = { operation: "Decrypt", keyId };
    // KeyId always: without it KMS decrypts under whatever key the ciphertext names.
    const input = { KeyId: keyId, CiphertextBlob: base64(ciphertext), EncryptionContext: encryptionContext };
    const answer = await this.#call(facts, input, options);
    return { keyArn: text(facts, answer, "KeyId"), plaintext: bytes(facts, answer, "Plaintext") };
  }

  async generateDataKeyPair(
    { keyId, spec, encryptionContext }: Parameters<KmsProvider["generateDataKeyPair"]>[0],
    options?: KmsCallOptions,
  ): ReturnType<KmsProvider["generateDataKeyPair"]> {
    const facts = { operation: "GenerateDataKeyPairWithoutPlaintext", keyId };
    const input = { KeyId: keyId, KeyPairSpec: spec, EncryptionContext: encryptionContext };
    const answer = await this.#call(facts, input, options);
    return {
      keyArn: text(facts, answer, "KeyId"),
      publicKey: bytes(facts, answer, "PublicKey"),
      privateKeyCiphertext: bytes(facts, answer, "PrivateKeyCiphertextBlob"),
    };
  }

  async #call(facts: Facts, input: Answer, { signal }: KmsCallOptions = {}): Promise<Answer> {
    signal?.throwIfAborted();
    const deadline = AbortSignal.timeout(this.#timeout);
    let response: { status: number; body: string };
    try {
      const both = signal ? AbortSignal.any([signal, deadline]) : deadline;
      response = await post(this.#url, facts, JSON.stringify(input), both);
    } catch {
      signal?.throwIfAborted();
      throw failed(deadline.aborted ? "timeout" : "unreachable", facts);
    }
    const answer = parsed(response.body);
    if (response.status === 200 && answer) return answer;
    if (response.status >= 500) throw failed("service-error", facts);
    const said = (member: string) => (typeof answer?.[member] === "string" ? answer[member] : "");
    const name = said("__type").replace(/^.*#/, "");
    // States of a key share a name; the text tells them apart.
    if (name === "KMSInvalidStateException")
      throw failed(
        /pending deletion/i.test(said("message") + said("Message")) ? "key-pending-deletion" : "key-unusable",
        facts,
        name,
      );
    throw failed(kinds[name] ?? "unexpected-answer", facts, name);
  }
}

/** `node:http` rather than `fetch`, which does not let a caller name the host: by it the sidecar knows the Region. */
function post(url: string, { operation, keyId }: Facts, body: string, signal: AbortSignal) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const headers = {
      host: `kms.${keyId.split(":")[3] ?? ""}.amazonaws.com`,
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": `TrentService.${operation}`,
    };
    const sent = request(url, { method: "POST", headers, signal }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

function parsed(body: string): Answer | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Answer) : undefined;
  } catch {
    return undefined;
  }
}

const base64 = (value: Uint8Array) => Buffer.from(value).toString("base64");

function text(facts: Facts, answer: Answer, name: string): string {
  const value = answer[name];
  if (typeof value === "string" && value !== "") return value;
  throw failed("unexpected-answer", facts);
}

/** In memory of its own, which the key store wipes: a Buffer from the shared pool would lie beside other people's bytes. */
const bytes = (facts: Facts, answer: Answer, name: string) =>
  Uint8Array.from(Buffer.from(text(facts, answer, name), "base64"));

function failed(kind: KmsFailureKind, { operation, keyId }: Facts, awsErrorName?: string) {
  // Not KMS's own text: it is for administrators, and `diagnose` writes one for them from the kind.
  const message = `${operation} with ${keyId} failed (${kind})${awsErrorName ? `: ${awsErrorName}` : ""}`;
  return kmsError(kind, { operation, keyId, message, ...(awsErrorName ? { awsErrorName } : {}) });
}
