import { parseContentRange } from "./read-range.js";
import { sourceError } from "./source-errors.js";

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
