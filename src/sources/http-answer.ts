import type { ByteStream } from "../recording/stream-source.js";
import { Retryable } from "./attempts.js";
import { discardBody } from "./body.js";
import type { FetchLike } from "./http-request.js";
import {
  changed,
  checkPart,
  checkWhole,
  emptyPart,
  parseUnsatisfiedRange,
  type AnnouncedPart,
  type Range,
  type Version,
} from "./remote-source.js";
import { sourceError } from "./source-errors.js";

const headersRead = [
  "content-encoding",
  "content-length",
  "content-range",
  "etag",
  "last-modified",
  "location",
  "retry-after",
] as const;

/** What a source reads of an answer: a copy, which says the same however often it is looked at. */
export interface FetchedAnswer {
  readonly status: number;
  readonly headers: { readonly [K in (typeof headersRead)[number]]: string | undefined };
  readonly body: ByteStream | null;
}

/**
 * Takes what an injected `fetch` answered: reads each member once. An answer that is malformed loses its body, whose
 * connection is free again.
 * @throws TypeError; what the answer's members throw
 */
export function takeAnswer(answer: Awaited<ReturnType<FetchLike>>): FetchedAnswer {
  const { body } = answer;
  try {
    const { status, headers } = answer;
    if (!Number.isInteger(status)) throw new TypeError("the answer's status is no whole number");
    const read = headersRead.map((name) => [name, headerOf(headers.get(name))] as const);
    return { status, headers: Object.fromEntries(read) as FetchedAnswer["headers"], body };
  } catch (error) {
    discardBody(body);
    throw error;
  }
}

function headerOf(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value !== "string") throw new TypeError("a header of the answer is no string");
  return value;
}

/**
 * Headers that make the server refuse (412) once it has another version. `If-Match` needs a strong ETag (RFC 9110, section
 * 13.1.1).
 */
export function versionCondition({ etag, lastModified }: Version): Record<string, string> {
  if (etag !== undefined && isStrong(etag)) return { "if-match": etag };
  return lastModified === undefined ? {} : { "if-unmodified-since": lastModified };
}

const isStrong = (etag: string) => /^"[^"]*"$/.test(etag);

/**
 * The part of a resource that an answer to a range request announces.
 * @param known - version that the first answer named
 * @throws RecordingKeyStoreError; {@link Retryable} if another attempt may help
 */
export function checkAnswer(
  answer: FetchedAnswer,
  origin: string,
  range: Range,
  known: Version | undefined,
): AnnouncedPart {
  const { status, headers } = answer;
  if (status === 416 && !known && parseUnsatisfiedRange(headers["content-range"]) === 0) return emptyPart;
  if (status !== 206 && status !== 200) throw refusal(answer, origin, known);
  if (isEncoded(headers["content-encoding"])) {
    throw sourceError(
      "ERR_SOURCE_UNSUITABLE",
      `${origin} sends the recording with Content-Encoding: its ranges are not those of the recording`,
    );
  }
  const version = { etag: headers.etag, lastModified: headers["last-modified"] };
  if (status === 206) return checkPart({ contentRange: headers["content-range"], ...version }, origin, range, known);
  return checkWhole({ contentLength: lengthOf(headers["content-length"]), ...version }, origin, range, known);
}

/** `aws-chunked` only says how the object was once uploaded, and an empty header says nothing. */
const sentAsIs = ["", "identity", "aws-chunked"];

function isEncoded(contentEncoding: string | undefined): boolean {
  return (contentEncoding ?? "").split(",").some((coding) => !sentAsIs.includes(coding.trim().toLowerCase()));
}

function lengthOf(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,15}$/.test(value.trim()) ? Number(value) : undefined;
}

function refusal({ status, headers }: FetchedAnswer, origin: string, known: Version | undefined): Error | Retryable {
  const said = `${origin} answered ${status}`;
  if (status === 412 || (status === 416 && known)) return changed(origin);
  if (status === 404 || status === 410) return sourceError("ERR_SOURCE_NOT_FOUND", said);
  if (status === 401 || status === 403 || status === 407) return sourceError("ERR_SOURCE_REFUSED", said);
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    return new Retryable(sourceError("ERR_SOURCE_UNAVAILABLE", said), retryAfter(headers["retry-after"]));
  }
  return sourceError("ERR_SOURCE_UNSUITABLE", said);
}

/** Pause that `Retry-After` asks for, in ms. The header holds seconds or a date. */
function retryAfter(value: string | undefined): number {
  if (value === undefined) return 0;
  const milliseconds = /^\d{1,9}$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : 0;
}
