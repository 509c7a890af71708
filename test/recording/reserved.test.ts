import { randomBytes } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { decryptBody, type RecordingInput } from "../../src/recording/bodies.js";
import { decryptFile } from "../../src/recording/files/recording-files.js";
import { bytesSource } from "../../src/recording/random-access-source.js";
import { readMetadata } from "../../src/recording/read-metadata.js";
import { SegmentReader } from "../../src/recording/reader/segment-reader.js";
import { salvageBody } from "../../src/recording/salvage.js";
import { field, fieldBytes, headerOf, padded, sealPayload, sealSection, u16, u32 } from "../format/recording-writer.js";
import { effort } from "../support/effort.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { collect, dataKey, lease, segmentLength } from "./support.js";

const capacity = segmentLength - 32;
const { folder, remove } = await temporaryFolder();
afterAll(remove);

const wrapped = (fields: Parameters<typeof fieldBytes>[0]) => {
  const bytes = fieldBytes(fields);
  return Buffer.concat([u16(bytes.length), bytes]);
};
const known = wrapped([field(1, true, "birth"), field(2, true, randomBytes(80))]);

interface Reserved {
  readonly section?: number;
  readonly trailer?: number;
  readonly metadata?: string;
}

/** A recording with what a later version may add. */
function recordingOf(plaintext: Buffer, { section = 0, trailer = 0, metadata }: Reserved) {
  const text = metadata === undefined ? undefined : padded(metadata);
  const header = headerOf([
    field(1, true, "org-1"),
    field(2, true, "recording-1"),
    field(3, true, "main"),
    field(4, true, known),
    field(5, true, u32(segmentLength)),
    field(6, false, Uint8Array.of(1)),
    ...(text ? [field(8, true, u32(text.length + 106))] : []),
    ...(section > 0 ? [field(11, true, u32(section))] : []),
    ...(trailer > 0 ? [field(12, true, u32(trailer))] : []),
  ]);
  const before = Buffer.concat([
    header,
    text ? sealSection(text, header, dataKey) : Buffer.alloc(0),
    randomBytes(section),
  ]);
  const payload = sealPayload(plaintext, header, { dataKey, segmentLength });
  return { header, start: before.length + 74, bytes: Buffer.concat([before, payload, randomBytes(trailer)]) };
}

const open = async () => lease();
const doors: Readonly<Record<string, (bytes: Buffer) => Promise<Buffer>>> = {
  bytes: async (bytes) => Buffer.from((await decryptBody(bytes, { open })).body),
  Readable: async (bytes) => collect((await decryptBody(Readable.from([bytes]), { open })).body),
  "web stream": async (bytes) =>
    collect((await decryptBody(new Blob([Uint8Array.from(bytes)]).stream() as RecordingInput, { open })).body as never),
  reader: async (bytes) => {
    const reader = await SegmentReader.open(bytesSource(bytes), {
      checkNames: () => undefined,
      open: async () => ({ lease: lease(), keyPairId: "" }),
    });
    const plaintext = await reader.read(0, reader.size);
    await reader.close();
    return plaintext;
  },
  file: async (bytes) => {
    const [inputPath, outputPath] = [join(folder, "in"), join(folder, "out")];
    await writeFile(inputPath, bytes);
    await rm(outputPath, { force: true });
    const { signal } = new AbortController();
    const totals = await decryptFile({ inputPath, outputPath, overwrite: true, threads: 1, signal }, open, () => ({}));
    expect(totals.encryptedSize).toBe(bytes.length);
    const { readFile } = await import("node:fs/promises");
    expect(totals.plaintextSize).toBe((await readFile(outputPath)).length);
    return readFile(outputPath);
  },
};

const sizes: readonly Reserved[] = [
  { section: 1 },
  { section: 5_000 },
  { section: 300_000, metadata: '{"a":1}' },
  { trailer: 1 },
  { trailer: 64 },
  { trailer: 3 * segmentLength },
  { section: 37, trailer: 200, metadata: '{"a":1}' },
];

