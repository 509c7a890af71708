import { constants, fsync } from "node:fs";
import { link, lstat, open, type FileHandle } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { textOfThrown } from "./safe-cause.js";

/** What Node's permission model answers where the process was not given the right. */
const accessDenied = "ERR_ACCESS_DENIED";
/** Codes with which file systems refuse to open or sync folders. Nothing more can be done then. */
const folderSyncUnsupported = new Set([
  "EINVAL",
  "ENOTSUP",
  "EOPNOTSUPP",
  "EISDIR",
  "EPERM",
  "EACCES",
  "ENOSYS",
  accessDenied,
]);
/** Codes with which file systems refuse hard links; Windows says `EISDIR` on FAT. */
export const hardLinksUnsupported: ReadonlySet<string> = new Set([
  "EPERM",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
  "EXDEV",
  "EISDIR",
]);

/** Codes with which Windows answers while another process, such as a virus scanner, has a file open. */
const heldOpen = new Set(["EPERM", "EACCES", "EBUSY"]);
/** Waits between attempts, ms: 3.6 s in all, less than a store call may take. */
const waits = [10, 20, 40, 80, 160, 320, 500, 500, 500, 500, 500, 500];

/** Opens a file for reading without waiting, as a named pipe would for whoever writes into it. Windows has no such flag. */
export const openToRead = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
/** The same, for a file that no link may stand for. */
export const openToReadUnlinked = openToRead | (constants.O_NOFOLLOW ?? 0);

const hints: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EISDIR: "it is a folder",
  ENOTDIR: "it is no folder, or lies below a file",
  EPIPE: "whoever was to read it has left",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file would be larger than allowed",
  EACCES: "the user of this process may not do that",
  EPERM: "the user of this process may not do that",
  [accessDenied]: "Node's permission model does not allow this process to do that",
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
  const code = errnoOf(error);
  if (code === undefined) return `unknown failure (${textOfThrown(error)})`;
  const hint = hints[code];
  return hint ? `${hint} (${code})` : code;
}

/** On Windows, tries again for a while as long as another process has the file open. */
export async function onceLetGo<T>(operation: () => Promise<T>): Promise<T> {
  for (const wait of process.platform === "win32" ? waits : []) {
    try {
      return await operation();
    } catch (error) {
      if (!heldOpen.has(errnoOf(error) ?? "")) throw error;
    }
    await pause(wait);
  }
  return operation();
}

/**
 * Gives a finished temporary file its name. Returns `false` if the name is taken: of several writers at once exactly one
 * gets `true`.
 */
export async function linkOnce(temporary: string, path: string): Promise<boolean> {
  try {
    await onceLetGo(() => link(temporary, path));
    return true;
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    // NFS repeats a request whose answer was lost, and the second then finds the first one's link.
    const [made, found] = await Promise.all([temporary, path].map((name) => lstat(name, { bigint: true })));
    return made?.ino === found?.ino && made?.dev === found?.dev;
  }
}

/** Makes what was written into a file survive a power cut. */
export async function syncFile(handle: FileHandle): Promise<void> {
  try {
    await handle.sync();
  } catch (error) {
    if (errnoOf(error) !== undefined) throw error;
    // Yarn's Plug'n'Play puts a handle of its own in the place of Node's, which throws "Method not implemented".
    await promisify(fsync)(handle.fd);
  }
}

/** Makes changes to a folder's entries survive a power cut, as far as the file system can. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, openToRead | (constants.O_DIRECTORY ?? 0));
    try {
      await syncFile(handle);
    } finally {
      await handle.close().catch(() => undefined);
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
