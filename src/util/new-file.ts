import { open, rename, unlink, type FileHandle } from "node:fs/promises";
import { errnoOf, linkOnce, onceLetGo } from "./file-system.js";

/** Who may do what with a new file or folder. */
export interface Rights {
  /** Mode it is made with, of which the owner must get all. */
  readonly mode: number;
  /** Rights that it must not have, whatever the file system makes of the mode. */
  readonly denied: number;
}

/** A mode that a file system gives to whatever is made in it, and that lets others in. */
export class TooOpenError extends Error {
  override readonly name = "TooOpenError";

  constructor(path: string, mode: number) {
    super(`the file system gives ${path} the mode ${octal(mode)}, which lets other users in, and does not change it`);
  }
}

/**
 * Makes a file for writing, which must not exist; leaves none behind if it fails.
 * @param flags - `ax` for one that is only appended to
 * @throws TooOpenError
 */
export async function createFile(path: string, rights?: Rights, flags: "wx" | "ax" = "wx"): Promise<FileHandle> {
  const handle = await open(path, flags, rights?.mode ?? 0o666);
  try {
    if (rights) {
      const modeOf = async () => (await handle.stat()).mode;
      await ensureRights(path, rights, { modeOf, change: (mode) => handle.chmod(mode) });
    }
    return handle;
  } catch (error) {
    await handle.close().catch(() => undefined);
    await removeTemporary(path);
    throw error;
  }
}

/**
 * Compares the mode of what was just made, and changes it only where it must be: many file systems and Node's permission model
 * refuse that. The umask can take rights from the owner, and a file system give its own modes.
 * @throws TooOpenError
 */
export async function ensureRights(
  path: string,
  { mode: wanted, denied }: Rights,
  { modeOf, change }: { modeOf: () => Promise<number>; change: (mode: number) => Promise<void> },
): Promise<void> {
  // Windows has no modes of this kind.
  if (process.geteuid === undefined) return;
  const isRight = (mode: number) => (mode & wanted) === wanted && (mode & denied) === 0;
  const mode = await modeOf();
  if (isRight(mode)) return;
  try {
    await change(wanted);
  } catch (error) {
    if ((mode & denied) === 0) throw error;
  }
  const now = await modeOf();
  if ((now & denied) !== 0) throw new TooOpenError(path, now);
}

/** Refuses a file system without hard links before anything is written. @param path - of a new file */
export async function checkHardLinks(path: string, second: string): Promise<void> {
  if (await linkOnce(path, second)) await removeTemporary(second);
}

/** Gives a finished file its name, in the place of whatever has it. */
export async function renameOver(temporary: string, path: string): Promise<void> {
  await onceLetGo(() => rename(temporary, path));
}

/** Removes what nobody needs any more, if it can. A second attempt gets over a failure that has passed. */
export async function removeTemporary(path: string): Promise<void> {
  try {
    await onceLetGo(() => unlink(path));
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") await unlink(path).catch(() => undefined);
  }
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, "0");
}
