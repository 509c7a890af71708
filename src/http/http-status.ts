import { RecordingKeyStoreError, type ErrorCode } from "../errors.js";

/** What the client or the organization can change, and what is over. */
const statusOf: Readonly<Partial<Record<ErrorCode, number>>> = {
  ERR_INVALID_INPUT: 400,
  ERR_NOT_PERMITTED: 403,
  ERR_SOURCE_NOT_FOUND: 404,
  ERR_NOT_CONFIGURED: 409,
  ERR_FILE_EXISTS: 409,
  ERR_TEST_FAILED: 422,
  ERR_CLOSED: 503,
};

/**
 * The HTTP status with which a service answers where this library failed (RFC 9110, section 15): 503 for whatever is
 * retryable and for what has been closed; 400, 403, 404, 409 or 422 for what the client or the organization can change; 500
 * for the rest, errors of others included. Nothing of the error itself is for the client.
 *
 * @example
 * ```ts
 * app.onError((error, c) => c.body(null, httpStatusOf(error)));
 * ```
 */
export function httpStatusOf(error: unknown): number {
  if (!(error instanceof RecordingKeyStoreError)) return 500;
  return error.retryable ? 503 : (statusOf[error.code] ?? 500);
}
