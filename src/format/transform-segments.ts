import { wipe } from "../util/secrets.js";
import { followed, truncated } from "./damage.js";
import { type FloeSegments } from "./floe.js";
import { isInnerSegment, segmentLengthAt, segmentParts } from "./segment-parts.js";
import { segmentOverhead, type SegmentLayout, type SegmentRange } from "./segments.js";

/** Encrypts or decrypts the bytes of a range. Returns plaintext of verified segments only. */
export function transformSegments(
  floe: FloeSegments,
  layout: SegmentLayout,
  { first, count }: SegmentRange,
  bytes: Buffer,
): Buffer[] {
  const pieces: Buffer[] = [];
  for (let index = 0; index < count; index += 1) {
    const position = first + index;
    const last = position === layout.segments - 1;
    const segment = bytes.subarray(index * layout.source.segment, (index + 1) * layout.source.segment);
    if (layout.direction === "encrypt") pieces.push(...floe.encrypt([segment], position, last));
    else if (last) pieces.push(...openLast(floe, segment, position, layout.source.segment));
    else pieces.push(...floe.decrypt(segmentParts(segment), position, false));
  }
  return pieces;
}

/**
 * Decrypts what lies at the place of the last segment, which must be that, whole, with nothing after it.
 * @param segmentLength - length of every segment but the last
 * @throws RecordingKeyStoreError `ERR_RECORDING_TRUNCATED`, `ERR_RECORDING_TAMPERED`
 */
export function openLast(floe: FloeSegments, segment: Buffer, position: number, segmentLength: number): Buffer[] {
  const lengthField = segment.length < segmentOverhead ? undefined : segment.readUInt32BE(0);
  const length = segmentLengthAt({ lengthField, available: segment.length, segmentLength, position });
  if (isInnerSegment(lengthField)) {
    wipe(...floe.decrypt(segmentParts(segment), position, false)); // or it was changed
    throw truncated();
  }
  if (length < segment.length) throw followed();
  return floe.decrypt(segmentParts(segment), position, true);
}
