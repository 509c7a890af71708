import { InvalidInputError } from "../../errors.js";

export const defaultSchema = "recording_keystore";

/** Length of the longest name, in bytes: PostgreSQL cuts longer ones short, so that two of them may become one. */
const maxNameLength = 63;

/**
 * A name as SQL text, quoted.
 * @param field - option that gives it
 * @throws InvalidInputError unless it is 1 to 63 bytes of UTF-8 without control characters and backslashes
 */
export function quotedName(field: string, name: string): string {
  if (typeof name !== "string" || name === "") throw new InvalidInputError(field, "must be a non-empty string", name);
  if (Buffer.byteLength(name) > maxNameLength)
    throw new InvalidInputError(field, `must be at most ${maxNameLength} bytes`, name);
  // A backslash means different things in a literal by the server's settings.
  if (/[\p{Cc}\p{Surrogate}\\]/u.test(name))
    throw new InvalidInputError(field, "must have no control character and no backslash", name);
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * The name of a database role as SQL text, quoted.
 * @throws InvalidInputError as for other names, and for the two that mean no role, quoted or not: everybody, and nobody
 */
export function quotedRole(field: string, name: string): string {
  if (name === "public" || name === "none")
    throw new InvalidInputError(field, "must be the name of one role, which public and none are not", name);
  return quotedName(field, name);
}

/** A text without control characters and backslashes as a literal of SQL. */
export function quotedText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
