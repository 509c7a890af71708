import type { BigIntStats } from "node:fs";
import { lstat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { fileChanged } from "../recording/files/failures.js";
import type { InputFile } from "../recording/files/input-file.js";
import { onceLetGo, syncFolder } from "../util/file-system.js";
import type { EncryptedOutput } from "./verification.js";
import { withFileFailure } from "./with-file-failure.js";

type Looked = Pick<BigIntStats, "dev" | "ino" | "size" | "mtimeNs">;

const isSame = (one: Looked, other: Looked) =>
  (["dev", "ino", "size", "mtimeNs"] as const).every((fact) => one[fact] === other[fact]);

/**
 * Deletes a plain file whose encrypted recording was verified and is on disk, once more on a last look that both names still stand for
 * what was compared.
 * @returns how many other names (hard links) the content has
 * @throws `ERR_FILE_CHANGED` where one of them has changed, and then nothing is deleted; `ERR_FILE_IO`
 */
export async function deletePlainFile(plain: InputFile, encrypted: EncryptedOutput): Promise<number> {
  const look = (path: string) => withFileFailure(`look at ${path}`, () => lstat(path, { bigint: true }));
  if (!isSame(await look(encrypted.path), await encrypted.stats())) throw fileChanged(encrypted.path);
  const last = await look(plain.path);
  if (!isSame(last, plain.identity)) throw fileChanged(plain.path);
  await withFileFailure(`delete ${plain.path}`, () => onceLetGo(() => unlink(plain.path)));
  // From here on nothing may fail: it is gone. Should the name come back with a power cut, the next run meets it.
  await syncFolder(dirname(plain.path)).catch(() => undefined);
  return Number(last.nlink) - 1;
}
