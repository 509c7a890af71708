import { RecordingKeyStoreError } from "../errors.js";

/** Whether an error is about the recording itself, as against its keys, its source or the caller's signal. */
export function isDamage(error: unknown): error is RecordingKeyStoreError {
  return (
    error instanceof RecordingKeyStoreError &&
    (error.code === "ERR_RECORDING_TAMPERED" || error.code === "ERR_RECORDING_TRUNCATED")
  );
}

/** Whether something was written by a later version. */
export function isTooNew(error: unknown): boolean {
  return error instanceof RecordingKeyStoreError && error.code === "ERR_FORMAT_TOO_NEW";
}

export function isTruncated(error: unknown): boolean {
  return error instanceof RecordingKeyStoreError && error.code === "ERR_RECORDING_TRUNCATED";
}

export function truncated(): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_RECORDING_TRUNCATED", "the recording ends before its last segment");
}

export function tampered(message: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_RECORDING_TAMPERED", message);
}

export function followed(): RecordingKeyStoreError {
  return tampered("bytes follow the recording's last segment");
}
