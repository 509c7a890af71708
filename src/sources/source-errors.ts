import { RecordingKeyStoreError, type ErrorCode } from "../errors.js";
import { sanitizeCause } from "../util/safe-cause.js";

/** How a source fails: each asks for something else of whoever reads. */
export type SourceErrorCode = Extract<ErrorCode, `ERR_SOURCE_${string}`>;

/**
 * A source could not give its bytes.
 * @param redact - takes out of a foreign error's texts what must not be logged
 */
export function sourceError(
  code: SourceErrorCode,
  message: string,
  cause?: unknown,
  redact?: (text: string) => string,
): RecordingKeyStoreError {
  const safe = sanitizeCause(cause, redact);
  return new RecordingKeyStoreError(code, message, {
    retryable: code === "ERR_SOURCE_UNAVAILABLE",
    ...(safe ? { cause: safe } : {}),
  });
}
