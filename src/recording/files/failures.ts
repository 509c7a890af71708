import { RecordingKeyStoreError } from "../../errors.js";
import { describeErrno, errnoOf } from "../../util/file-system.js";
import type { TooOpenError } from "../../util/new-file.js";

/** What the same call may get over later, with nothing changed by the caller: somebody makes room, or a mount comes back. */
const passing = new Set([
  "ENOSPC",
  "EDQUOT",
  "EMFILE",
  "ENFILE",
  "EIO",
  "ESTALE",
  "EAGAIN",
  "EBUSY",
  "ETIMEDOUT",
  "ENOMEM",
]);

/** The file system did not do what an encryption or decryption of files needs. */
export function fileFailure(doing: string, cause: unknown): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_FILE_IO", `cannot ${doing}: ${describeErrno(cause)}`, {
    cause,
    retryable: passing.has(errnoOf(cause) ?? ""),
  });
}

/** A decrypted recording that others could read. */
export function tooOpen(cause: TooOpenError): RecordingKeyStoreError {
  return new RecordingKeyStoreError(
    "ERR_FILE_IO",
    `cannot decrypt there: ${cause.message}; mount it for its owner alone (umask=077, or file_mode=0600), or decrypt to a stream`,
    { cause },
  );
}

export function fileExists(path: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_FILE_EXISTS", `${path} exists already, and overwrite is not set`);
}

export function fileChanged(path: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_FILE_CHANGED", `${path} changed while it was read`, {
    retryable: true,
  });
}
