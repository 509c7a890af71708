import { RecordingKeyStoreError, type ErrorCode } from "../errors.js";

/**
 * The small set into which every failure of KMS is classified, whichever provider it came through.
 *
 * - `unavailable`: KMS gave no verdict. The call may succeed later by itself.
 * - `refused`: KMS answered that this caller may not use this key now. An administrator must act.
 * - `rejected`: KMS answered that what it was given is wrong. The same call will never succeed.
 */
export type KmsFailureGroup = "unavailable" | "refused" | "rejected";

const failureKinds = {
  /** No connection: DNS, refused, reset, TLS. */
  unreachable: { group: "unavailable" },
  /** The attempt's or the call's deadline passed without an answer. */
  timeout: { group: "unavailable" },
  throttled: { group: "unavailable" },
  /** KMS answered with an internal error (5xx). */
  "service-error": { group: "unavailable" },
  /** Credentials are missing, expired or not accepted. */
  credentials: { group: "unavailable" },
  /** KMS answered, but not with what the operation promises. */
  "unexpected-answer": { group: "unavailable" },
  "access-denied": { group: "refused" },
  "key-disabled": { group: "refused" },
  "key-pending-deletion": { group: "refused" },
  /** Any other state in which the key can't be used: pending import, custom key store disconnected … */
  "key-unusable": { group: "refused" },
  "key-not-found": { group: "refused" },
  /** The key is of the wrong type for this library: asymmetric, HMAC, or in a custom key store for RSA pairs. */
  "key-unsupported": { group: "rejected" },
  "invalid-ciphertext": { group: "rejected" },
  "incorrect-key": { group: "rejected" },
  "invalid-request": { group: "rejected" },
} as const satisfies Record<string, { group: KmsFailureGroup }>;

export type KmsFailureKind = keyof typeof failureKinds;

export const kmsFailureKinds = Object.keys(failureKinds) as readonly KmsFailureKind[];

export function kmsFailureGroup(kind: KmsFailureKind): KmsFailureGroup {
  return failureKinds[kind].group;
}

const codeOfGroup = {
  unavailable: "ERR_KMS_UNAVAILABLE",
  refused: "ERR_KMS_REFUSED",
  rejected: "ERR_KMS_REJECTED",
} as const satisfies Record<KmsFailureGroup, ErrorCode>;

/** Makes the error for a classified failure; code and `retryable` follow from the kind and are decided only here. */
export function kmsError(
  kind: KmsFailureKind,
  init: {
    operation: string;
    message: string;
    keyId?: string | undefined;
    awsErrorName?: string | undefined;
    requestId?: string | undefined;
    cause?: unknown;
  },
): KmsError {
  const group = kmsFailureGroup(kind);
  // A refusal is retryable too: once an administrator has enabled the key or mended the policy, the same call succeeds.
  return new KmsError({ ...init, kind, code: codeOfGroup[group], retryable: group !== "rejected" });
}

/** A KMS call failed. `kind` is the classified cause; `awsErrorName` is what KMS itself called it, if it answered. */
export class KmsError extends RecordingKeyStoreError {
  static override readonly errorName = "KmsError";
  override readonly name = "KmsError";
  readonly kind: KmsFailureKind;
  readonly operation: string;
  readonly keyId: string | undefined;
  readonly awsErrorName: string | undefined;
  readonly requestId: string | undefined;

  constructor(init: {
    code: ErrorCode;
    kind: KmsFailureKind;
    message: string;
    retryable: boolean;
    operation: string;
    keyId?: string | undefined;
    awsErrorName?: string | undefined;
    requestId?: string | undefined;
    cause?: unknown;
  }) {
    super(init.code, init.message, { retryable: init.retryable, cause: init.cause });
    this.kind = init.kind;
    this.operation = init.operation;
    this.keyId = init.keyId;
    this.awsErrorName = init.awsErrorName;
    this.requestId = init.requestId;
  }
}
