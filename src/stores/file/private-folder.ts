import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, chmod, mkdir, open, readdir, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { InvalidInputError, type RecordingKeyStoreError } from "../../errors.js";
import {
  errnoOf,
  hardLinksUnsupported,
  linkOnce,
  onceLetGo,
  openToReadUnlinked,
  syncFile,
  syncFolder,
} from "../../util/file-system.js";
import {
  createFile,
  ensureRights,
  removeTemporary,
  renameOver,
  TooOpenError,
  type Rights,
} from "../../util/new-file.js";
import { linksUnsupported, unavailable } from "./failures.js";
import { corrupt, maxFrameLength } from "../frame.js";

const writableByOthers = 0o022;
/** Records hold no secret: a file system that lets others read them will do, one that lets others write them will not. */
const folderRights: Rights = { mode: 0o700, denied: writableByOthers };
const fileRights: Rights = { mode: 0o600, denied: writableByOthers };
/** Codes with which links, sockets and devices without a driver refuse to be opened as a file. */
const notFiles = new Set(["ELOOP", "EMLINK", "ENXIO", "ENODEV"]);
const temporaryPrefix = ".tmp-";
/** Age at which a temporary file was left behind by a crash, in ms: a writer needs a few. */
const abandonedAfter = 60 * 60 * 1000;
const maxPreparedFolders = 10_000;

/**
 * A folder that only this user can write to, with files that appear whole or not at all and survive a crash. Several
 * processes may use one at once; there are no locks to be left behind.
 */
export class PrivateFolder {
  readonly root: string;
  /** Folders known to exist durably and to be private: `true` once swept. */
  readonly #prepared = new Map<string, boolean>();
  #rootChecked = false;

  constructor(directory: string) {
    checkFolderPath("directory", directory);
    this.root = resolve(directory);
  }

  /** @throws InvalidInputError for a folder in which other users could put files, if it exists */
  async check(): Promise<void> {
    if (this.#rootChecked) return;
    this.#rootChecked = await checkPrivate(this.root);
  }

  /** The bytes of a file; `undefined` if there is none. */
  async read(path: string): Promise<Buffer | undefined> {
    try {
      const handle = await open(path, openToReadUnlinked);
      try {
        const facts = await handle.stat();
        if (facts.isDirectory()) throw corrupt(path, "is a folder");
        if (!facts.isFile()) throw corrupt(path, "is no regular file");
        if (facts.size > maxFrameLength) throw corrupt(path, "is too long");
        return await handle.readFile();
      } finally {
        await handle.close().catch(() => undefined);
      }
    } catch (error) {
      const code = errnoOf(error) ?? "";
      if (code === "ENOENT") return undefined;
      if (code === "EISDIR") throw corrupt(path, "is a folder");
      if (notFiles.has(code)) throw corrupt(path, "is no regular file");
      throw asStoreError(`read ${path}`, error);
    }
  }

  async has(path: string): Promise<boolean> {
    try {
      await access(path, constants.F_OK);
      return true;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return false;
      throw unavailable(`look for ${path}`, error);
    }
  }

  /** The names in a folder; none if it does not exist. */
  async list(folder: string): Promise<string[]> {
    try {
      return await readdir(folder);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return [];
      throw unavailable(`list ${folder}`, error);
    }
  }

  /** Makes a file; `false` if it exists. Of several writers at once exactly one gets `true`. */
  async create(path: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    return this.#withTemporary(path, bytes, signal, (temporary) => linkDurably(temporary, path));
  }

  /** Tries out what new files need, hard links included, and leaves none behind. @throws as {@link PrivateFolder.create} */
  async tryOut(signal?: AbortSignal): Promise<void> {
    const second = temporaryIn(this.root);
    await this.#withTemporary(second, Buffer.alloc(0), signal, async (temporary) => {
      if (await linkDurably(temporary, second)) await removeTemporary(second);
      return true;
    });
  }

  /** Replaces a file, or makes it. Readers see the old or the new one, whole. */
  async replace(path: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#withTemporary(path, bytes, signal, async (temporary) => {
      try {
        await renameOver(temporary, path);
      } catch (error) {
        throw unavailable(`replace ${path}`, error);
      }
      return true;
    });
  }

  /** Removes a file, durably; `false` if there was none. */
  async remove(path: string): Promise<boolean> {
    let removed = true;
    try {
      await onceLetGo(() => unlink(path));
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw unavailable(`remove ${path}`, error);
      removed = false;
    }
    // Also for a file that was gone: who removed it may have crashed before that was durable.
    try {
      await syncFolder(dirname(path));
    } catch (error) {
      // Another process has removed the folder as well.
      if (errnoOf(error) !== "ENOENT") throw unavailable(`sync the folder ${dirname(path)}`, error);
    }
    return removed;
  }

  /** Removes a folder of files. It stays where another process is writing, with what that one writes. */
  async removeFolder(folder: string): Promise<void> {
    for (const name of await this.list(folder))
      if (!name.startsWith(temporaryPrefix)) await this.remove(join(folder, name));
    this.#prepared.delete(folder);
    try {
      await rmdir(folder);
    } catch (error) {
      if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(errnoOf(error) ?? ""))
        throw unavailable(`remove ${folder}`, error);
    }
  }

  async #withTemporary(
    path: string,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
    publish: (temporary: string) => Promise<boolean>,
  ): Promise<boolean> {
    const folder = dirname(path);
    await this.#prepare(folder);
    const temporary = temporaryIn(folder);
    let published: boolean;
    try {
      const writtenAt = await this.#writeDurably(temporary, bytes);
      await this.#sweepOnce(folder, writtenAt);
      signal?.throwIfAborted();
      published = await publish(temporary);
    } finally {
      // Swept later, if it can't be removed now: the answer to the caller matters more.
      await removeTemporary(temporary);
    }
    // Also where another writer was first: it may have crashed before its file was durable.
    await syncNames(folder);
    return published;
  }

  /** Resolves with the time of the write by the file system's own clock, in ms since the Unix epoch. */
  async #writeDurably(path: string, bytes: Uint8Array): Promise<number> {
    try {
      const handle = await createFile(path, fileRights);
      try {
        await handle.writeFile(bytes);
        await syncFile(handle);
        return (await handle.stat()).mtimeMs;
      } finally {
        await handle.close();
      }
    } catch (error) {
      // The folder may have been removed meanwhile: the next write makes it again.
      this.#prepared.delete(dirname(path));
      throw notMade(`write ${path}`, error);
    }
  }

  /** Makes a folder below the root, and the root, durably. */
  async #prepare(folder: string): Promise<void> {
    if (this.#prepared.has(folder)) return;
    if (this.#prepared.size >= maxPreparedFolders) this.#prepared.clear();
    if (folder !== this.root) await this.#prepare(dirname(folder));
    try {
      // Folders above the root are made with it alone: the root itself may be gone, and is not made anew by the way.
      await makeFolder(folder, { check: true, last: folder !== this.root });
    } catch (error) {
      this.#prepared.delete(dirname(folder));
      throw error;
    }
    this.#prepared.set(folder, false);
    this.#rootChecked = true;
  }

  /** Removes what crashed writers left behind. A writer that was only asleep for so long fails, and may try again. */
  async #sweepOnce(folder: string, now: number): Promise<void> {
    if (this.#prepared.get(folder) !== false) return;
    this.#prepared.set(folder, true);
    try {
      for (const name of await readdir(folder)) {
        if (!name.startsWith(temporaryPrefix)) continue;
        const path = join(folder, name);
        if (now - (await stat(path)).mtimeMs >= abandonedAfter) await unlink(path);
      }
    } catch {
      // Fails no write; another process may be sweeping too.
    }
  }
}

