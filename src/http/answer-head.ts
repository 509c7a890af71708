import { InvalidInputError } from "../errors.js";
import { knownOptions, readable } from "../util/check-input.js";
import { decideRange, type ByteRange } from "./byte-range.js";
import { httpStatusOf } from "./http-status.js";

/** A request, independent of the server. */
export interface RangeRequest {
  readonly method: string;
  /** Value of a request header, by its name in lower case. Several of one name are joined by `, `. */
  header(name: string): string | undefined;
}

export interface RecordingAnswerOptions {
  /** Media type of the recording, such as `audio/wav`. Browsers need it to play one. */
  readonly contentType: string;
  /**
   * Entity tag of the plaintext, with its quotes: `"call-1"`. A recording never changes, so its id will do. Players use it to
   * resume (`If-Range`) and to revalidate (`If-None-Match`).
   */
  readonly etag?: string | undefined;
  /**
   * Default `no-store`: what is encrypted at rest should not end up in caches of browsers and proxies. `no-transform` is added
   * to any: who compresses an answer under way, as Express's `compression` does, falsifies its ranges and its ETag.
   */
  readonly cacheControl?: string | undefined;
  /** Further headers, such as `Content-Disposition` or `Access-Control-Allow-Origin`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Receives what kept the recording from being sent, of which the client learns nothing. A client that left is no error. */
  readonly onError?: ((error: unknown) => unknown) | undefined;
  /**
   * Closes the recording when the answer is done: sent, failed, refused, or left by its client. For a recording that was
   * opened for one request. Default `false`.
   */
  readonly closeWhenDone?: boolean | undefined;
  /** Called once when the answer is done, after `closeWhenDone` has closed the recording: to close its source, say. */
  readonly onDone?: (() => unknown) | undefined;
}

/** Checked options of an answer, copied. */
export interface AnswerOptions {
  readonly contentType: string;
  readonly etag: string | undefined;
  readonly cacheControl: string;
  /** The caller's further headers. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface AnswerHead {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** Bytes of plaintext in the body, if any. */
  readonly range: ByteRange | undefined;
}

/** Status and headers of the answer to a request for a recording of `size` bytes (RFC 9110, sections 13 and 14). */
export function answerHead(request: RangeRequest, size: number, options: AnswerOptions): AnswerHead {
  const { etag, contentType, cacheControl } = options;
  const common = { ...options.headers, "Cache-Control": cacheControl, "X-Content-Type-Options": "nosniff" };
  const without = (status: number, headers: Record<string, string> = {}): AnswerHead => ({
    status,
    headers: { ...common, "Content-Length": "0", ...headers },
    range: undefined,
  });
  const version: Record<string, string> = etag === undefined ? {} : { ETag: etag };

  const { method } = request;
  if (method !== "GET" && method !== "HEAD") return without(405, { Allow: "GET, HEAD" });
  const ifMatch = request.header("if-match");
  if (ifMatch !== undefined && ifMatch.trim() !== "*" && !(isStrong(etag) && entityTags(ifMatch).includes(etag)))
    return without(412, version);
  const ifNoneMatch = request.header("if-none-match");
  if (
    ifNoneMatch !== undefined &&
    (ifNoneMatch.trim() === "*" || (etag !== undefined && entityTags(ifNoneMatch).map(opaque).includes(opaque(etag))))
  ) {
    return { status: 304, headers: { ...common, ...version }, range: undefined };
  }

  // Only GET has ranges, and a failed If-Range asks for the whole.
  const ifRange = request.header("if-range")?.trim();
  const partial = method === "GET" && (ifRange === undefined || (isStrong(etag) && ifRange === etag));
  const decision = decideRange(partial ? request.header("range") : undefined, size);
  if (decision === "unsatisfiable")
    return without(416, { "Content-Range": `bytes */${size}`, "Accept-Ranges": "bytes", ...version });
  const range = decision === "whole" ? { start: 0, end: size } : decision;
  return {
    status: decision === "whole" ? 200 : 206,
    headers: {
      ...common,
      ...version,
      "Accept-Ranges": "bytes",
      "Content-Type": contentType,
      "Content-Length": String(range.end - range.start),
      ...(decision === "whole" ? {} : { "Content-Range": `bytes ${range.start}-${range.end - 1}/${size}` }),
    },
    range: method === "GET" && range.end > range.start ? range : undefined,
  };
}

