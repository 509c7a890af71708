import { InvalidInputError, RecordingKeyStoreError, type ErrorCode } from "../errors.js";
import { boundedCall, isDeadline } from "../util/abort.js";
import { awsRequestId, member, typesOnly, word } from "../util/safe-cause.js";
import { StoreError, type StoreFailureKind } from "./store-error.js";

/** What an error of a driver or SDK says about a call. */
export interface StoreFailure {
  readonly kind: StoreFailureKind;
  readonly serviceErrorName?: string | undefined;
  readonly requestId?: string | undefined;
}

export interface StoreCallBounds {
  /** Name of the call, for errors. */
  readonly operation: string;
  /** In ms. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
  /** Classifies what the driver or SDK has thrown, which may be anything. */
  readonly failureOf: (error: unknown) => StoreFailure;
}

/**
 * Ends a call of a database at its deadline or with its caller's signal, and makes every failure a {@link StoreError} without
 * the driver's texts.
 * @param work - gets a signal that aborts at either
 */
export async function boundedStoreCall<T>(
  { operation, timeout, signal, failureOf }: StoreCallBounds,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    return await boundedCall(async (controller) => work(controller.signal), { deadline: timeout, signal });
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (isDeadline(error)) {
      throw new StoreError("timeout", { operation, message: `${operation}: ${error.message}` });
    }
    // What is said in the library's own words, such as of a row that is no record.
    if (isOwn(error)) throw error;
    const { kind, ...said } = failureOf(error);
    // A server that is none, or a proxy before it, may put any text in the place of a name or an id.
    const serviceErrorName = word(said.serviceErrorName);
    const requestId = awsRequestId(said.requestId) ?? word(said.requestId);
    throw new StoreError(kind, {
      operation,
      message: `${operation} failed (${kind})${serviceErrorName === undefined ? "" : `: ${serviceErrorName}`}`,
      serviceErrorName,
      requestId,
      cause: typesOnly(error),
    });
  }
}

/** What a store may say. */
const wordsOfStores: ReadonlySet<unknown> = new Set<ErrorCode>([
  "ERR_STORE_UNAVAILABLE",
  "ERR_STORE_CORRUPT",
  "ERR_FORMAT_TOO_NEW",
  "ERR_INVALID_INPUT",
]);

const ownPrototypes: ReadonlySet<unknown> = new Set([
  RecordingKeyStoreError.prototype,
  InvalidInputError.prototype,
  StoreError.prototype,
]);

/** Not `instanceof`, by which a driver's error could pass for one of this library's. */
function isOwn(error: unknown): error is RecordingKeyStoreError {
  if (typeof error !== "object" || error === null) return false;
  try {
    return ownPrototypes.has(Object.getPrototypeOf(error)) && wordsOfStores.has(member(error, "code"));
  } catch {
    return false; // what can't be looked at, such as a revoked proxy
  }
}
