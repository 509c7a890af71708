import { Retryable } from "./attempts.js";
import type { FetchedAnswer } from "./http-request.js";
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
  if (status === 416 && !known && parseUnsatisfiedRange(headers.get("content-range")) === 0) return emptyPart;
  if (status !== 206 && status !== 200) throw refusal(answer, origin, known);
  if (isEncoded(headers.get("content-encoding"))) {
    throw sourceError(
      "ERR_SOURCE_UNSUITABLE",
      `${origin} sends the recording with Content-Encoding: its ranges are not those of the recording`,
    );
  }
  const version = {
    etag: headers.get("etag") ?? undefined,
    lastModified: headers.get("last-modified") ?? undefined,
  };
  if (status === 206)
    return checkPart({ contentRange: headers.get("content-range"), ...version }, origin, range, known);
  return checkWhole({ contentLength: lengthOf(headers.get("content-length")), ...version }, origin, range, known);
}

/** `aws-chunked` only says how the object was once uploaded, and an empty header says nothing. */
const sentAsIs = ["", "identity", "aws-chunked"];

function isEncoded(contentEncoding: string | null): boolean {
  return (contentEncoding ?? "").split(",").some((coding) => !sentAsIs.includes(coding.trim().toLowerCase()));
}

function lengthOf(value: string | null): number | undefined {
  return value !== null && /^\d{1,15}$/.test(value.trim()) ? Number(value) : undefined;
}

function refusal({ status, headers }: FetchedAnswer, origin: string, known: Version | undefined): Error | Retryable {
  const said = `${origin} answered ${status}`;
  if (status === 412 || (status === 416 && known)) return changed(origin);
  if (status === 404 || status === 410) return sourceError("ERR_SOURCE_NOT_FOUND", said);
  if (status === 401 || status === 403 || status === 407) return sourceError("ERR_SOURCE_REFUSED", said);
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    return new Retryable(sourceError("ERR_SOURCE_UNAVAILABLE", said), retryAfter(headers.get("retry-after")));
  }
  return sourceError("ERR_SOURCE_UNSUITABLE", said);
}

/** Pause that `Retry-After` asks for, in ms. The header holds seconds or a date. */
function retryAfter(value: string | null): number {
  if (value === null) return 0;
  const milliseconds = /^\d{1,9}$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : 0;
}
