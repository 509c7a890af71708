import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkWholeEnd,
  decryptionLayout,
  defaultSegmentLength,
  encryptedSize,
  encryptionLayout,
  maxSegmentLength,
  rangesOf,
  segmentsIn,
  sourceBytes,
  targetOffset,
} from "../../src/format/segments.js";

const shape = { preambleLength: 574, segmentLength: 4_096 };
/** Size of the plaintext of a recording that ends whole. */
const plaintextSizeOf = (size: number, of: typeof shape) => {
  const layout = decryptionLayout(size, of);
  checkWholeEnd(layout);
  return layout.target.end;
};
/** Size of header, FLOE header and `bytes` bytes of payload. */
const withPayload = (bytes: number) => 500 + 74 + bytes;

it("segments hold 64 KiB unless another length is chosen, and at most 16 MiB", () => {
  expect([defaultSegmentLength, maxSegmentLength]).toEqual([65_568, 16_777_248]);
});

describe("encryptedSize", () => {
  it.each([
    [0, 32],
    [1, 33],
    [4_064, 4_096],
    [4_065, 4_096 + 33],
    [3 * 4_064, 3 * 4_096],
  ])("of %i bytes is header, FLOE header and %i bytes of segments", (size, payload) => {
    expect(encryptedSize(size, shape)).toBe(withPayload(payload));
  });

  it.each([-1, 0.5, NaN, Infinity, 2 ** 53, "1" as never])("refuses %s", (size) => {
    expect(() => encryptedSize(size, shape)).toThrow(
      expect.objectContaining({
        code: "ERR_INVALID_INPUT",
        field: "plaintextSize",
        rule: expect.stringMatching(/whole number/),
      }) as Error,
    );
  });
});

describe("the size of a plaintext", () => {
  it("undoes encryptedSize", () => {
    fc.assert(
      fc.property(
        fc.nat(1_000_000),
        fc.integer({ min: 4_096, max: 70_000 }),
        fc.nat(32_768),
        (size, segmentLength, preambleLength) => {
          expect(
            plaintextSizeOf(encryptedSize(size, { preambleLength, segmentLength }), { preambleLength, segmentLength }),
          ).toBe(size);
        },
      ),
    );
  });

  it("accepts the form with an empty last segment", () =>
    expect(plaintextSizeOf(withPayload(2 * 4_096 + 32), shape)).toBe(2 * 4_064));

  it.each([-574, -1, 0, 1, 31, 4_096 + 1, 4_096 + 31, 2 * 4_096 + 5])(
    "refuses a payload of %i bytes, which no recording has",
    (payload) => {
      expect(() => plaintextSizeOf(withPayload(payload), shape)).toThrow(
        expect.objectContaining({
          code: "ERR_RECORDING_TRUNCATED",
          message: expect.stringMatching(/last segment/),
        }) as Error,
      );
    },
  );
});

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

  it("is covered by ranges without a gap, in the source and in the target", () => {
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
