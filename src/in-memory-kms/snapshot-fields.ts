import { InvalidInputError } from "../errors.js";

/* Each takes a value of unknown origin and where it stands, and throws an InvalidInputError that names the place. */

export function text(value: unknown, path: string): string {
  if (typeof value !== "string") throw new InvalidInputError(path, "must be a text");
  return value;
}

export function pattern(value: unknown, form: RegExp, path: string): string {
  if (typeof value !== "string" || !form.test(value)) throw new InvalidInputError(path, `must match ${form.source}`);
  return value;
}

/** Number of days, or of ms since the Unix epoch. */
export function count(value: unknown, path: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new InvalidInputError(path, "must be a number");
  return value;
}

export function flag(value: unknown, path: string): boolean {
  if (typeof value !== "boolean") throw new InvalidInputError(path, "must be true or false");
  return value;
}

export function oneOf<T extends string>(value: unknown, values: readonly T[], path: string): T {
  if (!values.includes(value as T)) throw new InvalidInputError(path, `must be one of ${values.join(", ")}`);
  return value as T;
}

export function textMap(value: unknown, path: string): Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new InvalidInputError(path, "must be an object of texts");
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, text(member, `${path}.${name}`)]));
}

export function listOf<T>(value: unknown, path: string, read: (item: unknown, path: string) => T): T[] {
  if (!Array.isArray(value)) throw new InvalidInputError(path, "must be a list");
  return value.map((item, index) => read(item, `${path}[${index}]`));
}

export function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : read(value);
}

/** Bytes of a base64 text, which no error quotes. */
export function secretBytes(value: unknown, path: string): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value, "base64") : undefined;
  if (!bytes || bytes.toString("base64") !== value) throw new InvalidInputError(path, "must be base64");
  return bytes;
}
