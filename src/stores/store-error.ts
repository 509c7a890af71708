import { RecordingKeyStoreError } from "../errors.js";

export const storeFailureKinds = [
  /** No connection: DNS, refused, reset, TLS. */
  "unreachable",
  /** No answer before the deadline of the call. */
  "timeout",
  /** Over the capacity or the connections that there are. */
  "throttled",
  /** An internal error, a restart, a fail-over. */
  "service-error",
  /** The process's own credentials are missing, expired or not accepted. */
  "credentials",
  /** The process's credentials do not allow this operation. */
  "access-denied",
  /** The table, schema, bucket or folder is not there, or has not the form that the store needs. */
  "not-set-up",
  /** A replica, or a medium that takes no writes. */
  "read-only",
  /** No space left. */
  "full",
  /** What is behind the store can't do what the store needs, such as a conditional write. */
  "unsupported",
  /** Anything else. */
  "unexpected-answer",
] as const;

/** The small set into which every failure of a store is classified, whatever is behind it. */
export type StoreFailureKind = (typeof storeFailureKinds)[number];

export function isStoreFailureKind(given: unknown): given is StoreFailureKind {
  return storeFailureKinds.some((kind) => kind === given);
}

/** What a store's failure is about. Names and codes alone: a driver's texts quote connection strings and arguments. */
export interface StoreErrorFacts {
  /** Name of the method of `KeyPairStore`: `swapHead`. */
  readonly operation: string;
  /** Text for people. */
  readonly message: string;
  /** The service's own name or code of the error, where it answered: `AccessDeniedException`, `57P01`. */
  readonly serviceErrorName?: string | undefined;
  /** Request id for the service's support, where it answered. */
  readonly requestId?: string | undefined;
  /** A copy without texts: see `typesOnly`. */
  readonly cause?: unknown;
}

/** A call of a key pair store failed: `ERR_STORE_UNAVAILABLE`, with its kind. `diagnoseStoreFailure` says what to do. */
export class StoreError extends RecordingKeyStoreError {
  static override readonly errorName = "StoreError";
  override readonly name = "StoreError";
  readonly kind: StoreFailureKind;
  /** Name of the method of `KeyPairStore`: `swapHead`. */
  readonly operation: string;
  /** The service's own name or code of the error, where it answered. */
  readonly serviceErrorName: string | undefined;
  /** Request id for the service's support, where it answered. */
  readonly requestId: string | undefined;

  constructor(kind: StoreFailureKind, facts: StoreErrorFacts) {
    // A refusal is retryable too: the same call succeeds once an operator has set up or mended what is behind the store.
    super("ERR_STORE_UNAVAILABLE", facts.message, { retryable: kind !== "unsupported", cause: facts.cause });
    this.kind = kind;
    this.operation = facts.operation;
    this.serviceErrorName = facts.serviceErrorName;
    this.requestId = facts.requestId;
  }
}
