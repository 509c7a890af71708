import { describe, expect, it } from "vitest";
import { encryptBody } from "../../src/recording/bodies.js";
import { fillByThreads } from "../../src/recording/threads/fill-bytes.js";
import { dataKey, header, segmentLength } from "./support.js";

/** In the library's own `lib`, buffers can't be resized yet. */
interface Resizable extends ArrayBuffer {
  resize(length: number): void;
}
const ResizableBuffer = ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => Resizable;

describe("bytes whose memory shrinks under way", () => {
  it.each([1, 2])("are refused, and nothing of the memory behind them gets out: %i threads", async (threads) => {
    const size = 4_194_304;
    const memory = new ResizableBuffer(size, { maxByteLength: size });
    const fill = fillByThreads(size, threads);
    const encrypting = encryptBody(new Uint8Array(memory), {
      header: header(),
      dataKey: Buffer.from(dataKey),
      segmentLength,
      ...(fill ? { fill } : {}),
    });
    memory.resize(1_000);
    await expect(encrypting).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: "recording" });
  });
});
