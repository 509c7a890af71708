import { link, lstat, open } from "node:fs/promises";

/** Codes with which file systems refuse to open or sync folders. Nothing more can be done then. */
const folderSyncUnsupported = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP", "EISDIR", "EPERM", "EACCES", "ENOSYS"]);
/** Codes with which file systems refuse hard links. */
export const hardLinksUnsupported: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EXDEV"]);

const hints: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file would be larger than allowed",
  EACCES: "the user of this process may not do that",
  EPERM: "the user of this process may not do that",
  EROFS: "the file system is read-only",
  EMFILE: "this process has too many files open",
  ENFILE: "this machine has too many files open",
  EIO: "the disk reports an error",
  ESTALE: "the network file system has lost the folder",
};

/** The operating system's code for a failure, such as `ENOENT`. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}

/** Describes a failure, such as `the disk is full (ENOSPC)`. */
export function describeErrno(error: unknown): string {
  const code = errnoOf(error) ?? "unknown failure";
  const hint = hints[code];
  return hint ? `${hint} (${code})` : code;
}

/**
 * Gives a finished temporary file its name. Returns `false` if the name is taken: of several writers at once exactly one
 * gets `true`.
 */
export async function linkOnce(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    // NFS repeats a request whose answer was lost, and the second then finds the first one's link.
    const [made, found] = await Promise.all([temporary, path].map((name) => lstat(name, { bigint: true })));
    return made?.ino === found?.ino && made?.dev === found?.dev;
  }
}

/** Makes changes to a folder's entries survive a power cut, as far as the file system can. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!folderSyncUnsupported.has(errnoOf(error) ?? "")) throw error;
  }
}

/** The pieces without their first `count` bytes: a signal or a limit may cut a write short. */
export function dropBytes(pieces: readonly Buffer[], count: number): Buffer[] {
  let left = count;
  const rest: Buffer[] = [];
  for (const piece of pieces) {
    if (left < piece.length) rest.push(piece.subarray(left));
    left = Math.max(0, left - piece.length);
  }
  return rest;
}
