import { InvalidInputError } from "../errors.js";
import type { RandomAccessSource } from "../recording/random-access-source.js";
import type { RecordingStream } from "../recording/stream-source.js";
import { withRetries, type Patience } from "./attempts.js";
import { BodyTooLongError, readBody, type BodyLength } from "./body.js";
import { sourceError } from "./source-errors.js";

export interface Range {
  readonly offset: number;
  /** At least 1. */
  readonly length: number;
}

/** The version of an object that a server serves. Only a strong `ETag` tells versions apart without fail. */
export interface Version {
  readonly size: number;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

export interface FetchedPart {
  readonly version: Version;
  /** The beginning of the range: at least a byte, unless there is none at all. */
  readonly bytes: Buffer;
}

/** Requests a part once. Throws `Retryable` for failures that another attempt may repair. */
export type FetchPart = (range: Range, known: Version | undefined, signal: AbortSignal) => Promise<FetchedPart>;

/** Bytes fetched when a source is opened. A reader begins with these, so opening a recording costs no extra request. */
const probeLength = 4_096;

/** Opens a source of which each read is one request. All reads are of the version that the first request found. */
export async function openRemote(
  fetchPart: FetchPart,
  patience: Patience,
  signal: AbortSignal | undefined,
): Promise<RandomAccessSource> {
  const { version, bytes: beginning } = await withRetries(
    (attemptSignal) => fetchPart({ offset: 0, length: probeLength }, undefined, attemptSignal),
    patience,
    signal,
  );
  /** Asks for the rest of what a server gave in part, all within one deadline. */
  const fetchAll = async (offset: number, length: number, readSignal: AbortSignal | undefined): Promise<Buffer> => {
    const end = performance.now() + patience.deadline;
    const parts: Buffer[] = [];
    for (let filled = 0; filled < length;) {
      const range = { offset: offset + filled, length: length - filled };
      const attempt = (attemptSignal: AbortSignal) => fetchPart(range, version, attemptSignal);
      const left = { ...patience, deadline: Math.max(1, end - performance.now()) };
      const { bytes } = await withRetries(attempt, left, readSignal);
      parts.push(bytes);
      filled += bytes.length;
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  };
  return {
    size: version.size,
    read: async (offset, length, readSignal) => {
      checkReadRange(offset, length, version.size);
      readSignal?.throwIfAborted();
      if (length === 0) return Buffer.alloc(0);
      if (offset + length <= beginning.length) return Buffer.from(beginning.subarray(offset, offset + length));
      return fetchAll(offset, length, readSignal);
    },
  };
}

/** @throws InvalidInputError for a range that does not lie inside the source */
export function checkReadRange(offset: number, length: number, size: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > size)
    throw new InvalidInputError("offset", `must be a whole number from 0 to ${size}`, offset);
  if (!Number.isSafeInteger(length) || length < 0 || length > size - offset)
    throw new InvalidInputError("length", `must be a whole number from 0 to ${size - offset}`, length);
}

/** What a server says about the part that it sends. */
export interface PartHeaders {
  readonly contentRange: string | null | undefined;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

/** What is known of a part before its body has been read. */
export interface AnnouncedPart {
  readonly length: BodyLength;
  /** The version that it belongs to. @throws RecordingKeyStoreError `ERR_SOURCE_CHANGED` */
  readonly versionOf: (body: Buffer) => Version;
}

/** What is announced of an empty object, which has no byte 0. */
export const emptyPart: AnnouncedPart = { length: { most: 0, exactly: true }, versionOf: () => ({ size: 0 }) };

/**
 * A part that a server announces. It may be shorter than the range asked for.
 * @param who - name of the server in messages
 * @param known - version that the first answer named
 * @throws RecordingKeyStoreError `ERR_SOURCE_UNSUITABLE`, `ERR_SOURCE_CHANGED`
 */
export function checkPart(
  { contentRange, etag, lastModified }: PartHeaders,
  who: string,
  { offset, length }: Range,
  known: Version | undefined,
): AnnouncedPart {
  const range = parseContentRange(contentRange);
  if (!range)
    throw sourceError("ERR_SOURCE_UNSUITABLE", `${who} answered without a Content-Range of one range and a total size`);
  const version = sameVersion({ size: range.total, etag, lastModified }, who, known);
  if (range.first !== offset || range.last >= offset + length) {
    throw sourceError(
      "ERR_SOURCE_UNSUITABLE",
      `${who} answered with bytes ${range.first}-${range.last} when asked for ${offset}-${offset + length - 1}`,
    );
  }
  return { length: { most: range.last - range.first + 1, exactly: true }, versionOf: () => version };
}

/** What a server says that sends the whole object for a range. */
export interface WholeHeaders extends Omit<PartHeaders, "contentRange"> {
  /** In bytes, where the server tells it. */
  readonly contentLength: number | undefined;
}

/**
 * A whole object, as some servers send it where the range asked for covers all of it.
 * @throws RecordingKeyStoreError `ERR_SOURCE_UNSUITABLE` where the range does not, `ERR_SOURCE_CHANGED`
 */
export function checkWhole(
  { contentLength, etag, lastModified }: WholeHeaders,
  who: string,
  { offset, length }: Range,
  known: Version | undefined,
): AnnouncedPart {
  if (known?.etag !== undefined && etag !== undefined && etag !== known.etag) throw changed(who);
  if (offset > 0 || (contentLength !== undefined && contentLength > length)) throw ignoresRange(who);
  return {
    length: { most: contentLength ?? length, exactly: contentLength !== undefined },
    versionOf: (body) => sameVersion({ size: body.length, etag, lastModified }, who, known),
  };
}

/**
 * Reads a part that was announced.
 * @param failed - error for a body that breaks off
 * @throws RecordingKeyStoreError `ERR_SOURCE_UNSUITABLE`, `ERR_SOURCE_CHANGED`; what `failed` makes
 */
export async function readPart(
  { length, versionOf }: AnnouncedPart,
  body: RecordingStream | null | undefined,
  { who, signal, failed }: { who: string; signal: AbortSignal; failed: (error: unknown) => unknown },
): Promise<FetchedPart> {
  let bytes: Buffer;
  try {
    bytes = await readBody(body, length, signal);
  } catch (error) {
    throw error instanceof BodyTooLongError && !length.exactly ? ignoresRange(who) : failed(error);
  }
  return { version: versionOf(bytes), bytes };
}

function ignoresRange(who: string): Error {
  return sourceError("ERR_SOURCE_UNSUITABLE", `${who} ignores Range and would send the whole recording`);
}

interface ContentRange {
  readonly first: number;
  readonly last: number;
  readonly total: number;
}

/** Parses `Content-Range`. Returns `undefined` unless it is one byte range of known total (RFC 9110, section 14.4). */
function parseContentRange(value: string | null | undefined): ContentRange | undefined {
  const [, first, last, total] = (
    /^bytes[ \t]+(\d{1,15})-(\d{1,15})\/(\d{1,15})$/i.exec(value?.trim() ?? "") ?? []
  ).map(Number);
  if (first === undefined || last === undefined || total === undefined || first > last || last >= total)
    return undefined;
  return { first, last, total };
}

/** Total size in the `Content-Range` of an answer 416: `bytes * /total`. */
export function parseUnsatisfiedRange(value: string | null | undefined): number | undefined {
  const total = /^bytes[ \t]+\*\/(\d{1,15})$/i.exec(value?.trim() ?? "")?.[1];
  return total === undefined ? undefined : Number(total);
}

export function changed(who: string): Error {
  return sourceError("ERR_SOURCE_CHANGED", `the recording at ${who} has changed since it was opened`);
}

function sameVersion(version: Version, who: string, known: Version | undefined): Version {
  if (known && !isSame(known, version)) throw changed(who);
  return version;
}

function isSame(known: Version, now: Version): boolean {
  if (known.size !== now.size) return false;
  return known.etag === undefined ? known.lastModified === now.lastModified : known.etag === now.etag;
}
