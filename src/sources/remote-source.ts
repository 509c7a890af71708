import type { RandomAccessSource } from "../recording/random-access-source.js";
import { attempted, type Patience } from "./attempts.js";
import type { Range, Version } from "./part.js";
import { checkReadRange } from "./read-range.js";

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
