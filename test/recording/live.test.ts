import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { describe, expect, it } from "vitest";
import { encryptBody, type RecordingInput } from "../../src/recording/bodies.js";
import { atRest, capacity, dataKey, header, segmentLength } from "./support.js";

interface Live {
  readonly source: RecordingInput;
  push(chunk: Uint8Array): void;
}

const shapes: Record<string, () => Live> = {
  Readable: () => {
    const source = new Readable({ read: () => undefined });
    return { source, push: (chunk) => void source.push(chunk) };
  },
  ReadableStream: () => {
    let push: Live["push"] = () => undefined;
    const source = new ReadableStream<Uint8Array>({
      start: (controller) => void (push = (chunk) => controller.enqueue(chunk)),
    });
    return { source, push: (chunk) => push(chunk) };
  },
  "async iterable": () => {
    let wake: Live["push"] = () => undefined;
    async function* live() {
      for (;;) yield await new Promise<Uint8Array>((resolve) => (wake = resolve));
    }
    return { source: live(), push: (chunk) => wake(chunk) };
  },
};

/** Bytes of an encrypted live recording that have come out after each of these chunks, without waiting for another. */
async function comeOut(shape: string, chunks: readonly number[]): Promise<number[]> {
  const { source, push } = shapes[shape]!();
  const { body } = await encryptBody(source, { header: header(), dataKey: Buffer.from(dataKey), segmentLength });
  let size = 0;
  void (async () => {
    for await (const piece of body as AsyncIterable<Uint8Array>) size += piece.length;
  })();
  const sizes: number[] = [];
  for (const length of chunks) {
    await atRest();
    push(randomBytes(length));
    await atRest();
    sizes.push(size);
  }
  return sizes;
}

describe.each(Object.keys(shapes))("a live recording (%s)", (shape) => {
  const start = header().length + 74;

  it("begins with the first byte", async () => expect(await comeOut(shape, [1])).toEqual([start]));

  // FLOE must know whether a segment is the last before it starts it.
  it("lets a full segment go with the next byte, and not later", async () => {
    expect(await comeOut(shape, [capacity - 1, 1, 1, capacity - 1, 1])).toEqual([
      start,
      start,
      start + segmentLength,
      start + segmentLength,
      start + 2 * segmentLength,
    ]);
  });

  it("lets all segments of a long chunk go at once but the last", async () => {
    expect(await comeOut(shape, [10, 5 * capacity])).toEqual([start, start + 5 * segmentLength]);
  });

  it("lets the segments of many small chunks go as they are full", async () => {
    const out = await comeOut(
      shape,
      Array.from({ length: 100 }, () => 100),
    );
    expect(out).toEqual(
      Array.from({ length: 100 }, (_, index) => start + Math.floor(((index + 1) * 100 - 1) / capacity) * segmentLength),
    );
  });
});
