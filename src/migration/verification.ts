import { createHash } from "node:crypto";
import { type BigIntStats } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { AuditedCallOptions } from "../key-store/options.js";
import type { InputFile } from "../recording/files/input-file.js";
import { openToReadUnlinked, syncFile, syncFolder } from "../util/file-system.js";
import type { MigratingKeyStore } from "./options.js";
import { withFileFailure } from "./with-file-failure.js";

/** An encrypted recording that is held open, so that it stays known which file was verified. */
export class EncryptedOutput {
  readonly path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** @throws RecordingKeyStoreError `ERR_FILE_IO` */
  static async open(path: string): Promise<EncryptedOutput> {
    return new EncryptedOutput(path, await withFileFailure(`read ${path}`, () => open(path, openToReadUnlinked)));
  }

  stats(): Promise<BigIntStats> {
    return withFileFailure(`look at ${this.path}`, () => this.#handle.stat({ bigint: true }));
  }

  /** Gives it the time of the plain file, and makes both file and name survive a power cut. @throws `ERR_FILE_IO` */
  async settle(mtimeNs: bigint): Promise<void> {
    await withFileFailure(`write ${this.path}`, async () => {
      const { mtimeNs: now } = await this.#handle.stat({ bigint: true });
      if (!sameTime(now, mtimeNs)) await this.#handle.utimes(Date.now() / 1e3, Number(mtimeNs) / 1e9);
      await syncFile(this.#handle);
      await syncFolder(dirname(this.path));
    });
  }

  /** All of it, from the start. */
  stream() {
    return this.#handle.createReadStream({ start: 0, autoClose: false });
  }

  async close(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
  }
}

/** Whether two times, in ns, are the same to the millisecond: what a copy of a time keeps on every file system met. */
export function sameTime(one: bigint, other: bigint): boolean {
  const apart = one > other ? one - other : other - one;
  return apart < 1_000_000n;
}

/** Whose recording it must be, and who is told how far it is. */
export interface Verification {
  readonly keyStore: MigratingKeyStore;
  readonly names: { readonly recordingId: string; readonly asset: string };
  readonly audited: Pick<AuditedCallOptions, "actor" | "reason">;
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number) => void;
}

export interface Verified {
  readonly sha256: string;
  readonly keyPairId: string;
}

/**
 * Has KMS open the encrypted recording, and compares every byte of it with the plain file as it is on disk now.
 * @returns `undefined` where it is another content
 * @throws as `decryptRecording`; `ERR_FILE_CHANGED` where the plain file changes meanwhile; `ERR_FILE_IO`
 */
export async function verify(
  plain: InputFile,
  encrypted: EncryptedOutput,
  { keyStore, names, audited, signal, onBytes }: Verification,
): Promise<Verified | undefined> {
  const { body, keyPairId } = await keyStore.decryptRecording(encrypted.stream(), {
    ...names,
    ...audited,
    askKms: true,
    signal,
  });
  const hash = createHash("sha256");
  let offset = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (offset + chunk.length > plain.size) return undefined;
    const onDisk = await plain.read(Buffer.allocUnsafeSlow(chunk.length), offset);
    if (!onDisk.equals(chunk)) return undefined;
    hash.update(onDisk);
    offset += chunk.length;
    onBytes(chunk.length);
  }
  await plain.checkUnchanged();
  return offset === plain.size ? { sha256: hash.digest("hex"), keyPairId } : undefined;
}
