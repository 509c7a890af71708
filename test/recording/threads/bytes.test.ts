import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { afterEach, describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreError } from "../../../src/errors.js";
import { decryptBody, encryptBody } from "../../../src/recording/bodies.js";
import type { FillBytes } from "../../../src/recording/bytes.js";
import { createTestKeyStore } from "../../../src/testing/index.js";
import { fillByThreads } from "../../../src/recording/threads/fill-bytes.js";
import { atLength } from "../../support/effort.js";
import { dataKey, decrypt, header, lease, type LeaseState } from "../support.js";
import { fillByWorkers, flipped, watchSharedMemory } from "./support.js";

const MiB = 1_048_576;
const encryptBy = async (
  plaintext: Uint8Array,
  fill: FillBytes | undefined,
  segmentLength = 4_096,
  signal?: AbortSignal,
) => {
  const request = { header: header({ segmentLength }), dataKey: Buffer.from(dataKey), segmentLength };
  return Buffer.from(
    (await encryptBody(plaintext, { ...request, ...(fill ? { fill } : {}), ...(signal ? { signal } : {}) })).body,
  );
};
const decryptBy = async (encrypted: Uint8Array, fill: FillBytes, held = lease()) =>
  Buffer.from((await decryptBody(encrypted, { open: async () => held, fill })).body);

