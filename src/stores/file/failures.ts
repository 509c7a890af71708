import { describeErrno, errnoOf } from "../../util/file-system.js";
import { StoreError, type StoreFailureKind } from "../store-error.js";

const kinds: Readonly<Record<string, StoreFailureKind>> = {
  ENOSPC: "full",
  EDQUOT: "full",
  EROFS: "read-only",
  EACCES: "access-denied",
  EPERM: "access-denied",
  ERR_ACCESS_DENIED: "access-denied",
  ENOENT: "not-set-up",
  ENOTDIR: "not-set-up",
  EMFILE: "throttled",
  ENFILE: "throttled",
  ESTALE: "unreachable",
  EHOSTDOWN: "unreachable",
  ENETDOWN: "unreachable",
  ENOTCONN: "unreachable",
  ETIMEDOUT: "timeout",
};

/** The failure of a file operation that may pass: a full disk can be emptied, a mount can come back. */
export function unavailable(doing: string, cause: unknown): StoreError {
  const serviceErrorName = errnoOf(cause);
  return new StoreError(kinds[serviceErrorName ?? ""] ?? "service-error", {
    operation: doing,
    message: `Cannot ${doing}: ${describeErrno(cause)}`,
    serviceErrorName,
    cause,
  });
}

/** The failure of a file system without hard links. */
export function linksUnsupported(folder: string, cause: unknown): StoreError {
  return new StoreError("unsupported", {
    operation: "create a file",
    message:
      `The file system of ${folder} refuses hard links (${errnoOf(cause)}), which the file store needs to let exactly ` +
      "one of several writers win. Put the directory on a local disk or an NFS mount, or use a database store.",
    serviceErrorName: errnoOf(cause),
    cause,
  });
}
