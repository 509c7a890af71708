import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { decryptBody, encryptBody } from "../../src/recording/bodies.js";
import { salvageBody } from "../../src/recording/salvage.js";
import { fillByThreads } from "../../src/recording/threads/fill-bytes.js";
import { dataKey, encrypt, header, lease, segmentLength } from "./support.js";

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

  it.each([
    ["decrypting", decryptBody],
    ["salvaging", salvageBody],
  ])("are no damage of the recording: %s", async (_, decrypt) => {
    const recording = await encrypt(randomBytes(4_194_304));
    for (const left of [0, 1_000, 1_000_000]) {
      const memory = new ResizableBuffer(recording.length, { maxByteLength: recording.length });
      new Uint8Array(memory).set(recording);
      const decrypting = decrypt(new Uint8Array(memory, 0, recording.length), {
        open: async () => {
          memory.resize(left); // after the header was read
          return lease();
        },
      });
      await expect(decrypting).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: "recording" });
    }
  });
});
