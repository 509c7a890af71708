import type { FileHandle } from "node:fs/promises";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { InvalidInputError } from "../errors.js";
import { PrivateFolder } from "../stores/file/private-folder.js";
import { knownOptions } from "../util/check-input.js";
import { describeErrno, syncFile, syncFolder } from "../util/file-system.js";
import { createFile, removeTemporary } from "../util/new-file.js";
import { fileOfChain } from "./chain.js";
import {
  ChainedAuditLog,
  type ChainedAuditLogOptions,
  type ChainMedium,
  type ChainPlace,
} from "./chained-audit-log.js";

/** Options of {@link FileAuditLog}. */
export interface FileAuditLogOptions extends ChainedAuditLogOptions {
  /** Folder of the log, made if it is missing, refused if other users can write to it. Any number of processes may share it. */
  readonly directory: string;
  /** Size at which the log goes on in another file, in bytes: 4,096 to 1,073,741,824, default 67,108,864. */
  readonly maxFileSize?: number;
}

/**
 * Audit log in a folder. Each instance writes a file of its own, so that processes need no lock: a chain of lines in which
 * each authenticates all before it. An entry counts as written once it is on disk (`fsync`); entries that come at once share
 * one. After a failure of the disk the log goes on in a new file, which names the last good entry of the one before.
 * `verifyAuditLog` says whether anything was changed.
 */
export class FileAuditLog extends ChainedAuditLog {
  readonly #directory: string;

  /**
   * Touches no file; the first entry does.
   * @throws InvalidInputError
   */
  constructor(options: FileAuditLogOptions) {
    const known = knownOptions(options, { directory: true, secret: true, maxFileSize: true, anchor: true });
    const folder = new PrivateFolder(known.directory);
    const directory = resolve(known.directory);
    const { maxFileSize = 67_108_864 } = known;
    if (!Number.isInteger(maxFileSize) || maxFileSize < 4_096 || maxFileSize > 1_073_741_824)
      throw new InvalidInputError("maxFileSize", "must be a whole number from 4096 to 1073741824", maxFileSize);
    super(known, filesIn(directory, folder, maxFileSize));
    this.#directory = directory;
  }

  /** Node's `util.inspect` shows the folder, and nothing else. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `FileAuditLog { directory: ${JSON.stringify(this.#directory)} }`;
  }
}

function filesIn(directory: string, folder: PrivateFolder, maxFileSize: number): ChainMedium {
  return {
    describe: describeErrno,
    async begin(chain) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await folder.check();
      const path = join(directory, fileOfChain(chain));
      return new ChainFile(path, await createFile(path, { mode: 0o600, denied: 0o077 }, "ax"), maxFileSize);
    },
  };
}

/** A chain in a file of its own. */
class ChainFile implements ChainPlace {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #maxSize: number;
  #size = 0;

  constructor(path: string, handle: FileHandle, maxSize: number) {
    this.#path = path;
    this.#handle = handle;
    this.#maxSize = maxSize;
  }

  get full(): boolean {
    return this.#size >= this.#maxSize;
  }

  async append(lines: readonly string[]): Promise<void> {
    const bytes = Buffer.from(lines.join(""));
    await this.#handle.writeFile(bytes); // which appends, by the flags of the file
    await syncFile(this.#handle);
    if (this.#size === 0) await syncFolder(resolve(this.#path, ".."));
    this.#size += bytes.length;
  }

  async leave(useless: boolean): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    // A full disk must not fill up with empty files.
    if (useless) await removeTemporary(this.#path);
  }
}