/**
 * Head of the answer when nothing of the recording can be sent: by {@link httpStatusOf}. Input that was wrong here is the
 * service's, and not the client's.
 */
export function failureHead(error: unknown, { headers }: AnswerOptions): Omit<AnswerHead, "range"> {
  return {
    status: error instanceof InvalidInputError ? 500 : httpStatusOf(error),
    headers: {
      ...headers,
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
      "Content-Length": "0",
    },
  };
}

const ownHeaders = [
  "accept-ranges",
  "cache-control",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "etag",
  "transfer-encoding",
  "x-content-type-options",
];

const optionNames = {
  contentType: true,
  etag: true,
  cacheControl: true,
  headers: true,
  closeWhenDone: true,
  onDone: true,
  onError: true,
} as const;

/** Checks and copies what decides over the head of an answer, and checks the rest. @throws InvalidInputError */
export function checkAnswerOptions(options: RecordingAnswerOptions): AnswerOptions {
  const own = knownOptions(options, optionNames);
  const { contentType, etag, cacheControl = "no-store", headers, closeWhenDone, onDone, onError } = own;
  if (!isHeaderValue(contentType) || !/^[^\s/;]+\/[^\s;]/.test(contentType))
    throw new InvalidInputError("contentType", "must be a media type, such as audio/wav", contentType);
  if (etag !== undefined && !(isHeaderValue(etag) && /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/.test(etag)))
    throw new InvalidInputError("etag", 'must be an entity tag in its quotes, such as "call-1"', etag);
  if (!isHeaderValue(cacheControl)) throw new InvalidInputError("cacheControl", "must be a header value", cacheControl);
  if (closeWhenDone !== undefined && typeof closeWhenDone !== "boolean")
    throw new InvalidInputError("closeWhenDone", "must be a boolean", closeWhenDone);
  for (const [field, value] of Object.entries({ onDone, onError })) {
    if (value !== undefined && typeof value !== "function")
      throw new InvalidInputError(field, "must be a function", value);
  }
  return { contentType, etag, cacheControl: untransformed(cacheControl), headers: checkedHeaders(headers) };
}

function untransformed(cacheControl: string): string {
  return /(?:^|,)\s*no-transform\s*(?:,|$)/i.test(cacheControl) ? cacheControl : `${cacheControl}, no-transform`;
}

/** A copy: a value that was checked is the one that is sent. */
function checkedHeaders(given: RecordingAnswerOptions["headers"]): Record<string, string> {
  const headers = readable("headers", () => {
    if (given !== undefined && (typeof given !== "object" || given === null || Symbol.iterator in given))
      throw new InvalidInputError("headers", "must be an object of names and values", given);
    return Object.entries(given ?? {});
  });
  for (const [name, value] of headers) {
    if (ownHeaders.includes(name.toLowerCase()))
      throw new InvalidInputError("headers", "must not hold what the answer sets itself", name);
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || !isHeaderValue(value))
      throw new InvalidInputError(
        "headers",
        `must have valid names and values; that of ${JSON.stringify(name)} is not`,
      );
  }
  return Object.fromEntries(headers);
}

function isHeaderValue(value: unknown): value is string {
  return typeof value === "string" && /^[\x20-\x7e\x80-\xff\t]+$/.test(value);
}

const entityTags = (list: string): string[] => list.match(/(?:W\/)?"[^"]*"/g) ?? [];
const opaque = (etag: string): string => etag.replace(/^W\//, "");
const isStrong = (etag: string | undefined): etag is string => etag?.startsWith('"') === true;
