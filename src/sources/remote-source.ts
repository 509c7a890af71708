import { InvalidInputError } from "../errors.js";
import type { RandomAccessSource } from "../recording/random-access-source.js";
import { attempted, type Patience } from "./attempts.js";
import { sourceError } from "./source-errors.js";
/** One request for a part. Throws `Again` for what may be repeated. */
export type FetchPart = (
  range: Range,
  known: Version | undefined,
  signal: AbortSignal,
) => Promise<{ version: Version; bytes: Buffer }>;

/** Fetched when it is opened, bytes: the reader of a recording begins with these, so opening costs no request more. */
const probeLength = 4_096;

/** A source of which each read is one request, all of one version: that which the first request met. */
export async function openRemote(
  fetchPart: FetchPart,
  patience: Patience,
  signal: AbortSignal | undefined,
): Promise<RandomAccessSource> {
  const { version, bytes: beginning } = await attempted(
    (ending) => fetchPart({ offset: 0, length: probeLength }, undefined, ending),
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
      return (await attempted((ending) => fetchPart({ offset, length }, version, ending), patience, readSignal)).bytes;
    },
  };
}

/** @throws InvalidInputError for what does not lie inside the source */
export function checkReadRange(offset: number, length: number, size: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > size)
    throw new InvalidInputError("offset", `must be a whole number from 0 to ${size}`, offset);
  if (!Number.isSafeInteger(length) || length < 0 || length > size - offset)
    throw new InvalidInputError("length", `must be a whole number from 0 to ${size - offset}`, length);
}

/** What `Content-Range` says; `undefined` for what is no single byte range of known total (RFC 9110, section 14.4). */
function parseContentRange(
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

export interface Range {
  readonly offset: number;
  /** At least 1. */
  readonly length: number;
}

/** Which version of an object a server speaks of. Only a strong `ETag` tells versions apart without fail. */
export interface Version {
  readonly size: number;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

/** What a server says about the part that it sends. */
export interface Part {
  readonly contentRange: string | null | undefined;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

/**
 * The object of which a part comes. The part may be shorter than was asked for only where the object ends.
 * @param who - names the server in messages
 * @param known - what the first answer said
 * @throws RecordingKeyStoreError `ERR_SOURCE_UNSUITABLE`, `ERR_SOURCE_CHANGED`
 */
export function checkPart(
  { contentRange, etag, lastModified }: Part,
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

export function changed(who: string): Error {
  return sourceError("ERR_SOURCE_CHANGED", `the recording at ${who} has changed since it was opened`);
}

function isSame(known: Version, now: Version): boolean {
  if (known.size !== now.size) return false;
  return known.etag === undefined ? known.lastModified === now.lastModified : known.etag === now.etag;
}
