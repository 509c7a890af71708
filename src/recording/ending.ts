import { followed, isDamage, isTruncated } from "../format/damage.js";
import { type FloeSegments } from "../format/floe.js";
import { segmentParts } from "../format/segment-parts.js";
import { checkWholeEnd, sourceBytes, type SegmentLayout } from "../format/segments.js";
import { wipe } from "../util/secrets.js";
import type { SegmentAccess } from "./segment-keys.js";

/** Gives encrypted bytes of a recording. */
type Read = (offset: number, length: number) => Buffer | Promise<Buffer>;

/** @throws RecordingKeyStoreError where what lies at the end is too short for a segment, as {@link failureAtEnd} */
export async function checkEnd(layout: SegmentLayout, keys: SegmentAccess, read: Read): Promise<void> {
  try {
    checkWholeEnd(layout);
  } catch (error) {
    throw await failureAtEnd(error, layout, keys, read);
  }
}

/**
 * The failure of a recording that does not end where its size says, as a stream would have it: one whose segments all go on
 * was cut, and otherwise something follows the last. Looks for that one by halves: nobody can make more that go on.
 */
export async function failureAtEnd(
  error: unknown,
  layout: SegmentLayout,
  keys: SegmentAccess,
  read: Read,
): Promise<unknown> {
  if (!isTruncated(error)) return error;
  const end = layout.segments - 1;
  let [low, high] = [0, end];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const { offset, length } = sourceBytes(layout, { first: middle, count: 1 });
    const segment = await read(offset, length);
    if (await keys.use((floe) => goesOn(floe, segment, middle))) low = middle + 1;
    else high = middle;
  }
  return low < end ? followed() : error;
}

/** Whether a segment is genuine, and not the last one. */
function goesOn(floe: FloeSegments, segment: Buffer, position: number): boolean {
  try {
    wipe(...floe.decrypt(segmentParts(segment), position, false));
    return true;
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}
