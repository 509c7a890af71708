import { followed, isDamage, isTruncated, truncated } from "../format/damage.js";
import { isInnerSegment, segmentLengthAt, segmentParts } from "../format/segment-parts.js";
import { checkWholeEnd, type SegmentLayout } from "../format/segments.js";
import { wipe } from "../util/secrets.js";
import type { SegmentAccess } from "./segment-keys.js";

/** An encrypted recording of known size, any place of which can be read. */
export interface RecordingAtHand {
  readonly layout: SegmentLayout;
  /** What the header announces behind the last segment, in bytes. */
  readonly trailerLength?: number | undefined;
  readonly keys: SegmentAccess;
  readonly read: (offset: number, length: number) => Buffer | Promise<Buffer>;
}

/**
 * Checks of a recording's end what its segments' own checks, each alone, would name otherwise than a stream does.
 * @throws RecordingKeyStoreError `ERR_RECORDING_TRUNCATED`, `ERR_RECORDING_TAMPERED`
 */
export async function checkEnd(recording: RecordingAtHand): Promise<void> {
  try {
    checkWholeEnd(recording.layout);
  } catch (error) {
    throw await failureAtEnd(error, recording);
  }
  const failure = recording.trailerLength ? await failureOfStream(recording) : undefined;
  if (failure) throw failure;
}

/** The failure of a recording that does not end where its size says, as a stream would have it. */
export async function failureAtEnd(error: unknown, recording: RecordingAtHand): Promise<unknown> {
  return isTruncated(error) ? ((await failureOfStream(recording)) ?? error) : error;
}

/**
 * What a stream would find, which does not know the size: it takes for a segment whatever lies at the place of one, also of the
 * trailer. Looks by halves for the first that does not go on: nobody can make more that do.
 */
async function failureOfStream(recording: RecordingAtHand): Promise<unknown> {
  const { layout, trailerLength = 0, keys, read } = recording;
  const { start, segment: segmentLength } = layout.source;
  const size = layout.source.end + trailerLength;
  const opens = (segment: Buffer, position: number, last: boolean) =>
    keys.use((floe) => wipe(...floe.decrypt(segmentParts(segment), position, last)));
  let [low, high] = [0, Math.max(0, Math.ceil((size - start) / segmentLength) - 1)];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const segment = await read(start + middle * segmentLength, segmentLength);
    if (await damageOf(() => opens(segment, middle, false))) high = middle;
    else low = middle + 1;
  }
  const offset = start + low * segmentLength;
  const available = Math.min(Math.max(0, size - offset), segmentLength);
  const bytes = await read(offset, available);
  return damageOf(async () => {
    const lengthField = available < 4 ? undefined : bytes.readUInt32BE(0);
    const length = segmentLengthAt({ lengthField, available, segmentLength, position: low });
    const last = !isInnerSegment(lengthField);
    await opens(bytes.subarray(0, length), low, last);
    const behind = size - offset - length - trailerLength;
    if (!last || behind < 0) throw truncated();
    if (behind > 0) throw followed();
  });
}

async function damageOf(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (isDamage(error)) return error;
    throw error;
  }
}
