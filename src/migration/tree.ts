import type { BigIntStats, Dirent } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { RecordingKeyStoreError } from "../errors.js";
import { fileFailure } from "../recording/files/failures.js";
import { isTemporaryName } from "../recording/files/output-file.js";
import type { LeftBecause } from "./states.js";

/** A regular file of the tree. */
export interface TreeFile {
  readonly kind: "file";
  /** Below the root, with `/` between names. */
  readonly path: string;
  readonly stats: BigIntStats;
}

/** What a tree holds. Paths are those of {@link TreeFile}. */
export type TreeEntry =
  | TreeFile
  | { readonly kind: "left"; readonly path: string; readonly left: LeftBecause }
  | { readonly kind: "failed"; readonly path: string; readonly error: RecordingKeyStoreError }
  /** What a process that was killed has left, or one that runs is writing. */
  | { readonly kind: "temporary"; readonly path: string };

interface Walk {
  /** Folder that is not looked into, as an absolute path. */
  readonly except: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Everything below a folder that is no folder itself, in the order of the names. Symbolic links are not followed, but for the root.
 * What can't be read is an entry, but for the root.
 * @throws RecordingKeyStoreError `ERR_FILE_IO` for the root; the signal's reason
 */
export async function* walk(root: string, { except, signal }: Walk): AsyncGenerator<TreeEntry> {
  /** Folders still to be read. */
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal.throwIfAborted();
    const absolute = join(root, folder);
    if (absolute === except) continue;
    let names: Dirent<Buffer>[];
    try {
      names = await readdir(absolute, { withFileTypes: true, encoding: "buffer" });
    } catch (cause) {
      const error = fileFailure(`read the folder ${absolute}`, cause);
      if (folder === "") throw error;
      yield { kind: "failed", path: folder, error };
      continue;
    }
    const below: string[] = [];
    for (const entry of names.sort((one, other) => Buffer.compare(one.name, other.name))) {
      signal.throwIfAborted();
      const name = textOf(entry.name);
      const path = `${folder === "" ? "" : `${folder}/`}${name ?? spelt(entry.name)}`;
      if (name === undefined) yield { kind: "left", path, left: "name" };
      else if (entry.isDirectory()) below.push(path);
      else yield await entryOf(root, path, { name, entry });
    }
    folders.push(...below.reverse());
  }
}

async function entryOf(
  root: string,
  path: string,
  { name, entry }: { name: string; entry: Dirent<Buffer> },
): Promise<TreeEntry> {
  if (entry.isSymbolicLink()) return { kind: "left", path, left: "link" };
  if (!entry.isFile()) return { kind: "left", path, left: "special" };
  if (isTemporaryName(name)) return { kind: "temporary", path };
  try {
    return { kind: "file", path, stats: await lstat(join(root, path), { bigint: true }) };
  } catch (error) {
    return { kind: "failed", path, error: fileFailure(`look at ${join(root, path)}`, error) };
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A name as text that means the same bytes. */
function textOf(name: Buffer): string | undefined {
  try {
    return decoder.decode(name);
  } catch {
    return undefined;
  }
}

/** A name for people. */
function spelt(name: Buffer): string {
  return name.toString("latin1").replaceAll(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}
