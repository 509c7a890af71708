import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FloeDecryptor, FloeEncryptor } from "../../src/format/floe.js";
import {
  decryptionLayout,
  encryptionLayout,
  rangesOf,
  segmentsIn,
  sourceBytes,
  targetOffset,
  type SegmentLayout,
} from "../../src/format/segments.js";
import { transformSegments } from "../../src/format/transform-segments.js";

const segmentLength = 100;
const capacity = 68;
const preambleLength = 7;
const measures = { preambleLength, segmentLength };

describe("a layout of segments", () => {
  it.each([
    [0, 1, 7 + 32],
    [1, 1, 7 + 33],
    [68, 1, 7 + 100],
    [69, 2, 7 + 100 + 33],
    [136, 2, 7 + 200],
  ])("of %i bytes has %i segments and %i encrypted bytes, either way", (size, segments, encrypted) => {
    const plain = { start: 0, segment: capacity, end: size };
    const sealed = { start: preambleLength, segment: segmentLength, end: encrypted };
    expect(encryptionLayout(size, measures)).toEqual({ direction: "encrypt", segments, source: plain, target: sealed });
    expect(decryptionLayout(encrypted, measures)).toEqual({
      direction: "decrypt",
      segments,
      source: sealed,
      target: plain,
    });
  });

  it.each([0, 7, 8, 38])(
    "of an encrypted recording of %i bytes, which none has, is one segment of nothing",
    (encrypted) => {
      expect(decryptionLayout(encrypted, measures)).toMatchObject({
        segments: 1,
        source: { end: encrypted },
        target: { end: 0 },
      });
    },
  );

  it("is gone through in ranges that leave nothing out, in the source and in the target", () => {
    fc.assert(
      fc.property(fc.nat(2_000), fc.integer({ min: 1, max: 1_000 }), fc.boolean(), (size, step, encrypt) => {
        const layout = encrypt
          ? encryptionLayout(size, measures)
          : decryptionLayout(encryptionLayout(size, measures).target.end, measures);
        const most = segmentsIn(layout, step);
        expect(most).toBe(Math.max(1, Math.floor(step / layout.source.segment)));
        let [next, read] = [0, layout.source.start];
        for (const range of rangesOf(layout, step)) {
          expect(range.first).toBe(next);
          expect(range.count).toBe(Math.min(most, layout.segments - next));
          const { offset, length } = sourceBytes(layout, range);
          expect(offset).toBe(read);
          expect(targetOffset(layout, range.first)).toBe(layout.target.start + range.first * layout.target.segment);
          next += range.count;
          read += length;
        }
        expect([next, read]).toEqual([layout.segments, layout.source.end]);
      }),
    );
  });
});

describe("segments of a range", () => {
  const key = randomBytes(32);
  const parameters = { segmentLength };
  const encryptor = new FloeEncryptor(key, Buffer.alloc(0), parameters);
  const decryptor = new FloeDecryptor(key, Buffer.alloc(0), encryptor.header, parameters);
  const plaintext = randomBytes(5 * capacity + 9);
  const toEncrypt = encryptionLayout(plaintext.length, measures);
  /** What becomes of the bytes of a layout's source, range by range. */
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
