import { randomBytes } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreError } from "../../src/errors.js";
import { RecordingDecryptor } from "../../src/recording/decryptor.js";
import { FloeDecryptor } from "../../src/format/floe.js";
import { encryptAll } from "../format/floe-oracle.js";
import {
  capacity,
  chunks,
  dataKey,
  encrypt,
  encryptWithMetadata,
  header,
  lease,
  type LeaseState,
  segmentLength,
} from "./support.js";
import { ByteReader, bytesReader } from "../../src/recording/byte-reader.js";

const headerBytes = header();
const start = headerBytes.length + 74;
const fresh = (): LeaseState => ({ released: 0, renewed: 0, valid: true });
const open = (bytes: Uint8Array, { salvage = false, state = fresh() } = {}) =>
  RecordingDecryptor.open(bytesReader(bytes), { open: async () => lease(state), salvage });
const sizeOf = (pieces: readonly Buffer[] | undefined) => pieces?.reduce((sum, { length }) => sum + length, 0);
/** The sizes of all steps, and how the last one failed. */
async function steps(
  decryptor: RecordingDecryptor,
): Promise<(number | undefined | { code?: string; message?: string })[]> {
  const all: Awaited<ReturnType<typeof steps>> = [];
  do {
    all.push(
      await decryptor.next().then(sizeOf, (error: unknown) => {
        const { code, message } = error as RecordingKeyStoreError;
        return { code, message };
      }),
    );
  } while (typeof all.at(-1) === "number");
  return all;
}
const cut = { code: "ERR_RECORDING_TRUNCATED", message: "the recording ends before its last segment" };
const changed = (message: string) => ({ code: "ERR_RECORDING_TAMPERED", message });
const lengthField = (segment: Buffer, value: number) => {
  const copy = Buffer.from(segment);
  copy.writeUInt32BE(value, 0);
  return copy;
};

const whole = await encrypt(randomBytes(2 * capacity + 100), headerBytes);
const [a, b, c] = [0, 1, 2].map((index) =>
  whole.subarray(start + index * segmentLength, start + (index + 1) * segmentLength),
) as [Buffer, Buffer, Buffer];
const build = (...segments: Buffer[]) => Buffer.concat([whole.subarray(0, start), ...segments]);

