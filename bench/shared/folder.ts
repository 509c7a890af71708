import { existsSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";

/** A folder for temporary files: in memory, if there is room for so many bytes. */
export function memoryFolder(bytes: number): string {
  const inMemory = "/dev/shm";
  const { bavail, bsize } = existsSync(inMemory) ? statfsSync(inMemory) : { bavail: 0, bsize: 0 };
  return bavail * bsize > bytes ? inMemory : tmpdir();
}
