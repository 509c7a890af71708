import { createHash } from "node:crypto";

/** Ends the name of every file that holds a record; whatever is named otherwise is not the store's. */
const suffix = ".record";
const headDigits = 10;
const headFile = /^\d{10}\.record$/;
const keptCharacters = /^[a-z0-9_-]$/;
/** Names that Windows takes for devices, with any suffix. */
const deviceName = /^(con|prn|aux|nul|com\d|lpt\d)$/;
/** No encoded id begins like this, as `h` is no hexadecimal digit. */
const hashMark = "%h";
/** Leaves room for the suffix within the 255 bytes that file systems allow; ids of pairs and wrappings always fit. */
const maxNameLength = 200;

/**
 * An id as the name of a file or folder: lower-case letters, digits, `-` and `_` stay, each other byte becomes `%xx`.
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

/** The id that {@link nameOf} gave this name, or `undefined` if it gave none or the name is a hash. */
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

/** The id whose record this file holds, or `undefined` if it is a temporary or foreign file. */
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
