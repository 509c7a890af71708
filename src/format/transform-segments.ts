import { truncated, tampered } from "./damage.js";
import { isInnerSegment, segmentParts, type FloeSegments } from "./floe.js";
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
    else {
      if (last) checkLast(segment);
      pieces.push(...floe.decrypt(segmentParts(segment), position, last));
    }
  }
  return pieces;
}

/** The end must be the last segment, whole, with nothing after it. */
function checkLast(segment: Buffer): void {
  if (segment.length < segmentOverhead) throw truncated();
  const lengthField = segment.readUInt32BE(0);
  if (isInnerSegment(lengthField) || lengthField > segment.length) throw truncated();
  if (lengthField < segment.length) throw tampered("bytes follow the recording's last segment");
}
