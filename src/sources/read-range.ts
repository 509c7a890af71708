import { InvalidInputError } from "../errors.js";

/** @throws InvalidInputError for what does not lie inside the source */
export function checkReadRange(offset: number, length: number, size: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > size)
    throw new InvalidInputError("offset", `must be a whole number from 0 to ${size}`, offset);
  if (!Number.isSafeInteger(length) || length < 0 || length > size - offset)
    throw new InvalidInputError("length", `must be a whole number from 0 to ${size - offset}`, length);
}

/** What `Content-Range` says; `undefined` for what is no single byte range of known total (RFC 9110, section 14.4). */
export function parseContentRange(
  value: string | null | undefined,
): { first: number; last: number; total: number } | undefined {
  const [, first, last, total] = (
    /^bytes[ \t]+(\d{1,15})-(\d{1,15})\/(\d{1,15})$/i.exec(value?.trim() ?? "") ?? []
  ).map(Number);
  if (first === undefined || last === undefined || total === undefined || first > last || last >= total)
    return undefined;
  return { first, last, total };
}

/** The total of an answer 416, `bytes * /total`. */
export function parseUnsatisfiedRange(value: string | null | undefined): number | undefined {
  const total = /^bytes[ \t]+\*\/(\d{1,15})$/i.exec(value?.trim() ?? "")?.[1];
  return total === undefined ? undefined : Number(total);
}