describe("a decryption", () => {
  it("goes on by steps of a mebibyte at most, and counts", async () => {
    const encrypted = await encrypt(randomBytes(600 * capacity + 9), headerBytes);
    const state = fresh();
    const decryptor = await open(encrypted, { state });
    expect([decryptor.preambleLength, decryptor.totals()]).toEqual([start, { plaintextSize: 0, encryptedSize: start }]);
    expect(sizeOf(await decryptor.next())).toBe(256 * capacity);
    expect(decryptor.totals()).toEqual({ plaintextSize: 256 * capacity, encryptedSize: start + 256 * segmentLength });
    expect(await steps(decryptor)).toEqual([256 * capacity, 88 * capacity, 9, undefined]);
    expect(decryptor.totals()).toEqual({ plaintextSize: 600 * capacity + 9, encryptedSize: encrypted.length });
    expect([decryptor.complete, decryptor.damage, state.released, await decryptor.next()]).toEqual([
      true,
      undefined,
      1,
      undefined,
    ]);
  });

  it("opens what has come, and waits only for the segment that is next", async () => {
    const encrypted = await encrypt(randomBytes(4 * capacity), headerBytes);
    const parts = [
      encrypted.subarray(0, start + 2 * segmentLength + 50),
      encrypted.subarray(start + 2 * segmentLength + 50),
    ];
    const decryptor = await RecordingDecryptor.open(new ByteReader(async () => parts.shift(), true), {
      open: async () => lease(),
      salvage: false,
    });
    expect(await steps(decryptor)).toEqual([2 * capacity, capacity, capacity, undefined]);
  });

  const damaged: [what: string, bytes: Buffer, released: number[], error: object][] = [
    ["nothing but the headers", build(), [], cut],
    ["three bytes of a segment", build(a.subarray(0, 3)), [], cut],
    ["31 bytes of a segment", build(a.subarray(0, 31)), [], cut],
    ["20 bytes of a segment, which claims no more", build(lengthField(a, 20).subarray(0, 20)), [], cut],
    ["an inner segment less a byte", build(a, b.subarray(0, -1)), [capacity], cut],
    ["the last segment less a byte", build(a, b, c.subarray(0, -1)), [capacity, capacity], cut],
    ["no last segment", build(a, b), [capacity, capacity], cut],
    [
      "a last segment that claims 31 bytes",
      build(a, b, lengthField(c, 31)),
      [capacity, capacity],
      changed("segment 2 has the wrong length"),
    ],
    [
      "a last segment that claims too much",
      build(a, lengthField(b, segmentLength + 1)),
      [capacity],
      changed("segment 1 has the wrong length"),
    ],
    [
      "an inner segment that claims to be the last",
      build(a, lengthField(b, segmentLength)),
      [capacity],
      changed("segment 1 was changed"),
    ],
    ["two segments swapped", build(b, a, c), [], changed("segment 0 was changed")],
    [
      "a byte behind",
      build(a, b, c, Buffer.alloc(1)),
      [capacity * 2],
      changed("bytes follow the recording's last segment"),
    ],
  ];
  it.each(damaged)(
    "of %s releases the segments before, and then fails or, to salvage, ends",
    async (what, bytes, released, error) => {
      const before = released.reduce((sum, size) => sum + size, 0);
      const state = fresh();
      const failing = await open(bytes, { state });
      const seen = await steps(failing);
      expect(seen.pop(), what).toEqual(error);
      expect(seen.reduce<number>((sum, size) => sum + (size as number), 0)).toBe(before);
      expect(failing.complete).toBe(false);
      failing.destroy();
      const salvaging = await open(bytes, { salvage: true, state });
      const saved = await steps(salvaging);
      expect(saved.pop()).toBeUndefined();
      expect(saved.reduce<number>((sum, size) => sum + (size as number), 0)).toBe(
        what === "a byte behind" ? 2 * capacity + 100 : before,
      );
      expect(salvaging.damage).toMatchObject(error);
      expect([salvaging.complete, await salvaging.next(), state.released]).toEqual([false, undefined, 2]);
    },
  );

  it("that failed fails again", async () => {
    const bytes = build(a, lengthField(b, segmentLength), c);
    const decryptor = await open(bytes);
    await decryptor.next();
    for (const _ of [1, 2]) await expect(decryptor.next()).rejects.toMatchObject(changed("segment 1 was changed"));
  });

  it("wipes a last segment that something follows", async () => {
    const decrypted = vi.spyOn(FloeDecryptor.prototype, "segment");
    const decryptor = await open(Buffer.concat([await encrypt(Buffer.alloc(100, 7), headerBytes), Buffer.alloc(1)]));
    await expect(decryptor.next()).rejects.toMatchObject(changed("bytes follow the recording's last segment"));
    const outputs = decrypted.mock.results.flatMap(({ value }) => value as Buffer[]);
    decrypted.mockRestore();
    expect(Buffer.concat(outputs).equals(Buffer.alloc(100))).toBe(true);
  });

  it("ends at once when keys are forgotten, and says so to whoever asks later", async () => {
    const state = fresh();
    const decryptor = await open(whole, { state });
    const told: unknown[] = [];
    decryptor.onFailure((error) => void told.push(error));
    const forgotten = new RecordingKeyStoreError("ERR_KEYS_FORGOTTEN", "forgotten");
    state.end?.();
    expect([told, state.released]).toEqual([[], 0]);
    state.end?.(forgotten);
    state.end?.(new RecordingKeyStoreError("ERR_CLOSED", "closed"));
    decryptor.onFailure((error) => void told.push(error));
    expect([told.every((error) => error === forgotten), told.length, state.released]).toEqual([true, 3, 1]);
    for (const _ of [1, 2]) await expect(decryptor.next()).rejects.toBe(forgotten);
  });

  it("opens nothing after it was destroyed while it waited", async () => {
    let more: (chunk: Uint8Array | undefined) => void = () => undefined;
    const pending: Promise<Uint8Array | undefined>[] = [
      Promise.resolve(whole.subarray(0, start)),
      new Promise((resolve) => (more = resolve)),
    ];
    const decryptor = await RecordingDecryptor.open(
      new ByteReader(() => pending.shift() ?? Promise.resolve(undefined), true),
      { open: async () => lease(), salvage: false },
    );
    const next = decryptor.next();
    decryptor.destroy();
    more(whole.subarray(start));
    expect(sizeOf(await next)).toBe(0);
    expect(decryptor.complete).toBe(false);
  });

  it("of chunks of any size waits for header, metadata and FLOE header, and says where they are cut short", async () => {
    const { encrypted, start: payload } = await encryptWithMetadata(randomBytes(10), { a: 1 });
    for (const size of [1, 7, 4_096]) {
      const source = chunks(encrypted, size);
      const decryptor = await RecordingDecryptor.open(
        new ByteReader(async () => source.next().value as Buffer | undefined, true),
        { open: async () => lease(), salvage: false },
      );
      expect([decryptor.header.metadata, decryptor.preambleLength]).toEqual([{ a: 1 }, payload]);
    }
    for (const length of [0, 6, 11, 12, payload - 75, payload - 74, payload - 1])
      await expect(open(encrypted.subarray(0, length), { salvage: true })).rejects.toMatchObject(cut);
  });

  it("salvages a payload without its metadata where that was changed, and only then", async () => {
    const { encrypted, headerBytes: told, section, payload } = await encryptWithMetadata(randomBytes(10), { a: 1 });
    const lost = Buffer.from(encrypted);
    lost[payload - 1]! ^= 1;
    const message = "the recording's metadata was changed, or belongs to another recording";
    await expect(open(lost)).rejects.toMatchObject(changed(message));
    const salvaging = await open(lost, { salvage: true });
    expect([await steps(salvaging), salvaging.header.metadata, salvaging.complete]).toEqual([
      [10, undefined],
      undefined,
      false,
    ]);
    expect(salvaging.damage).toMatchObject(changed(message));
    const aad = Buffer.concat([told, Buffer.from("recording-keystore metadata v1")]);
    const foreign = encryptAll(
      { ENC_SEG_LEN: 65_568, AEAD_ROTATION_MASK: 20, RND: (length) => randomBytes(length) },
      dataKey,
      aad,
      Buffer.alloc(section.length - 106, "x"),
    );
    const state = fresh();
    const notCanonical = Buffer.concat([told, foreign, encrypted.subarray(payload)]);
    await expect(open(notCanonical, { salvage: true, state })).rejects.toMatchObject({
      code: "ERR_FORMAT_INVALID",
      message: "its metadata is not a canonical JSON object, padded with spaces",
    });
    expect(state.released).toBe(1);
  });

  it("lends its keys to those who read segments by themselves, under its signal", async () => {
    const state = fresh();
    const controller = new AbortController();
    const decryptor = await RecordingDecryptor.open(bytesReader(whole), {
      open: async () => lease(state),
      salvage: false,
      signal: controller.signal,
    });
    const { segmentKeys } = decryptor;
    const { held } = segmentKeys;
    expect(await segmentKeys.use((floe) => floe)).toBe(held);
    state.valid = false;
    expect(segmentKeys.held).toBeUndefined();
    controller.abort(new Error("enough"));
    await expect(segmentKeys.use(() => undefined)).rejects.toThrow("enough");
  });
});
