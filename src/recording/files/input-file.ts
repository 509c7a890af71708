import { open, type FileHandle } from "node:fs/promises";
import { InvalidInputError } from "../../errors.js";
import { openToRead } from "../../util/file-system.js";
import { fileChanged, fileFailure } from "./failures.js";

/** Which file, and in which state: a size alone does not tell that a header was patched in place. Times in ns. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** A regular file that must not change while it is read. */
export class InputFile {
  readonly path: string;
  readonly handle: FileHandle;
  /** Bytes. */
  readonly size: number;
  /** Which file it is, whatever it is called, and in which state. */
  readonly identity: FileIdentity;

  private constructor(path: string, handle: FileHandle, identity: FileIdentity) {
    this.path = path;
    this.handle = handle;
    this.size = Number(identity.size);
    this.identity = identity;
  }

  /**
   * @param flags - `openToReadUnlinked` where no link may stand for the file
   * @throws InvalidInputError for what is no regular file; `ERR_FILE_IO`
   */
  static async open(path: string, flags = openToRead): Promise<InputFile> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, flags);
      const identity = await handle.stat({ bigint: true });
      if (!identity.isFile()) throw new InvalidInputError("inputPath", "must name a regular file", path);
      const file = new InputFile(path, handle, identity);
      // A file of /proc, say, has content and no size.
      if (file.size === 0 && (await file.#hasMore()))
        throw new InvalidInputError(
          "inputPath",
          "must name a file whose size is that of its content; pass it as a stream",
          path,
        );
      return file;
    } catch (error) {
      await handle?.close().catch(() => undefined);
      if (error instanceof InvalidInputError) throw error;
      throw fileFailure(`read ${path}`, error);
    }
  }

  /** Exactly so many bytes from `offset` on. @throws `ERR_FILE_CHANGED` if there are fewer; `ERR_FILE_IO` */
  async read(target: Buffer, offset: number): Promise<Buffer> {
    for (let filled = 0; filled < target.length;) {
      const { bytesRead } = await this.handle
        .read(target, filled, target.length - filled, offset + filled)
        .catch((error: unknown) => {
          throw fileFailure(`read ${this.path}`, error);
        });
      if (bytesRead === 0) throw fileChanged(this.path);
      filled += bytesRead;
    }
    return target;
  }

  /** @throws `ERR_FILE_CHANGED` unless it is in the state in which it was opened, and ends where it did; `ERR_FILE_IO` */
  async checkUnchanged(): Promise<void> {
    let isSame: boolean;
    try {
      const now: FileIdentity = await this.handle.stat({ bigint: true });
      isSame = (["size", "mtimeNs", "ctimeNs"] as const).every((fact) => now[fact] === this.identity[fact]);
      isSame &&= !(await this.#hasMore());
    } catch (error) {
      throw fileFailure(`read ${this.path}`, error);
    }
    if (!isSame) throw fileChanged(this.path);
  }

  /** Whether there is content behind the end that its size tells. */
  async #hasMore(): Promise<boolean> {
    return (await this.handle.read(Buffer.alloc(1), 0, 1, this.size)).bytesRead > 0;
  }

  /** Closes. All has been read by then, so that a failure says nothing. */
  async close(): Promise<void> {
    await this.handle.close().catch(() => undefined);
  }
}
