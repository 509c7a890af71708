import { InvalidInputError } from "../errors.js";
import type { RandomAccessSource } from "../recording/random-access-source.js";
import { withRetries, type Patience } from "./attempts.js";
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
  return {
    size: version.size,
    read: async (offset, length, readSignal) => {
      checkReadRange(offset, length, version.size);
      readSignal?.throwIfAborted();
      if (length === 0) return Buffer.alloc(0);
      if (offset + length <= beginning.length) return Buffer.from(beginning.subarray(offset, offset + length));
      const attempt = (attemptSignal: AbortSignal) => fetchPart({ offset, length }, version, attemptSignal);
      return (await withRetries(attempt, patience, readSignal)).bytes;
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

/**
 * The version that a part belongs to. A part may be shorter than the range asked for only at the end of the object.
 * @param who - name of the server in messages
 * @param known - version that the first answer named
 * @throws RecordingKeyStoreError `ERR_SOURCE_UNSUITABLE`, `ERR_SOURCE_CHANGED`
 */
export function checkPart(
  { contentRange, etag, lastModified }: PartHeaders,
  who: string,
  { offset, length }: Range,
  known: Version | undefined,
): Version {
  const range = parseContentRange(contentRange);
  if (!range)
    throw sourceError("ERR_SOURCE_UNSUITABLE", `${who} answered without a Content-Range of one range and a total size`);
  const version = { size: range.total, etag, lastModified };
  if (known && !isSame(known, version)) throw changed(who);
  if (range.first !== offset || range.last !== Math.min(offset + length, range.total) - 1) {
    throw sourceError(
      "ERR_SOURCE_UNSUITABLE",
      `${who} answered with bytes ${range.first}-${range.last} when asked for ${offset}-${offset + length - 1}`,
    );
  }
  return version;
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

function isSame(known: Version, now: Version): boolean {
  if (known.size !== now.size) return false;
  return known.etag === undefined ? known.lastModified === now.lastModified : known.etag === now.etag;
}
