import { createHash } from "node:crypto";

/** Suffix of every file that holds a record. Other files are not the store's. */
const suffix = ".record";
const headDigits = 10;
const headFile = /^\d{10}\.record$/;
const keptCharacters = /^[a-z0-9_-]$/;
/** Names of devices on Windows, which takes them with any suffix. */
const deviceName = /^(con|prn|aux|nul|com\d|lpt\d)$/;
/** Prefix of hashes. No encoded id begins like this, since `h` is no hexadecimal digit. */
const hashMark = "%h";
/** Length of the longest name, which fits into 255 bytes with the suffix. Ids of pairs and wrappings are shorter. */
const maxNameLength = 200;

/**
 * Name of a file or folder for an id: lower-case letters, digits, `-` and `_` stay, each other byte becomes `%xx`.
 * Different ids get different names, also where the file system takes `A` for `a` or normalizes Unicode, and no id
 * reaches another folder. An id whose name would be too long is named by its SHA-256.
 */
export function nameOf(id: string): string {
  let name = "";
  for (const byte of Buffer.from(id)) {
    const character = String.fromCharCode(byte);
    name += keptCharacters.test(character) ? character : escaped(byte);
  }
  if (deviceName.test(name)) name = escaped(name.charCodeAt(0)) + name.slice(1);
  return name.length <= maxNameLength ? name : hashMark + createHash("sha256").update(id).digest("hex");
}

/** The id of a name; `undefined` for a hash, and for a name that {@link nameOf} does not give. */
export function idOf(name: string): string | undefined {
  try {
    const id = decodeURIComponent(name);
    return id !== "" && nameOf(id) === name ? id : undefined;
  } catch {
    return undefined;
  }
}

export function isHashName(name: string): boolean {
  return name.startsWith(hashMark);
}

export function recordFile(id: string): string {
  return nameOf(id) + suffix;
}

/** The id of a record's file; `undefined` for a temporary or foreign file. */
export function idOfRecordFile(file: string): string | undefined {
  return file.endsWith(suffix) ? idOf(file.slice(0, -suffix.length)) : undefined;
}

export function headFileOf(number: number): string {
  return String(number).padStart(headDigits, "0") + suffix;
}

/** The highest number among the files of a heads folder; 0 if there is none. */
export function highestHead(files: readonly string[]): number {
  return files.reduce((highest, file) => (headFile.test(file) ? Math.max(highest, parseInt(file, 10)) : highest), 0);
}

function escaped(byte: number): string {
  return `%${byte.toString(16).padStart(2, "0")}`;
}
