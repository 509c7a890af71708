import { RecordingKeyStoreError } from "../../errors.js";
import { describeErrno, errnoOf } from "../../util/file-system.js";

/** The failure of a file operation that may pass: a full disk can be emptied, a mount can come back. */
export function unavailable(doing: string, cause: unknown): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", `Cannot ${doing}: ${describeErrno(cause)}`, {
    retryable: true,
    cause,
  });
}

/** The failure of a file system without hard links. */
export function linksUnsupported(folder: string, cause: unknown): RecordingKeyStoreError {
  return new RecordingKeyStoreError(
    "ERR_STORE_UNAVAILABLE",
    `The file system of ${folder} refuses hard links (${errnoOf(cause)}), which the file store needs to let exactly ` +
      "one of several writers win. Put the directory on a local disk or an NFS mount, or use a database store.",
    { retryable: false, cause },
  );
}

/** The failure of a file that is not what was written. Nothing is guessed: the operator restores it from a backup. */
export function corrupt(file: string, rule: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_STORE_CORRUPT", `${file} ${rule}; restore it from a backup`);
}
