import { randomBytes } from "node:crypto";
import { Readable, Writable } from "node:stream";
import { MiB } from "./measure.js";

/** The plaintext of every bench, again and again. */
export const chunk = randomBytes(MiB);

const highWaterMark = 4 * MiB;

/** So many bytes out of memory, a chunk at a time, each the same one: nothing is allocated. */
export function plaintextSource(bytes: number, chunkSize = MiB): Readable {
  let left = bytes;
  return new Readable({
    highWaterMark,
    read() {
      const next = left > 0 ? chunk.subarray(0, Math.min(left, chunkSize)) : null;
      left -= next?.length ?? 0;
      this.push(next);
    },
  });
}

/** Bytes in memory as a stream of chunks, none of them copied. */
export function bytesStream(bytes: Uint8Array, chunkSize = MiB): Readable {
  let offset = 0;
  return new Readable({
    highWaterMark,
    read() {
      const next = bytes.subarray(offset, offset + chunkSize);
      offset += next.length;
      this.push(next.length > 0 ? next : null);
    },
  });
}

/** Takes everything and keeps nothing. */
export function discard(): Writable {
  return new Writable({ highWaterMark, write: (_chunk, _encoding, callback) => callback() });
}

/** So many bytes of plaintext in one piece. */
export function plaintext(bytes: number): Buffer {
  const whole = Buffer.allocUnsafeSlow(bytes);
  for (let offset = 0; offset < bytes; offset += chunk.length)
    whole.set(chunk.subarray(0, Math.min(chunk.length, bytes - offset)), offset);
  return whole;
}

/** All of a stream in one piece. */
export async function collected(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces);
}
