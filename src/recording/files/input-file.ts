import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { InvalidInputError } from "../../errors.js";
import { fileChanged, fileFailure } from "./failures.js";

/** A regular file that must keep its size while it is read. */
export class InputFile {
  readonly path: string;
  readonly handle: FileHandle;
  /** Bytes. */
  readonly size: number;
  /** Which file it is, whatever it is called. */
  readonly identity: { readonly dev: bigint; readonly ino: bigint };

  private constructor(path: string, handle: FileHandle, size: number, identity: InputFile["identity"]) {
    this.path = path;
    this.handle = handle;
    this.size = size;
    this.identity = identity;
  }

  /** @throws InvalidInputError for what is no regular file; `ERR_FILE_IO` */
  static async open(path: string): Promise<InputFile> {
    let handle: FileHandle | undefined;
    try {
      // Opening a named pipe would otherwise wait for whoever writes into it.
      handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const facts = await handle.stat({ bigint: true });
      if (!facts.isFile()) throw new InvalidInputError("inputPath", "must name a regular file", path);
      return new InputFile(path, handle, Number(facts.size), { dev: facts.dev, ino: facts.ino });
    } catch (error) {
      await handle?.close();
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

  /** @throws `ERR_FILE_CHANGED` */
  async checkUnchanged(): Promise<void> {
    const { size } = await this.handle.stat();
    if (size !== this.size) throw fileChanged(this.path);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}
