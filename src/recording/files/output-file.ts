import { randomBytes } from "node:crypto";
import { lstat, stat, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InvalidInputError, type RecordingKeyStoreError } from "../../errors.js";
import { dropBytes, errnoOf, hardLinksUnsupported, linkOnce, syncFile, syncFolder } from "../../util/file-system.js";
import {
  checkHardLinks,
  createFile,
  removeTemporary,
  renameOver,
  TooOpenError,
  type Rights,
} from "../../util/new-file.js";
import { fileExists, fileFailure, tooOpen } from "./failures.js";

/** Of a decrypted recording, which nobody but the owner may read. */
const secretRights: Rights = { mode: 0o600, denied: 0o077 };

/** What a killed process leaves behind is called so, and 24 hexadecimal digits and `.tmp`. */
const temporaryPrefix = ".recording-keystore-";

/** Whether a file of that name is one that is being written, or that a killed process has left behind. */
export function isTemporaryName(name: string): boolean {
  return name.startsWith(temporaryPrefix) && /^[0-9a-f]{24}\.tmp$/.test(name.slice(temporaryPrefix.length));
}

export interface OutputOptions {
  /** Readable by its owner only. */
  readonly secret: boolean;
  /** Whether a file of that name may be replaced. */
  readonly overwrite: boolean;
}

/** A file that gets its name when it is whole and on disk, and otherwise leaves nothing behind. */
export class OutputFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly #temporary: string;
  readonly #overwrite: boolean;
  #closed = false;
  #named = false;

  private constructor(path: string, temporary: string, handle: FileHandle, overwrite: boolean) {
    this.path = path;
    this.handle = handle;
    this.#temporary = temporary;
    this.#overwrite = overwrite;
  }

  /**
   * Makes the file under a temporary name. What its file system can't do is found out here, before any work.
   * @throws RecordingKeyStoreError `ERR_FILE_IO`
   */
  static async create(path: string, { secret, overwrite }: OutputOptions): Promise<OutputFile> {
    const folder = dirname(path);
    const temporary = temporaryIn(folder);
    let handle: FileHandle;
    try {
      handle = await createFile(temporary, secret ? secretRights : undefined);
    } catch (error) {
      throw error instanceof TooOpenError ? tooOpen(error) : fileFailure(`make a file in ${folder}`, error);
    }
    const file = new OutputFile(path, temporary, handle, overwrite);
    try {
      if (!overwrite) await checkHardLinks(temporary, temporaryIn(folder));
    } catch (error) {
      await file.discard();
      throw linkFailure(path, error);
    }
    return file;
  }

  /** @throws `ERR_FILE_IO` */
  async write(pieces: readonly Buffer[], offset: number): Promise<void> {
    try {
      let position = offset;
      for (let rest = pieces.filter(({ length }) => length > 0); rest.length > 0;) {
        const { bytesWritten } = await this.handle.writev(rest, position);
        position += bytesWritten;
        rest = dropBytes(rest, bytesWritten);
      }
    } catch (error) {
      throw fileFailure(`write ${this.path}`, error);
    }
  }

  /** Makes the file durable and gives it its name, at once for whoever looks. @throws `ERR_FILE_EXISTS`, `ERR_FILE_IO` */
  async publish(): Promise<void> {
    try {
      await syncFile(this.handle);
      await this.#close();
      // A link fails where the name is taken, a rename replaces: neither leaves a moment for somebody else in between.
      if (this.#overwrite) await renameOver(this.#temporary, this.path);
      else await this.#link();
      this.#named = true;
      await syncFolder(dirname(this.path));
    } catch (error) {
      // What was there before is gone either way; a name that was free can be free again for the next attempt.
      if (this.#named && !this.#overwrite) await removeTemporary(this.path);
      if (errnoOf(error)?.startsWith("ERR_FILE")) throw error;
      throw fileFailure(`write ${this.path}`, error);
    }
  }

  /** Closes, and removes what has not got its name. */
  async discard(): Promise<void> {
    await this.#close().catch(() => undefined);
    if (!this.#named) await removeTemporary(this.#temporary);
  }

  async #link(): Promise<void> {
    let linked: boolean;
    try {
      linked = await linkOnce(this.#temporary, this.path);
    } catch (error) {
      throw linkFailure(this.path, error);
    }
    if (!linked) throw fileExists(this.path);
    await removeTemporary(this.#temporary);
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.handle.close();
  }
}

/**
 * Refuses a target before any work is done for it; what appears there in the meantime is met by {@link OutputFile.publish}.
 * A symbolic link is looked through here and replaced itself later: nothing is ever written through it.
 * @param input - of the input file
 */
export async function checkTarget(
  path: string,
  overwrite: boolean,
  input: { readonly dev: bigint; readonly ino: bigint },
): Promise<void> {
  if (basename(path) === "" || /[/\\]\.{0,2}$/.test(path))
    throw new InvalidInputError("outputPath", "must name a file, not a folder", path);
  try {
    const target = await stat(path, { bigint: true });
    if (target.dev === input.dev && target.ino === input.ino)
      throw new InvalidInputError("outputPath", "must not be the input file", path);
    if (target.isDirectory()) throw new InvalidInputError("outputPath", "must name a file, not a folder", path);
    if (!target.isFile()) throw new InvalidInputError("outputPath", "must not name a device, socket or pipe", path);
  } catch (error) {
    if (error instanceof InvalidInputError) throw error;
    if (errnoOf(error) !== "ENOENT") throw fileFailure(`look at ${path}`, error);
  }
  if (!overwrite && (await exists(path))) throw fileExists(path);
}

/** Also a symbolic link that leads nowhere exists. */
async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw fileFailure(`look at ${path}`, error);
    return false;
  }
}

function temporaryIn(folder: string): string {
  return join(folder, `${temporaryPrefix}${randomBytes(12).toString("hex")}.tmp`);
}

function linkFailure(path: string, error: unknown): RecordingKeyStoreError {
  const isUnsupported = hardLinksUnsupported.has(errnoOf(error) ?? "");
  return fileFailure(
    `write ${path}${isUnsupported ? " without overwrite on a file system that has no hard links" : ""}`,
    error,
  );
}