describe.each(sizes)("a recording with %j of a later version", (reserved) => {
  it.each(Object.keys(doors))("opens as %s, whatever is in there", async (door) => {
    for (const size of [0, 1, capacity, 2 * capacity + 9]) {
      const plaintext = randomBytes(size);
      const { bytes, start } = recordingOf(plaintext, reserved);
      expect(start % 32, "the first ciphertext is aligned").toBe(16);
      expect((await doors[door]!(bytes)).equals(plaintext)).toBe(true);
    }
  });

  it("is refused through every door when it is cut, or followed by anything", async () => {
    const { bytes, start } = recordingOf(randomBytes(2 * capacity + 9), reserved);
    for (const cut of [1, 2, 31, 32, 40, 41, 42, 64, 200, 201, 5_000, bytes.length - start + 1, bytes.length - 20])
      for (const [door, opens] of Object.entries(doors))
        await expect(opens(bytes.subarray(0, bytes.length - cut)), `${door}, ${cut} less`).rejects.toMatchObject({
          code: "ERR_RECORDING_TRUNCATED",
        });
    for (const more of [1, 31, 32, 64, 200, segmentLength, 3 * segmentLength])
      for (const byte of [0, 0xff])
        for (const [door, opens] of Object.entries(doors))
          await expect(
            opens(Buffer.concat([bytes, Buffer.alloc(more, byte)])),
            `${door}, ${more} more`,
          ).rejects.toMatchObject({ code: "ERR_RECORDING_TAMPERED" });
  });

  it("is salvaged whole, counted whole, and not complete without its end", async () => {
    const plaintext = randomBytes(capacity + 9);
    const { bytes } = recordingOf(plaintext, reserved);
    const whole = { body: plaintext, complete: true, plaintextSize: plaintext.length, encryptedSize: bytes.length };
    expect(await salvageBody(bytes, { open })).toMatchObject(whole);
    expect(await salvageBody(bytes.subarray(0, -1), { open })).toMatchObject({
      complete: false,
      damage: { code: "ERR_RECORDING_TRUNCATED" },
    });
  });

  it("gives its metadata by every door", async () => {
    const { bytes } = recordingOf(randomBytes(9), reserved);
    const expected = reserved.metadata === undefined ? undefined : JSON.parse(reserved.metadata);
    for (const input of [bytes, bytesSource(bytes), Readable.from([bytes])])
      expect((await readMetadata(input, { checkNames: () => undefined, open })).metadata).toEqual(expected);
  });

  it("does not open with another length in its header", async () => {
    const { bytes, header } = recordingOf(randomBytes(9), reserved);
    for (const tag of [0x800b, 0x800c]) {
      const at = header.indexOf(Buffer.concat([u16(tag), u16(4)]));
      if (at < 0) continue;
      const changed = Buffer.from(bytes);
      changed.writeUInt32BE(changed.readUInt32BE(at + 4) ^ 32, at + 4);
      for (const opens of Object.values(doors))
        await expect(opens(changed)).rejects.toMatchObject({ name: "RecordingKeyStoreError" });
    }
  });
});

describe("lengths of what a later version may add", () => {
  it.each([11, 12])("in field %i are 1 to 16,777,216, in four bytes, and critical", async (tag) => {
    const { header } = recordingOf(Buffer.alloc(0), {});
    const withField = (value: Buffer, critical = true) => {
      const fields = [
        ...["org-1", "recording-1", "main"].map((text, index) => field(index + 1, true, text)),
        field(4, true, known),
        field(5, true, u32(segmentLength)),
        field(6, false, Uint8Array.of(1)),
      ];
      return headerOf([...fields, field(tag, critical, value)]);
    };
    expect(header.length).toBeGreaterThan(0);
    for (const bad of [withField(u32(0)), withField(u32(16_777_217)), withField(u16(5)), withField(u32(5), false)])
      await expect(decryptBody(bad, { open })).rejects.toMatchObject({ code: "ERR_FORMAT_INVALID" });
    await expect(decryptBody(withField(u32(16_777_216)), { open })).rejects.toMatchObject({
      code: "ERR_RECORDING_TRUNCATED",
    });
  });
});

describe("a recording from which bytes went, to which bytes came, or of which one was changed", () => {
  const segments = segmentLength * 3;
  /** Near the end, at the segments' own places, or anywhere behind the header. */
  const place = fc.oneof(
    fc.record({ from: fc.constant("end"), by: fc.integer({ min: 0, max: 300 }) }),
    fc.record({ from: fc.constant("segment"), by: fc.integer({ min: 0, max: segments }) }),
    fc
      .tuple(fc.nat(3), fc.integer({ min: -40, max: 40 }))
      .map(([position, by]) => ({ from: "segment", by: position * segmentLength + by })),
  );
  const edit = fc.record({
    how: fc.constantFrom("remove", "insert", "flip"),
    place,
    length: fc.oneof(fc.integer({ min: 1, max: 80 }), fc.integer({ min: 1, max: segments })),
    byte: fc.constantFrom(0, 1, 0xff),
  });

  it("is refused with one and the same code through every door", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, 1, 9, 200, capacity, capacity + 40, 2 * capacity, 2 * capacity + 9),
        fc.constantFrom(0, 1, 40, 200, segmentLength, segments),
        edit,
        async (size, trailer, { how, place, length, byte }) => {
          const { bytes, start } = recordingOf(randomBytes(size), { trailer });
          const wanted = place.from === "end" ? bytes.length - place.by : start + place.by;
          const at = Math.min(bytes.length, Math.max(start, wanted));
          const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
          const changed = {
            remove: () => Buffer.concat([before, after.subarray(length)]),
            insert: () => Buffer.concat([before, Buffer.alloc(length, byte), after]),
            flip: () =>
              Buffer.concat([before, after.map((value, index) => (index === 0 ? value ^ (byte || 2) : value))]),
          }[how]();
          const inTrailer = how === "flip" && at >= bytes.length - trailer;
          if (changed.equals(bytes) || inTrailer) return;
          const outcomes = await Promise.all(
            Object.entries(doors).map(async ([door, opens]) => {
              const outcome = opens(changed).then(
                () => "opened",
                (error: unknown) => (error as { code?: unknown }).code,
              );
              return [door, await outcome] as const;
            }),
          );
          const [[, code] = []] = outcomes;
          expect(["ERR_RECORDING_TAMPERED", "ERR_RECORDING_TRUNCATED"]).toContain(code);
          expect(Object.fromEntries(outcomes)).toEqual(Object.fromEntries(outcomes.map(([door]) => [door, code])));
        },
      ),
      { numRuns: effort(300, 30) },
    );
  });
});