describe("bytes in memory over threads", () => {
  afterEach(() => void vi.unstubAllGlobals());

  const few = [[3, 65_537]] as const;
  const all = [...few, [1, 4_064], [2, 65_536], [2, 1_500_000]] as const;
  it.each(atLength<readonly (readonly [number, number])[]>(all, few))(
    "are the same through %i workers, segments of %i bytes, at every size around a boundary",
    async (workers, segmentSize) => {
      const segmentLength = segmentSize + 32;
      const range = Math.max(1, Math.floor(MiB / segmentSize)) * segmentSize;
      const fill = fillByWorkers({ workers });
      for (const size of [
        0,
        1,
        segmentSize - 1,
        segmentSize,
        segmentSize + 1,
        range - 1,
        range,
        range + 1,
        5 * MiB + 7,
      ]) {
        const plaintext = randomBytes(size);
        const encrypted = await encryptBy(plaintext, fill, segmentLength);
        expect((await decrypt(encrypted)).equals(plaintext), `encrypted at size ${size}`).toBe(true);
        expect(
          (await decryptBy(await encryptBy(plaintext, undefined, segmentLength), fill)).equals(plaintext),
          `decrypted at size ${size}`,
        ).toBe(true);
      }
    },
  );

  const preamble = header().length + 74;
  const at = (segment: number) => preamble + segment * 4_096;
  it.each<[string, (bytes: Buffer) => Buffer, string]>([
    ["a bit of the first segment", (bytes) => flipped(bytes, at(0) + 100), "TAMPERED"],
    ["a bit of a segment in a later range", (bytes) => flipped(bytes, at(800) + 20), "TAMPERED"],
    ["the last tag", (bytes) => flipped(bytes, bytes.length - 1), "TAMPERED"],
    ["the last segment left out", (bytes) => bytes.subarray(0, at(1_000)), "TRUNCATED"],
    ["a segment left out", (bytes) => Buffer.concat([bytes.subarray(0, at(5)), bytes.subarray(at(6))]), "TAMPERED"],
    ["cut inside a segment", (bytes) => bytes.subarray(0, at(700) + 50), "TRUNCATED"],
    ["bytes behind the end", (bytes) => Buffer.concat([bytes, Buffer.alloc(40)]), "TAMPERED"],
  ])("are refused when tampered with: %s", async (_name, tamper, code) => {
    const encrypted = tamper(await encryptBy(randomBytes(1_000 * 4_064 + 500), undefined));
    await expect(decryptBy(encrypted, fillByWorkers({ workers: 2 }))).rejects.toMatchObject({
      code: `ERR_RECORDING_${code}`,
    });
  });

  it("end with the signal's reason in the middle", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    let ranges = 0;
    const onRange = () => {
      ranges += 1;
      controller.abort(reason);
    };
    await expect(
      encryptBy(randomBytes(30 * MiB), fillByWorkers({ workers: 2, onRange }), 4_096, controller.signal),
    ).rejects.toBe(reason);
    expect(ranges).toBeLessThan(30);
  });

  it("end when keys are forgotten, also for ranges that were not handed out yet", async () => {
    const encrypted = await encryptBy(randomBytes(30 * MiB), undefined);
    const state: LeaseState = { released: 0, renewed: 0, valid: true };
    const onRange = () => {
      state.valid = false;
      state.renew = () => Promise.reject(new RecordingKeyStoreError("ERR_KEYS_FORGOTTEN", "forgotten"));
    };
    await expect(decryptBy(encrypted, fillByWorkers({ workers: 2, onRange }), lease(state))).rejects.toMatchObject({
      code: "ERR_KEYS_FORGOTTEN",
    });
    expect(state.released).toBe(1);
  });

  it("lose nothing with a thread that ends in the middle", async () => {
    const plaintext = randomBytes(30 * MiB);
    let ended = false;
    const fill = fillByWorkers({
      workers: 2,
      onRange: ([first]) => {
        if (!ended) void first?.close();
        ended = true;
      },
    });
    const encrypted = await encryptBy(plaintext, fill);
    expect(ended).toBe(true);
    expect((await decrypt(encrypted)).equals(plaintext)).toBe(true);
  });

  it.each(["encrypt", "decrypt"] as const)(
    "%s: leave neither keys nor plaintext in the memory that threads share, also after a failure",
    async (direction) => {
      const plaintext = Buffer.alloc(8 * MiB, 7);
      const encrypted = await encryptBy(plaintext, undefined);
      const shared = watchSharedMemory();
      let seen = false;
      const fill = fillByWorkers({
        workers: 2,
        onRange: () => void (seen ||= shared.some((memory) => memory.includes(7))),
      });
      if (direction === "encrypt") await encryptBy(plaintext, fill);
      else {
        await decryptBy(encrypted, fill);
        await expect(decryptBy(flipped(encrypted, encrypted.length - 1), fill)).rejects.toMatchObject({
          code: "ERR_RECORDING_TAMPERED",
        });
      }
      expect(seen, "plaintext was there while it was needed").toBe(true);
      expect(shared.filter((memory) => memory.some((byte) => byte !== 0))).toEqual([]);
    },
  );

  it("are shared by the calling thread and by others, as many as asked for", async () => {
    const shared = watchSharedMemory();
    const slots = () => shared.filter(({ length }) => length > 1_000).length; // keys are shorter
    const { keyStore } = await createTestKeyStore();
    // How long a thread takes to start depends on what else runs here.
    for (let size = 32 * MiB; slots() === 0 && size <= 1_024 * MiB; size *= 2) {
      const plaintext = Buffer.alloc(size, 7);
      const { body } = await keyStore.encryptRecording(plaintext, { recordingId: "r", threads: 2 });
      const decrypted = await keyStore.decryptRecording(body, { recordingId: "r", threads: 2 });
      expect(plaintext.equals(decrypted.body)).toBe(true);
    }
    expect(slots()).toBeGreaterThan(0);
    await keyStore.close();
  });

  it("go on under a test runner's fake timers", async () => {
    vi.useFakeTimers();
    try {
      const plaintext = randomBytes(3 * MiB);
      const fill = fillByThreads(plaintext.length, 2)!;
      expect((await decryptBy(await encryptBy(plaintext, fill), fill)).equals(plaintext)).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });

  it("are left to the calling thread where another would not be worth its start, or is not wanted", async () => {
    const worth = 256 * MiB;
    expect(fillByThreads(worth - 1, 0)).toBeUndefined();
    expect(fillByThreads(worth, 0) !== undefined).toBe(availableParallelism() > 1);
    expect(fillByThreads(worth, 1)).toBeUndefined();
    expect(fillByThreads(0, 2)).toBeDefined();
    const { keyStore } = await createTestKeyStore();
    await expect(keyStore.encryptRecording(Buffer.alloc(1), { recordingId: "r", threads: 65 })).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field: "threads",
    });
    await expect(keyStore.decryptRecording(Buffer.alloc(1), { recordingId: "r", threads: 1.5 })).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field: "threads",
    });
    await keyStore.close();
  });
});
