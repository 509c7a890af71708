import { constants, type BigIntStats } from "node:fs";
import { open, stat, type FileHandle } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import type { RandomAccessSource } from "../recording/random-access-source.js";
import { isUrl } from "../util/realms.js";
import { checkReadRange } from "./remote-source.js";
import { sourceError, type SourceErrorCode } from "./source-errors.js";

/** A file as a source. Holds the file open until it is closed. */
export interface FileSource extends RandomAccessSource {
  /** Closes the file, once reads under way have ended. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a regular file as a source. A read fails if the file has been written to, replaced, moved or deleted since it was
 * opened, so that two versions are never mixed. A relative path is resolved once, when the file is opened.
 *
 * Reads throw InvalidInputError for a range outside the file, and RecordingKeyStoreError `ERR_SOURCE_CHANGED`,
 * `ERR_SOURCE_UNAVAILABLE`, and `ERR_CLOSED` once the source is closed.
 * @param path - a path, or a `file:` URL
 * @throws InvalidInputError; RecordingKeyStoreError `ERR_SOURCE_NOT_FOUND`, `ERR_SOURCE_REFUSED` (permissions),
 * `ERR_SOURCE_UNSUITABLE` (no regular file), `ERR_SOURCE_UNAVAILABLE`
 */
export async function fileSource(path: string | URL): Promise<FileSource> {
  const absolute = absolutePath(path);
  let handle: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, opening a named pipe would block a thread of the pool until somebody writes to it.
    handle = await open(absolute, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const opened = await handle.stat({ bigint: true });
    if (!opened.isFile()) throw sourceError("ERR_SOURCE_UNSUITABLE", `${absolute} is not a regular file`);
    return new OpenFile(absolute, handle, opened);
  } catch (error) {
    await handle?.close().catch(() => undefined);
    throw fileError("open", absolute, error);
  }
}

class OpenFile implements FileSource {
  readonly size: number;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #opened: BigIntStats;
  #closing: Promise<void> | undefined;

  constructor(path: string, handle: FileHandle, opened: BigIntStats) {
    this.size = Number(opened.size);
    this.#path = path;
    this.#handle = handle;
    this.#opened = opened;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    checkReadRange(offset, length, this.size);
    const bytes = Buffer.allocUnsafeSlow(length);
    try {
      for (let filled = 0; filled < length;) {
        signal?.throwIfAborted();
        if (this.#closing) throw new RecordingKeyStoreError("ERR_CLOSED", "the file has been closed");
        const { bytesRead } = await this.#handle.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) throw this.#changed("has become shorter");
        filled += bytesRead;
      }
      await this.#checkUnchanged();
    } catch (error) {
      signal?.throwIfAborted();
      if (this.#closing) throw new RecordingKeyStoreError("ERR_CLOSED", "the file has been closed");
      throw fileError("read", this.#path, error);
    }
    signal?.throwIfAborted();
    return bytes;
  }

  close(): Promise<void> {
    this.#closing ??= this.#handle.close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Checks that the path still names the file that was opened, unchanged. Called after a read, to cover the read too. */
  async #checkUnchanged(): Promise<void> {
    const { ino, dev, size, mtimeNs } = await stat(this.#path, { bigint: true }).catch((error: unknown) => {
      throw isMissing(error) ? this.#changed("is not there any more") : error;
    });
    if (ino !== this.#opened.ino || dev !== this.#opened.dev) throw this.#changed("has been replaced");
    if (size !== this.#opened.size || mtimeNs !== this.#opened.mtimeNs) throw this.#changed("has been written to");
  }

  #changed(how: string): RecordingKeyStoreError {
    return sourceError("ERR_SOURCE_CHANGED", `${this.#path} ${how} since it was opened`);
  }
}

function absolutePath(path: string | URL): string {
  const given: unknown = path;
  if (isUrl(given)) {
    try {
      return fileURLToPath(given);
    } catch {
      throw new InvalidInputError("path", "must be a path or a file: URL");
    }
  }
  if (typeof given !== "string" || given === "" || given.includes("\0"))
    throw new InvalidInputError("path", "must be a path or a file: URL", given);
  return resolve(given);
}

const codes: Readonly<Record<string, SourceErrorCode>> = {
  ENOENT: "ERR_SOURCE_NOT_FOUND",
  ENOTDIR: "ERR_SOURCE_NOT_FOUND",
  EACCES: "ERR_SOURCE_REFUSED",
  EPERM: "ERR_SOURCE_REFUSED",
  EISDIR: "ERR_SOURCE_UNSUITABLE",
  ELOOP: "ERR_SOURCE_UNSUITABLE",
  ENAMETOOLONG: "ERR_SOURCE_UNSUITABLE",
  ENXIO: "ERR_SOURCE_UNSUITABLE",
};

function fileError(doing: string, path: string, error: unknown): Error {
  if (error instanceof RecordingKeyStoreError) return error;
  const { code = "unknown failure" } = error as NodeJS.ErrnoException;
  return sourceError(codes[code] ?? "ERR_SOURCE_UNAVAILABLE", `can't ${doing} ${path}: ${code}`, error);
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}
