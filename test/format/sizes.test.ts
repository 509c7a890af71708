import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultSegmentLength, encryptedSize, maxSegmentLength, plaintextSizeOf } from "../../src/format/segments.js";

const shape = { headerLength: 500, segmentLength: 4_096 };
/** Header, FLOE header and as many payload bytes. */
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

describe("plaintextSizeOf", () => {
  it("undoes encryptedSize", () => {
    fc.assert(
      fc.property(
        fc.nat(1_000_000),
        fc.integer({ min: 4_096, max: 70_000 }),
        fc.nat(32_768),
        (size, segmentLength, headerLength) => {
          expect(
            plaintextSizeOf(encryptedSize(size, { headerLength, segmentLength }), { headerLength, segmentLength }),
          ).toBe(size);
        },
      ),
    );
  });

  it("knows the form with an empty last segment", () =>
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
