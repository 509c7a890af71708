import { InvalidInputError } from "../errors.js";
import type { RandomAccessSource } from "../recording/random-access-source.js";
import { knownOptions } from "../util/check-input.js";
import { Retryable, checkPatience, type PatienceOptions, patienceOptions } from "./attempts.js";
import { discardBody } from "./body.js";
import { checkAnswer, takeAnswer, versionCondition } from "./http-answer.js";
import { checkHeaders, checkUrl, redactor, type FetchLike, type HttpHeaders } from "./http-request.js";
import {
  openRemote,
  readPart,
  type AnnouncedPart,
  type FetchedPart,
  type Range,
  type Version,
} from "./remote-source.js";
import { sourceError } from "./source-errors.js";

export interface HttpSourceOptions extends PatienceOptions {
  /** Default: the global `fetch`. Must not follow redirects by itself (`redirect: "manual"`). */
  fetch?: FetchLike | undefined;
  /** Sent to the URL's own origin only. A function is called before each attempt, for tokens that expire. */
  headers?: HttpHeaders | (() => HttpHeaders | Promise<HttpHeaders>) | undefined;
  /** 0 to 10, default 5. Redirects stay within their scheme, and lose `headers` on another origin. */
  maxRedirects?: number | undefined;
  /** Aborts the opening. Each read has a signal of its own. */
  signal?: AbortSignal | undefined;
}

const redirects = [301, 302, 303, 307, 308];

/**
 * Opens a resource of an HTTP server that answers `Range` requests (RFC 9110, section 14), such as a file behind nginx or a
 * pre-signed URL of an object store. All parts come from one version: each read demands the `ETag` of the first (`If-Match`;
 * without a strong one, `If-Unmodified-Since`) and compares the answer. A server that ignores `Range` is refused before it
 * has sent its body, unless all of it was asked for; one that sends less than that is asked for the rest.
 *
 * Reads are repeated when the network fails, a body is cut short, or the server answers 408, 425, 429 or 5xx, after a
 * pause that respects `Retry-After`. URLs may be secrets, so errors name the origin only, and no header.
 *
 * Reads throw the same errors as this function, and `ERR_SOURCE_CHANGED`.
 * @param url - `https:` or `http:`; a function is called before each attempt, for URLs that expire
 * @throws InvalidInputError; RecordingKeyStoreError `ERR_SOURCE_NOT_FOUND` (404, 410), `ERR_SOURCE_REFUSED` (401, 403, 407),
 * `ERR_SOURCE_UNSUITABLE`, `ERR_SOURCE_UNAVAILABLE`; `signal.reason`; what the functions given throw
 */
export async function httpSource(
  url: string | URL | (() => string | URL | Promise<string | URL>),
  options: HttpSourceOptions = {},
): Promise<RandomAccessSource> {
  const own = knownOptions(options, {
    ...patienceOptions,
    fetch: true,
    headers: true,
    maxRedirects: true,
    signal: true,
  });
  const { fetch = globalThis.fetch, headers = {}, maxRedirects = 5, signal } = own;
  if (typeof fetch !== "function") throw new InvalidInputError("fetch", "must be a function", fetch);
  if (!Number.isInteger(maxRedirects) || maxRedirects < 0 || maxRedirects > 10)
    throw new InvalidInputError("maxRedirects", "must be a whole number from 0 to 10", maxRedirects);
  const fixedUrl = typeof url === "function" ? undefined : checkUrl(url);
  const fixedHeaders = typeof headers === "function" ? undefined : checkHeaders(headers);
  const server: Server = {
    fetch,
    maxRedirects,
    target: async () => ({
      url: fixedUrl ?? checkUrl(await (url as () => unknown)()),
      headers: fixedHeaders ?? checkHeaders(await (headers as () => unknown)()),
    }),
  };
  return openRemote(
    (range, known, attemptSignal) => fetchPart(server, range, known, attemptSignal),
    checkPatience(own),
    signal,
  );
}

interface Server {
  readonly fetch: FetchLike;
  readonly maxRedirects: number;
  readonly target: () => Promise<Target>;
}

/** Where an attempt is sent. */
interface Target {
  readonly url: URL;
  readonly headers: Record<string, string>;
}

async function fetchPart(
  server: Server,
  range: Range,
  known: Version | undefined,
  signal: AbortSignal,
): Promise<FetchedPart> {
  const { fetch, maxRedirects } = server; // called as a function: the global fetch refuses another `this`
  const { url, headers } = await server.target();
  const visited = [url];
  const networkFailed = (error: unknown) =>
    new Retryable(
      sourceError(
        "ERR_SOURCE_UNAVAILABLE",
        `the connection to ${last(visited).origin} failed`,
        error,
        redactor(visited, headers),
      ),
    );
  const request = async (current: URL) => {
    const init = {
      method: "GET",
      headers: {
        ...(current.origin === url.origin ? headers : {}),
        ...(known ? versionCondition(known) : {}),
        "accept-encoding": "identity",
        range: `bytes=${range.offset}-${range.offset + range.length - 1}`,
      },
      redirect: "manual",
      signal,
    } as const;
    try {
      return takeAnswer(await fetch(current.href, init));
    } catch (error) {
      throw networkFailed(error);
    }
  };

  let answer = await request(url);
  while (redirects.includes(answer.status)) {
    discardBody(answer.body);
    if (visited.length > maxRedirects)
      throw sourceError("ERR_SOURCE_UNSUITABLE", `${url.origin} redirects more than ${maxRedirects} times`);
    visited.push(redirected(last(visited), answer.headers.location));
    answer = await request(last(visited));
  }
  const { origin } = last(visited);
  const { body } = answer;
  let part: AnnouncedPart;
  try {
    part = checkAnswer(answer, origin, range, known);
  } catch (error) {
    discardBody(body);
    throw error;
  }
  return readPart(part, body, { who: origin, signal, failed: networkFailed });
}

const last = (urls: readonly URL[]) => urls[urls.length - 1] as URL;

/** @throws RecordingKeyStoreError `ERR_SOURCE_UNSUITABLE` */
function redirected(from: URL, location: string | undefined): URL {
  let to: URL;
  try {
    to = new URL(location ?? "", from);
    if (location === undefined || to.username !== "" || to.password !== "") throw new Error();
  } catch {
    throw sourceError("ERR_SOURCE_UNSUITABLE", `${from.origin} redirects to nowhere`);
  }
  if (to.protocol !== from.protocol)
    throw sourceError("ERR_SOURCE_UNSUITABLE", `${from.origin} redirects to another scheme, ${to.protocol}`);
  return to;
}
