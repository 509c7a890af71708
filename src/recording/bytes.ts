import { RecordingDecryptor, type OpenHeader } from "./decrypt.js";
import { RecordingEncryptor, type EncryptRequest } from "./encrypt.js";
import type { OpenedHeader } from "./header.js";
import { loopTurn } from "./loop-turn.js";
import { bytesReader } from "./opening.js";
import { decryptionLayout, encryptionLayout, rangesOf, sourceBytes, type SegmentLayout, type SegmentRange } from "./segment-layout.js";
import { floeHeaderLength, plaintextSizeOf } from "./sizes.js";
import { transformSegments } from "./transform-segments.js";

/** Source bytes of one step: what it makes is copied while it is still in the core's cache. */
const stepBytes = 262_144;

/** Encrypts a recording that lies in memory. */
export async function encryptBytes(input: Uint8Array, request: EncryptRequest & { signal?: AbortSignal }): Promise<Buffer> {
  const { segmentLength, signal } = request;
  const encryptor = new RecordingEncryptor(request);
  try {
    const preamble = encryptor.takePreamble();
    const layout = encryptionLayout(input.length, { preambleLength: preamble.length, segmentLength });
    return await filled(layout, input, preamble, (range, bytes) => transformSegments(encryptor.segments, layout, range, bytes), signal);
  } finally {
    encryptor.destroy();
  }
}

/** Decrypts a recording that lies in memory. Resolves with all of it, or rejects. */
export async function decryptBytes(input: Uint8Array, open: OpenHeader, signal: AbortSignal | undefined): Promise<{ header: OpenedHeader; body: Buffer }> {
  const decryptor = await RecordingDecryptor.open(bytesReader(input), { open, signal, salvage: false });
  try {
    const { header, keys } = decryptor;
    const preambleLength = decryptor.totals().encryptedSize;
    const { segmentLength } = header;
    plaintextSizeOf(input.length, { headerLength: preambleLength - floeHeaderLength, segmentLength }); // or it is cut short
    const layout = decryptionLayout(input.length, { preambleLength, segmentLength });
    const transform = (range: SegmentRange, bytes: Buffer) => {
      const { held } = keys;
      return held ? transformSegments(held.segments, layout, range, bytes) : keys.use((floe) => transformSegments(floe.segments, layout, range, bytes), signal);
    };
    return { header, body: await filled(layout, input, undefined, transform, signal) };
  } finally {
    decryptor.destroy();
  }
}

type Transform = (range: SegmentRange, bytes: Buffer) => readonly Buffer[] | Promise<readonly Buffer[]>;

/** One result, filled step by step: collecting first and joining later costs a second copy of everything. */
async function filled(layout: SegmentLayout, input: Uint8Array, preamble: Buffer | undefined, transform: Transform, signal: AbortSignal | undefined): Promise<Buffer> {
  const source = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  const result = Buffer.allocUnsafeSlow(layout.target.end);
  let end = preamble?.copy(result) ?? 0;
  try {
    for (const range of rangesOf(layout, stepBytes)) {
      const turn = loopTurn();
      if (turn) await turn;
      signal?.throwIfAborted();
      const { offset, length } = sourceBytes(layout, range);
      const made = transform(range, source.subarray(offset, offset + length));
      for (const piece of made instanceof Promise ? await made : made) {
        result.set(piece, end);
        end += piece.length;
      }
    }
  } catch (error) {
    result.fill(0);
    throw error;
  }
  return result;
}
