import { randomBytes } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { decryptBytes, encryptBytes, type BytesJob } from "../../src/recording/bytes.js";
import { FloeSegments } from "../../src/format/floe.js";
import { useFreedPieces } from "./pieces.js";
import { capacity, dataKey, encrypt, header, lease, type LeaseState, segmentLength } from "./support.js";

const request = (length = segmentLength) => ({
  header: header({ segmentLength: length }),
  dataKey: Buffer.from(dataKey),
  segmentLength: length,
});
const zeros = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);

describe("a recording in memory", () => {
  it("is left as zeros where its filling fails", async () => {
    const targets: Buffer[] = [];
    const fill = async ({ target }: BytesJob) => {
      targets.push(target);
      target.fill(7);
      throw new Error("no");
    };
    await expect(encryptBytes(randomBytes(10_000), { ...request(), fill })).rejects.toThrow("no");
    await expect(decryptBytes(await encrypt(randomBytes(10_000)), { open: async () => lease(), fill })).rejects.toThrow(
      "no",
    );
    expect(targets.map(zeros)).toEqual([true, true]);
  });

  it("leaves no keys behind, whether it was filled or not", async () => {
    const destroyed = vi.spyOn(FloeSegments.prototype, "destroy");
    const encrypted = await encryptBytes(randomBytes(10_000), request());
    expect(destroyed).toHaveBeenCalledTimes(1);
    await decryptBytes(encrypted, { open: async () => lease() });
    expect(destroyed).toHaveBeenCalledTimes(2);
    const fill = () => Promise.reject(new Error("no"));
    await expect(encryptBytes(randomBytes(10_000), { ...request(), fill })).rejects.toThrow("no");
    await expect(decryptBytes(encrypted, { open: async () => lease(), fill })).rejects.toThrow("no");
    expect(destroyed).toHaveBeenCalledTimes(4);
    destroyed.mockRestore();
  });

  it("keeps nothing of what was decrypted before a changed segment", async () => {
    const encrypted = await encrypt(randomBytes(3 * capacity));
    encrypted[encrypted.length - 1]! ^= 1;
    const made: Buffer[] = [];
    const { allocUnsafeSlow } = Buffer;
    Buffer.allocUnsafeSlow = (size) => {
      const buffer = allocUnsafeSlow(size);
      made.push(buffer);
      return buffer;
    };
    try {
      await expect(decryptBytes(encrypted, { open: async () => lease() })).rejects.toMatchObject({
        code: "ERR_RECORDING_TAMPERED",
      });
    } finally {
      Buffer.allocUnsafeSlow = allocUnsafeSlow;
    }
    expect(made.filter(({ length }) => length === 3 * capacity).map(zeros)).toEqual([true]);
  });

  it("is filled into memory of its own size, and not at all where it is cut short", async () => {
    const filled: number[] = [];
    const fill = async ({ source, target }: BytesJob) => void filled.push(source.length, target.length);
    const encrypted = await encrypt(randomBytes(100));
    await decryptBytes(encrypted, { open: async () => lease(), fill });
    expect(filled).toEqual([encrypted.length, 100]);
    const state: LeaseState = { released: 0, renewed: 0, valid: true };
    await expect(
      decryptBytes(encrypted.subarray(0, -101), { open: async () => lease(state), fill }),
    ).rejects.toMatchObject({ code: "ERR_RECORDING_TRUNCATED" });
    expect([filled.length, state.released]).toEqual([2, 1]);
  });

  it("is no further worked on once it was aborted", async () => {
    const encrypted = await encrypt(randomBytes(1_000_000));
    const controller = new AbortController();
    let asked = 0;
    const held = { ...lease(), valid: () => ((asked += 1) === 3 && controller.abort(new Error("enough")), true) };
    await expect(decryptBytes(encrypted, { open: async () => held, signal: controller.signal })).rejects.toThrow(
      "enough",
    );
    expect(asked).toBeLessThan(5);
  });

  it("is decrypted under a term's keys, and those of the next where it takes longer", async () => {
    const plaintext = randomBytes(1_000_000);
    const state: LeaseState = { released: 0, renewed: 0, valid: false };
    const { body } = await decryptBytes(await encrypt(plaintext), { open: async () => lease(state) });
    expect(body.equals(plaintext)).toBe(true);
    expect([state.renewed, state.released]).toEqual([4, 1]); // steps of 256 KiB, the first with what is at hand
    expect(state.handedOut!.every(zeros)).toBe(true);
  });
});

describe("what a cipher gives", () => {
  const watchFreed = useFreedPieces();

  it.each([
    ["long segments", 65_568, 3],
    ["short ones", 4_096, 0],
  ])("is freed once it is copied, where it is large: %s", async (_what, length, expected) => {
    const plaintext = randomBytes(2 * 65_536 + 5_000);
    const freed = watchFreed();
    const { body } = await decryptBytes(await encryptBytes(plaintext, request(length)), { open: async () => lease() });
    expect(body.equals(plaintext)).toBe(true);
    expect(freed.map((count) => count())).toEqual([expected, expected]);
  });
});
