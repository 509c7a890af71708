import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { FloeDecryptor, FloeEncryptor } from "../../src/format/floe.js";
import {
  decryptionLayout,
  encryptionLayout,
  rangesOf,
  sourceBytes,
  type SegmentLayout,
} from "../../src/format/segments.js";
import { transformSegments } from "../../src/format/transform-segments.js";

const segmentLength = 100;
const capacity = 68;
const preambleLength = 7;
const measures = { preambleLength, segmentLength };

describe("segments of a range", () => {
  const key = randomBytes(32);
  const parameters = { segmentLength };
  const encryptor = new FloeEncryptor(key, Buffer.alloc(0), parameters);
  const decryptor = new FloeDecryptor(key, Buffer.alloc(0), encryptor.header, parameters);
  const plaintext = randomBytes(5 * capacity + 9);
  const toEncrypt = encryptionLayout(plaintext.length, measures);
  /** Transforms the bytes of a layout's source, range by range. */
  const transformed = (layout: SegmentLayout, bytes: Buffer, step: number) =>
    Buffer.concat(
      [...rangesOf(layout, step)].flatMap((range) => {
        const { offset, length } = sourceBytes(layout, range);
        const floe = layout.direction === "encrypt" ? encryptor.segments : decryptor.segments;
        return transformSegments(floe, layout, range, bytes.subarray(offset, offset + length));
      }),
    );
  const encrypted = Buffer.concat([Buffer.alloc(preambleLength), transformed(toEncrypt, plaintext, 150)]);
  const decrypted = (bytes: Buffer) => transformed(decryptionLayout(bytes.length, measures), bytes, 250);

  it("come back as they were", () => {
    expect(encrypted.length).toBe(toEncrypt.target.end);
    expect(decrypted(encrypted).equals(plaintext)).toBe(true);
    for (const size of [0, capacity]) {
      const layout = encryptionLayout(size, measures);
      expect(
        decrypted(Buffer.concat([Buffer.alloc(preambleLength), transformed(layout, plaintext, 1)])).equals(
          plaintext.subarray(0, size),
        ),
      ).toBe(true);
    }
  });

  const cut = { code: "ERR_RECORDING_TRUNCATED", message: "the recording ends before its last segment" };
  const changed = (message: string) => ({ code: "ERR_RECORDING_TAMPERED", message });
  const said = (lengthField: number) => {
    const copy = Buffer.from(encrypted);
    copy.writeUInt32BE(lengthField, preambleLength + 5 * segmentLength);
    return copy;
  };
  it.each<[string, Buffer, { code: string; message: string }]>([
    ["one byte is missing", encrypted.subarray(0, -1), cut],
    ["31 bytes of the last are left", encrypted.subarray(0, preambleLength + 5 * segmentLength + 31), cut],
    ["3 bytes of the last are left", encrypted.subarray(0, preambleLength + 5 * segmentLength + 3), cut],
    ["32 bytes of an inner one are left", encrypted.subarray(0, preambleLength + 4 * segmentLength + 32), cut],
    ["a whole inner one is the last", encrypted.subarray(0, preambleLength + 5 * segmentLength), cut],
    ["the last claims to be longer", said(9 + 32 + 1), cut],
    ["the last claims to be shorter", said(9 + 32 - 1), changed("bytes follow the recording's last segment")],
    [
      "a byte follows",
      Buffer.concat([encrypted, Buffer.alloc(1)]),
      changed("bytes follow the recording's last segment"),
    ],
    [
      "a segment follows",
      Buffer.concat([encrypted, Buffer.alloc(segmentLength)]),
      changed("segment 5 has the wrong length"),
    ],
    [
      "the last one was changed",
      Buffer.concat([encrypted.subarray(0, -1), Buffer.from([encrypted.at(-1)! ^ 1])]),
      changed("segment 5 was changed"),
    ],
  ])("are refused where %s", (_what, bytes, error) =>
    expect(() => decrypted(bytes)).toThrow(expect.objectContaining(error) as Error),
  );
});
