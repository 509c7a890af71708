import { open, readdir } from "node:fs/promises";
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
 * @throws InvalidInputError; what the file system throws
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

async function readFile(path: string, chain: ReadChain): Promise<void> {
  const handle = await open(path, openToReadUnlinked);
  try {
    let rest = Buffer.alloc(0);
    for await (const chunk of handle.createReadStream({ autoClose: false })) {
      rest = Buffer.concat([rest, chunk as Buffer]);
      let start = 0;
      for (let end = rest.indexOf(10); end >= 0 && !chain.problem; end = rest.indexOf(10, start)) {
        chain.line(rest.subarray(start, end));
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
