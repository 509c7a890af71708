import { RecordingKeyStoreError } from "../errors.js";
import { boundedCall, isDeadline, linkedSignal } from "../util/abort.js";
import { isBytes } from "../util/bytes.js";
import { defined } from "../util/defined.js";
import { isPlain, member, sanitizeCause } from "../util/safe-cause.js";
import { takeSecret, wipe } from "../util/secrets.js";
import { keyMaterialIdOf } from "./key-material-id.js";
import { kmsError, kmsFailureKinds, KmsError, type KmsFailureKind } from "./kms-error.js";
import type { KmsCallOptions, KmsKeyDescription, KmsProvider } from "./kms-provider.js";

interface Call {
  readonly operation: string;
  readonly keyId: string;
}

/** Reads what an operation gives out of an answer that may be anything. */
type Reader<T> = (answer: object, call: Call) => T;

/**
 * Holds a provider, which is other people's code, to what {@link KmsProvider} promises: a call ends in time, answers with the
 * members of its operation, and fails with a KmsError of this copy of the package, or with the caller's abort reason.
 */
export class CheckedKmsProvider implements KmsProvider {
  readonly #provider: KmsProvider;
  readonly #timeout: number;

  /** @param timeout - longest time of one call, in ms; a later answer is wiped and dropped */
  constructor(provider: KmsProvider, timeout: number) {
    this.#provider = provider;
    this.#timeout = timeout;
  }

  describeKey: KmsProvider["describeKey"] = ({ keyId }, options) =>
    this.#call({ operation: "DescribeKey", keyId }, options, descriptionOf, (own) =>
      this.#provider.describeKey({ keyId }, own),
    );

  encrypt: KmsProvider["encrypt"] = (request, options) =>
    this.#call({ operation: "Encrypt", keyId: request.keyId }, options, encryptedOf, (own) =>
      this.#provider.encrypt(request, own),
    );

  decrypt: KmsProvider["decrypt"] = (request, options) =>
    this.#call({ operation: "Decrypt", keyId: request.keyId }, options, decryptedOf, (own) =>
      this.#provider.decrypt(request, own),
    );

  generateDataKeyPair: KmsProvider["generateDataKeyPair"] = (request, options) =>
    this.#call({ operation: "GenerateDataKeyPairWithoutPlaintext", keyId: request.keyId }, options, keyPairOf, (own) =>
      this.#provider.generateDataKeyPair(request, own),
    );

  async #call<T>(
    call: Call,
    { signal }: KmsCallOptions = {},
    read: Reader<T>,
    send: (options: KmsCallOptions) => Promise<unknown>,
  ): Promise<T> {
    let answer: unknown;
    try {
      answer = await boundedCall(
        async (controller) => {
          const linked = linkedSignal(signal, controller.signal);
          try {
            return await send({ signal: linked.signal });
          } finally {
            linked.unlink();
          }
        },
        { deadline: this.#timeout, discard: wipePlaintext },
      );
    } catch (error) {
      signal?.throwIfAborted();
      throw asKmsError(error, call);
    }
    if (typeof answer === "object" && answer !== null) return read(answer, call);
    throw unexpected(call, `the KMS provider answered ${call.operation} for ${call.keyId} with nothing`);
  }
}

const encryptedOf: Reader<{ keyArn: string; ciphertext: Uint8Array }> = (answer, call) => ({
  keyArn: keyArnOf(answer, call),
  ciphertext: bytesOf(answer, "ciphertext", call),
});

const decryptedOf: Reader<Awaited<ReturnType<KmsProvider["decrypt"]>>> = (answer, call) => {
  const given = member(answer, "plaintext");
  checkBytes(given, call.operation, call.keyId);
  const plaintext = takeSecret(given);
  try {
    const keyMaterialId = keyMaterialIdOf(member(answer, "keyMaterialId"));
    return { keyArn: keyArnOf(answer, call), plaintext, ...defined({ keyMaterialId }) };
  } catch (error) {
    wipe(plaintext);
    throw error;
  }
};

const keyPairOf: Reader<{ keyArn: string; publicKey: Uint8Array; privateKeyCiphertext: Uint8Array }> = (
  answer,
  call,
) => ({
  keyArn: keyArnOf(answer, call),
  publicKey: bytesOf(answer, "publicKey", call),
  privateKeyCiphertext: bytesOf(answer, "privateKeyCiphertext", call),
});

