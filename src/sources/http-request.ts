import { InvalidInputError } from "../errors.js";
import type { ByteStream } from "../recording/stream-source.js";
import { readable } from "../util/check-input.js";
import { isUrl } from "../util/realms.js";

/** The part of `fetch` that a source needs: the global one, undici's, or a wrapper that signs requests. */
export type FetchLike = (
  url: string,
  init: { method: "GET"; headers: Record<string, string>; redirect: "manual"; signal: AbortSignal },
) => Promise<{
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: ByteStream | null;
}>;

export type HttpHeaders = Readonly<Record<string, string>>;

/** Headers that only the source may set: they decide what a range answer means. */
const ownHeaders = [
  "range",
  "if-range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "accept-encoding",
  "content-length",
  "transfer-encoding",
];

/** Copies headers, with names in lower case. @throws InvalidInputError that shows no value */
export function checkHeaders(headers: unknown): Record<string, string> {
  const entries = readable("headers", () => {
    if (typeof headers !== "object" || headers === null || Symbol.iterator in headers)
      throw new InvalidInputError("headers", "must be an object of names and values", headers);
    return Object.entries(headers) as [string, unknown][];
  });
  const checked = new Headers();
  for (const [name, value] of entries) {
    if (ownHeaders.includes(name.toLowerCase()))
      throw new InvalidInputError("headers", "must leave ranges, conditions, encoding and length to the source", name);
    try {
      if (typeof value !== "string") throw new TypeError();
      checked.set(name, value);
    } catch {
      throw new InvalidInputError(
        "headers",
        `must have valid names and values; that of ${JSON.stringify(name)} is not`,
      );
    }
  }
  return Object.fromEntries(checked);
}

/** @throws InvalidInputError that shows nothing of the URL, since a pre-signed one is a secret */
export function checkUrl(given: unknown): URL {
  if (typeof given !== "string" && !isUrl(given)) throw new InvalidInputError("url", "must be a URL", given);
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw new InvalidInputError("url", "must be an absolute URL");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw new InvalidInputError("url", "must begin with https: or http:");
  if (url.username !== "" || url.password !== "")
    throw new InvalidInputError("url", "must hold no user name or password; give an Authorization header");
  return url;
}

/** Removes what may be secret about a request from a text: path and query of its URLs, and values of its headers. */
export function redactor(urls: readonly URL[], headers: HttpHeaders): (text: string) => string {
  const secrets = new Set<string>();
  for (const { pathname, search, searchParams } of urls) {
    for (const secret of [pathname, search, ...search.slice(1).split(/[&=]/), ...searchParams.values()])
      secrets.add(secret);
  }
  for (const value of Object.values(headers)) for (const secret of [value, ...value.split(/\s+/)]) secrets.add(secret);
  const longestFirst = [...secrets].filter(({ length }) => length > 3).sort((a, b) => b.length - a.length);
  return (text) => longestFirst.reduce((cleaned, secret) => cleaned.replaceAll(secret, "[removed]"), text);
}
