import { RecordingKeyStoreError } from "../../errors.js";

const hints: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EACCES: "the user of this process may not do that",
  EPERM: "the user of this process may not do that",
  EROFS: "the file system is read-only",
  EMFILE: "this process has too many files open",
  ENFILE: "this machine has too many files open",
  EIO: "the disk reports an error",
  ESTALE: "the network file system has lost the folder",
};

/** What the operating system calls this failure, such as `ENOENT`. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}

/** A file operation failed for a reason that may pass: a full disk can be emptied, a mount can come back. */
export function unavailable(doing: string, cause: unknown): RecordingKeyStoreError {
  const code = errnoOf(cause) ?? "unknown failure";
  const hint = hints[code];
  return new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", `Cannot ${doing}: ${hint ? `${hint} (${code})` : code}`, {
    retryable: true,
    cause,
  });
}

/** The failures by which file systems say that they have no hard links. */
export function linksUnsupported(folder: string, cause: unknown): RecordingKeyStoreError {
  return new RecordingKeyStoreError(
    "ERR_STORE_UNAVAILABLE",
    `The file system of ${folder} refuses hard links (${errnoOf(cause)}), which the file store needs to let exactly ` +
      "one of several writers win. Put the directory on a local disk or an NFS mount, or use a database store.",
    { retryable: false, cause },
  );
}

/** A stored file is not what was written there. Nothing is guessed: the operator restores it from a backup. */
export function corrupt(file: string, rule: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_STORE_CORRUPT", `${file} ${rule}; restore it from a backup`);
}
