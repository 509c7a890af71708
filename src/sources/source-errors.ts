import { RecordingKeyStoreError, type ErrorCode } from "../errors.js";
import { defined } from "../util/defined.js";
import { sanitizeCause } from "../util/safe-cause.js";

/** Codes of a source's failures. Each asks something else of the caller. */
export type SourceErrorCode = Extract<ErrorCode, `ERR_SOURCE_${string}`>;

/**
 * Error of a source that could not return its bytes.
 * @param redact - removes from a foreign error's texts what must not be logged
 */
export function sourceError(
  code: SourceErrorCode,
  message: string,
  cause?: unknown,
  redact?: (text: string) => string,
): RecordingKeyStoreError {
  const retryable = code === "ERR_SOURCE_UNAVAILABLE";
  return new RecordingKeyStoreError(code, message, defined({ retryable, cause: sanitizeCause(cause, redact) }));
}
