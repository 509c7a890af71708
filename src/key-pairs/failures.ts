import { RecordingKeyStoreError } from "../errors.js";

export function notConfigured(): RecordingKeyStoreError {
  return new RecordingKeyStoreError(
    "ERR_NOT_CONFIGURED",
    "no KMS key is configured for this organization: call configure() first",
  );
}

export function untrusted(message: string, cause?: unknown): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_KEY_PAIR_UNTRUSTED", message, cause === undefined ? {} : { cause });
}

/** The failure of a pair that nobody has vouched for. @param cause - why KMS does not */
export function unconfirmed(
  cause: RecordingKeyStoreError,
  what = "the key pair that the store names",
): RecordingKeyStoreError {
  const message =
    `nobody has vouched for ${what}: ${cause.message}. Encryption goes on as soon as KMS confirms it; ` +
    "hosts that keep lastConfirmed, and fleets with a fleetSecret, hold the last confirmed key through such times";
  return new RecordingKeyStoreError("ERR_KEY_UNCONFIRMED", message, { cause, retryable: true });
}

export function rolledBack(what: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError(
    "ERR_STORE_ROLLED_BACK",
    `${what}; if the store was restored on purpose, call acceptRestoredStore()`,
  );
}

/** The failure of a store without a head, where there was one before. */
export function headMissing(): RecordingKeyStoreError {
  return rolledBack("the store has no configuration any more");
}

/** Whether a failure concerns every pair alike, and passes by itself. */
export function isOutage({ code }: RecordingKeyStoreError): boolean {
  return code === "ERR_KMS_UNAVAILABLE" || code === "ERR_STORE_UNAVAILABLE";
}
