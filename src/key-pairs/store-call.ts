import { InvalidInputError, RecordingKeyStoreError, type ErrorCode } from "../errors.js";
import type { StoreCallOptions } from "../stores/key-pair-store.js";
import { isStoreFailureKind, StoreError } from "../stores/store-error.js";
import { boundedCall, isDeadline } from "../util/abort.js";
import { defined } from "../util/defined.js";
import { awsRequestId, isPlain, member, typesOnly, word } from "../util/safe-cause.js";

/** One call of a store. */
export interface StoreCall {
  /** Method of the store, for its errors. */
  readonly operation: string;
  /** Longest time, in ms; a later answer is dropped. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

/** Calls the store. It may throw anything, hang or answer late; callers get typed errors in time, and check the answer. */
export async function callStore(
  { operation, timeout, signal }: StoreCall,
  call: (options: StoreCallOptions) => Promise<unknown>,
): Promise<unknown> {
  try {
    return await boundedCall(async (controller) => call({ signal: controller.signal }), { deadline: timeout, signal });
  } catch (error) {
    signal?.throwIfAborted();
    if (isDeadline(error)) {
      const message = `the key pair store did not answer within ${timeout} ms`;
      throw new StoreError("timeout", { operation, message, cause: error });
    }
    const cause = typesOnly(error);
    throw (
      storeErrorOf(error, operation) ??
      new StoreError("unexpected-answer", { operation, message: "the key pair store failed", cause })
    );
  }
}

/** What a store may say in this library's words. Anything else of its is not about the store. */
const wordsOfStores: ReadonlySet<unknown> = new Set<ErrorCode>([
  "ERR_STORE_UNAVAILABLE",
  "ERR_STORE_CORRUPT",
  "ERR_FORMAT_TOO_NEW",
  "ERR_INVALID_INPUT",
]);

/** Members of an error that a store may make. */
const membersOfErrors = ["name", "code", "retryable", "field", "rule", "message", "stack"];
const membersOfStoreErrors = ["kind", "operation", "serviceErrorName", "requestId"];
const ownMembers: ReadonlySet<string> = new Set([...membersOfErrors, ...membersOfStoreErrors]);
const ownPrototypes: ReadonlySet<unknown> = new Set(
  [RecordingKeyStoreError, InvalidInputError, StoreError].map(({ prototype }) => prototype),
);

/**
 * A store's classified error, be it of another copy of the package, without what it carries of a driver's: a cause may quote
 * connection strings and statements.
 */
function storeErrorOf(error: unknown, operation: string): RecordingKeyStoreError | undefined {
  if (!(error instanceof RecordingKeyStoreError)) return undefined;
  const [code, message, kind] = ["code", "message", "kind"].map((name) => member(error, name));
  if (!wordsOfStores.has(code) || typeof message !== "string") return undefined;
  if (isPlain(error, [...ownMembers]) && ownPrototypes.has(Object.getPrototypeOf(error))) {
    if (Object.getOwnPropertyNames(error).every((name) => ownMembers.has(name))) return error;
  }
  const cause = typesOnly(member(error, "cause"));
  if (code === "ERR_STORE_UNAVAILABLE" && isStoreFailureKind(kind)) {
    const serviceErrorName = word(member(error, "serviceErrorName"));
    const givenId = member(error, "requestId");
    const requestId = awsRequestId(givenId) ?? word(givenId);
    return new StoreError(kind, { operation, message, serviceErrorName, requestId, cause });
  }
  const retryable = member(error, "retryable") === true;
  return new RecordingKeyStoreError(code as ErrorCode, message, defined({ retryable, cause }));
}
