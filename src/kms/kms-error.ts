import { RecordingKeyStoreError, type ErrorCode } from "../errors.js";

/**
 * What a KMS failure means for the caller.
 *
 * - `unavailable`: KMS gave no verdict. The call may succeed later by itself.
 * - `refused`: KMS answered that this caller may not use this key now. An administrator must act.
 * - `rejected`: KMS answered that the input is wrong. The same call never succeeds.
 */
export type KmsFailureGroup = "unavailable" | "refused" | "rejected";

const failureKinds = {
  /** No connection: DNS, refused, reset, TLS. */
  unreachable: { group: "unavailable" },
  /** No answer before the deadline of the attempt or the call. */
  timeout: { group: "unavailable" },
  throttled: { group: "unavailable" },
  /** An internal error of KMS (5xx). */
  "service-error": { group: "unavailable" },
  /** Missing, expired or unaccepted credentials of the caller. */
  credentials: { group: "unavailable" },
  /** An answer that breaks the promises of the operation. */
  "unexpected-answer": { group: "unavailable" },
  "access-denied": { group: "refused" },
  "key-disabled": { group: "refused" },
  "key-pending-deletion": { group: "refused" },
  /** Any other state without use: pending import, custom key store disconnected … */
  "key-unusable": { group: "refused" },
  "key-not-found": { group: "refused" },
  /** A key of the wrong type: asymmetric, HMAC, or in a custom key store for RSA pairs. */
  "key-unsupported": { group: "rejected" },
  "invalid-ciphertext": { group: "rejected" },
  "incorrect-key": { group: "rejected" },
  "invalid-request": { group: "rejected" },
} as const satisfies Record<string, { group: KmsFailureGroup }>;

/** The small set into which every failure of KMS is classified, whichever provider it came through. */
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

/** What a KMS failure is about. */
export interface KmsErrorFacts {
  /** Name of the KMS operation: `Decrypt`. */
  readonly operation: string;
  /** Text for people, without plaintext or credentials. */
  readonly message: string;
  /** ARN of the key or alias. */
  readonly keyId?: string | undefined;
  /** KMS's own name for the error, where KMS answered. */
  readonly awsErrorName?: string | undefined;
  /** Request id for AWS Support, where KMS answered. */
  readonly requestId?: string | undefined;
  readonly cause?: unknown;
}

/** Makes the error of a classified failure. Its `code` and `retryable` follow from the kind. */
export function kmsError(kind: KmsFailureKind, facts: KmsErrorFacts): KmsError {
  const group = kmsFailureGroup(kind);
  // A refusal is retryable too: the same call succeeds once an administrator has enabled the key or mended the policy.
  return new KmsError({ ...facts, kind, code: codeOfGroup[group], retryable: group !== "rejected" });
}

export interface KmsErrorInit extends KmsErrorFacts {
  readonly code: ErrorCode;
  readonly kind: KmsFailureKind;
  readonly retryable: boolean;
}

/** A KMS call failed. `kind` is the classified cause, `awsErrorName` KMS's own name for it, where KMS answered. */
export class KmsError extends RecordingKeyStoreError {
  static override readonly errorName = "KmsError";
  override readonly name = "KmsError";
  readonly kind: KmsFailureKind;
  /** Name of the KMS operation: `Decrypt`. */
  readonly operation: string;
  /** ARN of the key or alias, if the failure is about one. */
  readonly keyId: string | undefined;
  /** KMS's own name for the error, where KMS answered. */
  readonly awsErrorName: string | undefined;
  /** Request id for AWS Support, where KMS answered. */
  readonly requestId: string | undefined;

  constructor(init: KmsErrorInit) {
    super(init.code, init.message, { retryable: init.retryable, cause: init.cause });
    this.kind = init.kind;
    this.operation = init.operation;
    this.keyId = init.keyId;
    this.awsErrorName = init.awsErrorName;
    this.requestId = init.requestId;
  }
}