function temporaryIn(folder: string): string {
  return join(folder, temporaryPrefix + randomBytes(12).toString("hex"));
}

export function checkFolderPath(field: "directory" | "hostDirectory", path: string): void {
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw new InvalidInputError(field, "must be the path of a folder", path);
  }
}

/** Whether there is such a folder. @throws InvalidInputError where other users can write to it */
async function checkPrivate(folder: string): Promise<boolean> {
  let facts;
  try {
    facts = await stat(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw unavailable(`look at ${folder}`, error);
  }
  if (!facts.isDirectory()) throw new InvalidInputError("directory", `${folder} is not a folder`);
  // Windows has neither owners nor modes of this kind.
  const user = process.geteuid?.();
  if (user === undefined) return true;
  if ((facts.mode & writableByOthers) !== 0) {
    throw new InvalidInputError(
      "directory",
      `other users can write to ${folder}: chmod go-w it, or name a folder inside`,
    );
  }
  if (facts.uid !== user && facts.uid !== 0) {
    throw new InvalidInputError(
      "directory",
      `${folder} belongs to user ${facts.uid}, not to user ${user} of this process: chown it, or name a folder inside`,
    );
  }
  return true;
}

interface MakeFolderOptions {
  /** Checks that an existing folder is private. */
  readonly check: boolean;
  /** Does not make the folders above again. */
  readonly last?: boolean;
}

/** Makes a folder durably. Folders above the root are made if they are missing, and taken as they are otherwise. */
async function makeFolder(folder: string, { check, last = false }: MakeFolderOptions): Promise<void> {
  try {
    await mkdir(folder, { mode: folderRights.mode });
    await ensureFolderRights(folder);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" && !last) {
      await makeFolder(dirname(folder), { check: false });
      return makeFolder(folder, { check, last: true });
    }
    if (code !== "EEXIST") throw notMade(`make the folder ${folder}`, error);
    if (check) await checkPrivate(folder);
  }
  // Also for a folder that was there: who made it may have crashed before that was durable.
  await syncNames(dirname(folder));
}

async function ensureFolderRights(folder: string): Promise<void> {
  const modeOf = async () => (await stat(folder)).mode;
  try {
    await ensureRights(folder, folderRights, { modeOf, change: (mode) => chmod(folder, mode) });
  } catch (error) {
    await rmdir(folder).catch(() => undefined);
    throw error;
  }
}

async function linkDurably(temporary: string, path: string): Promise<boolean> {
  try {
    return await linkOnce(temporary, path);
  } catch (error) {
    if (hardLinksUnsupported.has(errnoOf(error) ?? "")) throw linksUnsupported(dirname(path), error);
    throw unavailable(`create ${path}`, error);
  }
}

async function syncNames(folder: string): Promise<void> {
  try {
    await syncFolder(folder);
  } catch (error) {
    throw unavailable(`sync the folder ${folder}`, error);
  }
}

/** The failure to make a file or folder; a file system that lets others in is the fault of who named the folder. */
function notMade(doing: string, error: unknown): RecordingKeyStoreError {
  if (error instanceof TooOpenError) return new InvalidInputError("directory", error.message);
  return unavailable(doing, error);
}

function asStoreError(doing: string, error: unknown): unknown {
  return errnoOf(error)?.startsWith("ERR_STORE") ? error : unavailable(doing, error);
}