/** What the key store asks of a description, and what it shows. */
const descriptionOf: Reader<KmsKeyDescription> = (answer, call) => {
  const text = (name: string) => {
    const value = member(answer, name);
    if (typeof value === "string") return value;
    throw unexpected(call, `the KMS provider answered ${call.operation} for ${call.keyId} without ${name}`);
  };
  const optional = (name: string) => (member(answer, name) === undefined ? undefined : text(name));
  return {
    keyArn: keyArnOf(answer, call),
    enabled: member(answer, "enabled") === true,
    ...{ keyState: text("keyState"), keySpec: text("keySpec"), keyUsage: text("keyUsage") },
    ...defined({ origin: optional("origin"), keyManager: optional("keyManager") }),
  };
};

function keyArnOf(answer: object, call: Call): string {
  const keyArn = member(answer, "keyArn");
  if (typeof keyArn === "string") return keyArn;
  throw unexpected(call, `the KMS provider answered ${call.operation} for ${call.keyId} without the key's ARN`);
}

/** A view of the answer's bytes, which are no secret. */
function bytesOf(answer: object, name: string, { operation, keyId }: Call): Uint8Array {
  const bytes = member(answer, name);
  checkBytes(bytes, operation, keyId);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Checks that KMS answered with bytes. @throws KmsError */
function checkBytes(bytes: unknown, operation: string, keyId: string): asserts bytes is Uint8Array {
  if (isBytes(bytes)) return;
  throw unexpected({ operation, keyId }, `the KMS provider answered ${operation} for ${keyId} without bytes`);
}

/** Wipes what may be the plaintext of an answer that comes after its caller has left. */
function wipePlaintext(late: unknown): void {
  if (typeof late !== "object" || late === null) return;
  const plaintext = member(late, "plaintext");
  if (isBytes(plaintext)) wipe(plaintext);
}

/** The error itself where it is as this copy of the package makes it; else a copy, or `unexpected-answer`. */
function asKmsError(error: unknown, call: Call): KmsError {
  if (isDeadline(error))
    return kmsError("timeout", {
      ...call,
      message: `the KMS provider did not answer ${call.operation} for ${call.keyId}: ${error.message}`,
      cause: sanitizeCause(error),
    });
  return (error instanceof RecordingKeyStoreError ? copyOf(error, call) : undefined) ?? unclassified(error, call);
}

/** A KmsError of any copy of the package, or of a class of the provider's own; `undefined` for anything else. */
function copyOf(error: RecordingKeyStoreError, call: Call): KmsError | undefined {
  const kind = knownKind(member(error, "kind"), member(error, "code"));
  const message = member(error, "message");
  if (kind === undefined || typeof message !== "string") return undefined;
  const text = (name: string) => {
    const value = member(error, name);
    return typeof value === "string" ? value : undefined;
  };
  const cause = sanitizeCause(member(error, "cause"));
  const copy = kmsError(kind, {
    operation: text("operation") ?? call.operation,
    keyId: text("keyId"),
    awsErrorName: text("awsErrorName"),
    requestId: text("requestId"),
    message,
    cause,
  });
  return error instanceof KmsError && isSame(error, copy) ? error : copy;
}

/** Whether an error is plain and has what its copy has, so that it can be passed on, with its stack. */
function isSame(error: KmsError, copy: KmsError): boolean {
  const names = ["kind", "code", "retryable", "operation", "keyId", "awsErrorName", "requestId", "message", "cause"];
  const isOurs = isPlain(error, names) && Object.getPrototypeOf(error) === KmsError.prototype;
  return isOurs && names.every((name) => member(error, name) === member(copy, name));
}

/** The kind; for one that only a newer version knows, the least specific one of its code's group. */
function knownKind(kind: unknown, code: unknown): KmsFailureKind | undefined {
  if (typeof kind !== "string") return undefined;
  if ((kmsFailureKinds as readonly string[]).includes(kind)) return kind as KmsFailureKind;
  if (code === "ERR_KMS_REFUSED") return "key-unusable";
  return code === "ERR_KMS_REJECTED" ? "invalid-request" : "unexpected-answer";
}

function unclassified(error: unknown, call: Call): KmsError {
  const message = `the KMS provider failed at ${call.operation} with ${call.keyId} in a way that it does not classify`;
  return kmsError("unexpected-answer", { ...call, message, cause: sanitizeCause(error) });
}

function unexpected(call: Call, message: string): KmsError {
  return kmsError("unexpected-answer", { ...call, message });
}
