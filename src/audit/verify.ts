import { open, readdir, type FileHandle } from "node:fs/promises";
import { join, resolve } from "node:path";
import { InvalidInputError } from "../errors.js";
import { knownOptions } from "../util/check-input.js";
import { openToReadUnlinked } from "../util/file-system.js";
import { fileOfChain, longestLine } from "./chain.js";
import { Verification, type AuditLogReport, type ReadChain, type VerificationOptions } from "./verification.js";

/** What {@link verifyAuditLog} is given. */
export interface VerifyAuditLogOptions extends VerificationOptions {
  /** Folder of a `FileAuditLog`. */
  readonly directory: string;
}

/**
 * Reads a folder of a `FileAuditLog`, and says whether anything in it was changed.
 *
 * The chain alone shows every change but two: entries cut off at the end of a file that is not closed, and a file that is gone.
 * Both show by `anchors`; a file that another one of the same process follows shows a cut by itself.
 * @throws InvalidInputError; what the file system throws where it does not list the folder
 */
export async function verifyAuditLog(options: VerifyAuditLogOptions): Promise<AuditLogReport> {
  const known = knownOptions(options, { directory: true, secret: true, anchors: true, onEvent: true });
  const { directory } = known;
  if (typeof directory !== "string" || directory === "")
    throw new InvalidInputError("directory", "must be the path of a folder", directory);
  const folder = resolve(directory);
  const verification = new Verification(known, fileOfChain);
  const names = (await readdir(folder)).filter((name) => /^audit-.*\.jsonl$/.test(name)).sort();
  for (const name of names) await readFile(join(folder, name), verification.chain(name));
  return verification.report();
}

/** Bytes read at a time. */
const atOnce = 65_536;

/** Reads a file to its end, or to its first problem. @throws what the listener throws */
async function readFile(path: string, chain: ReadChain): Promise<void> {
  const handle = await openedFile(path);
  if (!handle) return chain.unreadable();
  try {
    const buffer = Buffer.allocUnsafe(atOnce);
    let rest = Buffer.alloc(0);
    for (;;) {
      const count = await handle.read(buffer, 0, atOnce).then(
        ({ bytesRead }) => bytesRead,
        () => undefined,
      );
      if (count === undefined) return chain.unreadable();
      if (count === 0) break;
      rest = Buffer.concat([rest, buffer.subarray(0, count)]);
      let start = 0;
      for (let end = rest.indexOf(10); end >= 0 && !chain.problem; end = rest.indexOf(10, start)) {
        await chain.line(rest.subarray(start, end));
        start = end + 1;
      }
      rest = rest.subarray(start);
      if (rest.length > longestLine) chain.alteredHere();
      if (chain.problem) return;
    }
    if (rest.length > 0) chain.tail(rest);
  } finally {
    await handle.close();
  }
}

/** A file to read; `undefined` for one that can't be, and for what is none. */
async function openedFile(path: string): Promise<FileHandle | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, openToReadUnlinked);
    if ((await handle.stat()).isFile()) return handle;
  } catch {
    // told as unreadable
  }
  await handle?.close();
  return undefined;
}
