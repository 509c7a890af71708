import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { RecordingKeyStore } from "../../src/index.js";
import { fileSource } from "../../src/sources/file-source.js";
import { inspectRecording } from "../../src/index.js";

/** Long enough ago for a file not to be in use, and with a part of a second. */
export const longAgo = new Date("2024-05-01T10:00:00.125Z");

/** Makes plain files by their paths below a folder. */
export async function plainFiles(folder: string, contents: Readonly<Record<string, string | Buffer>>): Promise<void> {
  for (const [path, content] of Object.entries(contents)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
    await utimes(join(folder, path), longAgo, longAgo);
  }
}

/** Every file below a folder, by its path there, sorted. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** What an encrypted recording gives by the names that its header says. */
export async function opened(keyStore: RecordingKeyStore, path: string): Promise<Buffer> {
  await using source = await fileSource(path);
  const { recordingId, asset } = await inspectRecording(source);
  return Buffer.from((await keyStore.decryptRecording(await readFile(path), { recordingId, asset })).body);
}
