import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { describe, expect, it } from "vitest";
import { RecordingKeyStoreError } from "../../src/errors.js";
import { salvageBody } from "../../src/recording/salvage.js";
import { capacity, chunks, collect, encrypt, header, lease, segmentLength } from "./support.js";

const plaintext = randomBytes(3 * capacity + 500);
const headerBytes = header();
const start = headerBytes.length + 74;
const encrypted = await encrypt(plaintext, headerBytes);
const damaged = Buffer.from(encrypted);
damaged[start + 2 * segmentLength + 99]! ^= 1;

/** What is left of a recording, and how much of it must come back. */
const remains: [what: string, bytes: Buffer, size: number, complete: boolean][] = [
  ["a whole one", encrypted, plaintext.length, true],
  ["nothing but the headers", encrypted.subarray(0, start), 0, false],
  ["half a segment", encrypted.subarray(0, start + segmentLength / 2), 0, false],
  ["a segment", encrypted.subarray(0, start + segmentLength), capacity, false],
  ["two segments and a few bytes", encrypted.subarray(0, start + 2 * segmentLength + 3), 2 * capacity, false],
  ["all but the last byte", encrypted.subarray(0, -1), 3 * capacity, false],
  ["a changed third segment", damaged, 2 * capacity, false],
  ["a whole one in a preallocated file", Buffer.concat([encrypted, Buffer.alloc(10_000)]), plaintext.length, false],
  ["three segments in a preallocated file", Buffer.concat([encrypted.subarray(0, start + 3 * segmentLength), Buffer.alloc(10_000)]), 3 * capacity, false],
];

describe("salvage", () => {
  it.each(remains)("of %s", async (_what, bytes, size, complete) => {
    for (const input of [bytes, Readable.from(chunks(bytes, 1_000)), ReadableStream.from(chunks(bytes, 5_000)), Readable.from([bytes])]) {
      const state = { released: 0, renewed: 0, valid: true };
      const { body, done } = await salvageBody(input as Readable, { open: async () => lease(state) });
      expect((await collect(body)).equals(plaintext.subarray(0, size))).toBe(true);
      expect(await done).toMatchObject({ plaintextSize: size, complete });
      expect(state.released).toBe(1);
    }
  });

  it("stops the source at the damage", async () => {
    let stopped = false;
    async function* source() {
      try {
        yield damaged;
        await new Promise(() => undefined);
      } finally {
        stopped = true;
      }
    }
    const { body } = await salvageBody(source(), { open: async () => lease() });
    expect((await collect(body)).length).toBe(2 * capacity);
    expect(stopped).toBe(true);
  });

  it("is no way around keys, or failures of the source", async () => {
    const refusal = new RecordingKeyStoreError("ERR_KMS_REFUSED", "no");
    await expect(salvageBody(encrypted, { open: () => Promise.reject(refusal) })).rejects.toBe(refusal);
    await expect(salvageBody(Buffer.concat([header({ asset: "screen" }), encrypted.subarray(headerBytes.length)]), { open: async () => lease() })).rejects.toMatchObject({ code: "ERR_RECORDING_TAMPERED" });
    const failing = async function* () {
      yield encrypted.subarray(0, start + segmentLength + 1);
      throw new Error("disk gone");
    };
    const { body, done } = await salvageBody(failing(), { open: async () => lease() });
    await expect(collect(body)).rejects.toThrow("disk gone");
    await expect(done).rejects.toThrow("disk gone");
  });
});
