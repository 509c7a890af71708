import { InvalidInputError } from "../errors.js";
import type { FloeSegments } from "../format/floe.js";
import type { OpenedHeader } from "../format/header.js";
import {
  decryptionLayout,
  encryptionLayout,
  rangesOf,
  sourceBytes,
  targetOffset,
  type SegmentLayout,
  type SegmentRange,
} from "../format/segments.js";
import { transformSegments } from "../format/transform-segments.js";
import { turnOf } from "../util/event-loop.js";
import { freeBuffers } from "../util/free-buffers.js";
import { bytesReader } from "./byte-reader.js";
import { RecordingDecryptor, type OpenHeader } from "./decryptor.js";
import { RecordingEncryptor, type EncryptRequest } from "./encryptor.js";
import { checkEnd } from "./ending.js";
import type { SegmentAccess } from "./segment-keys.js";

/** Source bytes of one step, few enough that its output is still in the cache when it is copied. */
export const stepBytes = 262_144;

/** One encryption or decryption in memory. */
export interface BytesJob {
  readonly layout: SegmentLayout;
  readonly keys: SegmentAccess;
  readonly source: Buffer;
  /** As long as the layout's target; filled behind the preamble. */
  readonly target: Buffer;
  readonly signal: AbortSignal | undefined;
}

/** Fills the target of a job. Nobody writes there any more once it settles. */
export type FillBytes = (job: BytesJob) => Promise<void>;

/** Encrypts a recording that lies in memory. */
export async function encryptBytes(
  input: Uint8Array,
  request: EncryptRequest & { signal?: AbortSignal; fill?: FillBytes },
): Promise<Buffer<ArrayBuffer>> {
  const { segmentLength, signal, fill } = request;
  const encryptor = new RecordingEncryptor(request);
  try {
    const preamble = encryptor.takePreamble();
    const layout = encryptionLayout(input.length, { preambleLength: preamble.length, segmentLength });
    return await filled(input, preamble, { layout, keys: encryptor.segmentKeys, signal }, fill);
  } finally {
    encryptor.destroy();
  }
}

interface DecryptBytesRequest {
  readonly open: OpenHeader;
  readonly signal?: AbortSignal | undefined;
  readonly fill?: FillBytes | undefined;
}

/** Decrypts a recording that lies in memory. Resolves with all of it, or rejects. */
export function decryptBytes(
  input: Uint8Array,
  request: DecryptBytesRequest,
): Promise<{ header: OpenedHeader; body: Buffer<ArrayBuffer> }> {
  return keepingLength(input, () => decryptWhole(input, request));
}

async function decryptWhole(
  input: Uint8Array,
  { open, signal, fill }: DecryptBytesRequest,
): Promise<{ header: OpenedHeader; body: Buffer<ArrayBuffer> }> {
  const decryptor = await RecordingDecryptor.open(bytesReader(input), { open, signal, salvage: false });
  try {
    const { header } = decryptor;
    const { preambleLength } = decryptor;
    const layout = decryptionLayout(input.length, { ...header, preambleLength });
    const keys = decryptor.segmentKeys;
    const read = (offset: number, length: number) => Buffer.from(input.subarray(offset, offset + length));
    await checkEnd({ layout, trailerLength: header.trailerLength, keys, read });
    return { header, body: await filled(input, undefined, { layout, keys, signal }, fill) };
  } finally {
    decryptor.destroy();
  }
}

/** Fills one result range by range: collecting and joining would cost a second copy of everything. */
async function filled(
  input: Uint8Array,
  preamble: Buffer | undefined,
  work: Pick<BytesJob, "layout" | "keys" | "signal">,
  fill: FillBytes = fillInTurns,
): Promise<Buffer<ArrayBuffer>> {
  const source = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  const target = Buffer.allocUnsafeSlow(work.layout.target.end);
  preamble?.copy(target);
  try {
    await fill({ ...work, source, target });
  } catch (error) {
    target.fill(0);
    throw error;
  }
  return target;
}

/** The calling thread alone, yielding to the event loop in between. */
const fillInTurns: FillBytes = async (job) => {
  for (const range of rangesOf(job.layout, stepBytes)) {
    await turnOf(job.signal);
    const { held } = job.keys;
    if (held) fillRange(job, range, held);
    else await job.keys.use((floe) => fillRange(job, range, floe));
  }
};

/** A range's source. @throws InvalidInputError where its memory has shrunk, as a resizable buffer's can */
export function sourceOf({ layout, source }: Pick<BytesJob, "layout" | "source">, range: SegmentRange): Buffer {
  const { offset, length } = sourceBytes(layout, range);
  const bytes = source.subarray(offset, offset + length);
  if (bytes.length === length) return bytes;
  throw shrunk();
}

/**
 * Works on bytes. Where their memory shrinks meanwhile, as a resizable buffer's can, whatever came of it is no word about the
 * recording: neither damage nor a part of it.
 * @throws InvalidInputError then; what `work` throws
 */
export async function keepingLength<T>(input: Uint8Array, work: () => Promise<T>): Promise<T> {
  const { length } = input;
  let result: T;
  try {
    result = await work();
  } catch (error) {
    throw input.length === length ? error : shrunk();
  }
  if (input.length !== length) throw shrunk();
  return result;
}

function shrunk(): InvalidInputError {
  return new InvalidInputError("recording", "must keep its length while it is worked on");
}

/** Transforms a range, and copies the output to its place while it is still in the cache. */
export function fillRange({ layout, source, target }: BytesJob, range: SegmentRange, floe: FloeSegments): void {
  let end = targetOffset(layout, range.first);
  const pieces = transformSegments(floe, layout, range, sourceOf({ layout, source }, range));
  for (const piece of pieces) {
    target.set(piece, end);
    end += piece.length;
  }
  freeBuffers(pieces);
}
