import { Retryable } from "./attempts.js";
import type { FetchedAnswer } from "./http-request.js";
import { parseUnsatisfiedRange, changed, checkPart, type Range, type Version } from "./remote-source.js";
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
 * The version of the resource that an answer to a range request belongs to.
 * @param known - version that the first answer named
 * @throws RecordingKeyStoreError; {@link Retryable} if another attempt may help
 */
export function checkAnswer(answer: FetchedAnswer, origin: string, range: Range, known: Version | undefined): Version {
  const { status, headers } = answer;
  if (status === 416 && !known && parseUnsatisfiedRange(headers.get("content-range")) === 0) return { size: 0 };
  if (status !== 206) throw refusal(answer, origin, known);
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding.trim().toLowerCase() !== "identity") {
    throw sourceError(
      "ERR_SOURCE_UNSUITABLE",
      `${origin} sends the recording with Content-Encoding: its ranges are not those of the recording`,
    );
  }
  const part = {
    contentRange: headers.get("content-range"),
    etag: headers.get("etag") ?? undefined,
    lastModified: headers.get("last-modified") ?? undefined,
  };
  return checkPart(part, origin, range, known);
}

function refusal({ status, headers }: FetchedAnswer, origin: string, known: Version | undefined): Error | Retryable {
  const said = `${origin} answered ${status}`;
  if (status === 200) {
    const etag = headers.get("etag");
    if (known?.etag !== undefined && etag !== null && etag !== known.etag) return changed(origin);
    return sourceError("ERR_SOURCE_UNSUITABLE", `${origin} ignores Range and would send the whole recording`);
  }
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
