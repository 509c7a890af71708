import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { bytesSource, type RandomAccessSource, type RecordingKeyStore } from "../../src/index.js";
import { atRest, collect } from "../recording/support.js";
import { configured, kmsKeyAliasArn } from "../support/setup.js";

const segment = 65_568;
const options = { recordingId: "call-1" };

async function recorded(plaintext: Uint8Array, more: object = {}) {
  const parts = await configured();
  const { body } = await parts.keyStore.encryptRecording(plaintext, { ...options, ...more });
  return { ...parts, encrypted: body };
}

/** A source that writes down what it was asked for, and can be made to wait. */
function watched(
  bytes: Uint8Array,
): RandomAccessSource & { reads: { offset: number; length: number }[]; gate: Promise<void> | undefined } {
  const source = bytesSource(bytes);
  return {
    size: source.size,
    reads: [],
    gate: undefined,
    async read(offset, length, signal) {
      this.reads.push({ offset, length });
      await this.gate;
      return source.read(offset, length, signal);
    },
  };
}

const opened = (keyStore: RecordingKeyStore, bytes: Uint8Array) => keyStore.openRecording(bytesSource(bytes), options);

describe("openRecording()", () => {
  it("reads and streams what decryptRecording would give", async () => {
    const plaintext = randomBytes(5 * 65_536 + 99);
    const { keyStore, encrypted } = await recorded(plaintext, { publicMetadata: { codec: "opus" } });
    const { body, keyPairId, confirmation, publicMetadata } = await keyStore.decryptRecording(encrypted, options);
    await using reader = await opened(keyStore, encrypted);
    expect(reader).toMatchObject({ size: body.length, keyPairId, confirmation, publicMetadata });
    expect(Buffer.from(await reader.read(100_000, 200_000)).equals(plaintext.subarray(100_000, 300_000))).toBe(true);
    expect((await collect(reader.stream())).equals(plaintext)).toBe(true);
    expect(
      (await collect(reader.stream({ start: 65_536, end: 65_537 }))).equals(plaintext.subarray(65_536, 65_537)),
    ).toBe(true);
    expect(inspect(reader, { depth: Infinity, showHidden: true })).toBe(
      `RecordingReader { size: ${plaintext.length}, keyPairId: ${JSON.stringify(keyPairId)} }`,
    );
  });

  it("fetches two segments at most to read 64 KiB anywhere, besides header and last segment once, and asks KMS once", async () => {
    const plaintext = randomBytes(40 * 65_536 + 1_000);
    const { keyStore, encrypted, kms } = await recorded(plaintext);
    const source = watched(encrypted);
    kms.journal.clear();
    const reader = await keyStore.openRecording(source, options);
    expect(source.reads).toEqual([
      { offset: 0, length: 4_096 },
      { offset: encrypted.length - 1_032, length: 1_032 },
    ]);
    for (let round = 0; round < 300; round += 1) {
      source.reads.length = 0;
      const offset = round === 0 ? plaintext.length - 65_536 : Math.floor(Math.random() * (plaintext.length - 65_536));
      expect(Buffer.from(await reader.read(offset, 65_536)).equals(plaintext.subarray(offset, offset + 65_536))).toBe(
        true,
      );
      expect(source.reads.length).toBeLessThanOrEqual(1);
      expect(source.reads.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(2 * segment);
    }
    expect(kms.journal.count()).toBe(1);
  });

  it.each([
    [{ recordingId: "other" }, "recordingId"],
    [{ recordingId: "call-1", asset: "screen" }, "asset"],
  ])("refuses another recording before it reads more than the header or asks KMS: %j", async (name, what) => {
    const { keyStore, encrypted, kms } = await recorded(randomBytes(200_000));
    kms.journal.clear();
    for (const bytes of [encrypted, encrypted.subarray(0, -1)]) {
      const source = watched(bytes);
      await expect(keyStore.openRecording(source, name)).rejects.toMatchObject({
        code: "ERR_RECORDING_MISMATCH",
        message: expect.stringContaining(what),
      });
      expect(source.reads).toEqual([{ offset: 0, length: 4_096 }]);
    }
    expect(kms.journal.count()).toBe(0);
  });

  it("refuses another organization's recording", async () => {
    const { keyStoreWith, encrypted } = await recorded(randomBytes(100));
    const other = keyStoreWith({ organizationId: "org-2" });
    await other.configure({ kmsKeyAliasArn });
    await expect(opened(other, encrypted)).rejects.toMatchObject({ code: "ERR_RECORDING_MISMATCH" });
  });

  it.each([
    [undefined, options, "source"],
    [{ size: 10 }, options, "source"],
    [{ size: "10", read: async () => Buffer.alloc(10) }, options, "source.size"],
    [bytesSource(Buffer.alloc(10)), {}, "recordingId"],
    [bytesSource(Buffer.alloc(10)), { ...options, offset: 3 }, "offset"],
    [bytesSource(Buffer.alloc(10)), { ...options, signal: "now" }, "signal"],
  ])("refuses bad input: %j, %j", async (source, name, field) => {
    const { keyStore } = await configured();
    await expect(keyStore.openRecording(source as never, name as never)).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field,
    });
  });

  it("asks KMS again after privateKeyTtl, ends when it refuses, and when keys are forgotten", async () => {
    const plaintext = randomBytes(20 * 65_536);
    const { keyStore, encrypted, kms, keyArn, clock } = await recorded(plaintext);
    const [reader, other] = [await opened(keyStore, encrypted), await opened(keyStore, encrypted)];
    await reader.read(0, 10);
    kms.journal.clear();
    clock.advance(60_000);
    await Promise.all([reader.read(0, 10), other.read(0, 10), collect(other.stream())]);
    expect(kms.journal.count("Decrypt")).toBe(1);
    clock.advance(60_000);
    kms.disableKey(keyArn);
    await expect(reader.read(0, 10)).rejects.toMatchObject({ code: "ERR_KMS_REFUSED" });
    kms.enableKey(keyArn);
    expect(Buffer.from(await reader.read(0, 10)).equals(plaintext.subarray(0, 10))).toBe(true);
    keyStore.forgetPrivateKeys();
    await expect(reader.read(0, 10)).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN" });
    await expect(collect(other.stream())).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN" });
    await expect((await opened(keyStore, encrypted)).read(0, 10)).resolves.toHaveLength(10);
  });

  it("does not hold what a stream fetched ahead for longer than its keys", async () => {
    const plaintext = randomBytes(20 * 65_536);
    const { keyStore, encrypted, clock, kms } = await recorded(plaintext);
    const source = watched(encrypted);
    const reader = await keyStore.openRecording(source, options);
    const streaming = reader.stream()[Symbol.asyncIterator]();
    const parts = [(await streaming.next()).value as Uint8Array];
    source.reads.length = 0;
    clock.advance(60_000);
    kms.faults.outage();
    await streaming.next(); // of the first step
    await expect(streaming.next()).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
    expect(Buffer.concat(parts).equals(plaintext.subarray(0, 65_536))).toBe(true);
  });

  it("does not release what a stream fetched ahead once keys are forgotten", async () => {
    const { keyStore, encrypted } = await recorded(randomBytes(20 * 65_536));
    const source = watched(encrypted);
    const reader = await keyStore.openRecording(source, options);
    const streaming = reader.stream()[Symbol.asyncIterator]();
    await streaming.next();
    await atRest();
    expect(source.reads.length).toBe(4); // header, last segment, first step, and the one ahead
    keyStore.forgetPrivateKeys();
    await expect(streaming.next()).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN" });
  });

  it("ends its opening with the signal, which then has no say any more", async () => {
    const { keyStore, encrypted } = await recorded(randomBytes(200_000));
    const hanging: RandomAccessSource = { size: encrypted.length, read: () => new Promise(() => undefined) };
    const controller = new AbortController();
    const opening = keyStore.openRecording(hanging, { ...options, signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 5);
    await expect(opening).rejects.toThrow("enough");
    const later = new AbortController();
    const reader = await keyStore.openRecording(bytesSource(encrypted), { ...options, signal: later.signal });
    later.abort();
    await expect(reader.read(0, 10)).resolves.toHaveLength(10);
  });
});

describe("close() of a key store with open readers", () => {
  it("lets reads and streams that run on a reader finish, refuses new ones, and closes idle readers at once", async () => {
    const plaintext = randomBytes(40 * 65_536);
    const { keyStore, encrypted } = await recorded(plaintext);
    const idle = await opened(keyStore, encrypted);
    const source = watched(encrypted);
    const reader = await keyStore.openRecording(source, options);
    let open: () => void = () => undefined;
    source.gate = new Promise((resolve) => (open = resolve));
    const reading = reader.read(70_000, 1_000);
    const streaming = collect(reader.stream({ start: 65_536 }));
    let closed = false;
    const closing = keyStore.close().then(() => (closed = true));
    await expect(reader.read(0, 10)).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await expect(collect(idle.stream())).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await expect(opened(keyStore, encrypted)).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(closed).toBe(false);
    open();
    expect(Buffer.from(await reading).equals(plaintext.subarray(70_000, 71_000))).toBe(true);
    expect((await streaming).equals(plaintext.subarray(65_536))).toBe(true);
    await closing;
    for (const ended of [reader, idle]) await expect(ended.read(0, 10)).rejects.toMatchObject({ code: "ERR_CLOSED" });
  });

  it("ends them when its signal aborts, also those that nobody reads", async () => {
    const { keyStore, encrypted } = await recorded(randomBytes(40 * 65_536));
    const source = watched(encrypted);
    const reader = await keyStore.openRecording(source, options);
    const stalled = reader.stream().getReader();
    await stalled.read();
    source.gate = new Promise(() => undefined);
    const reading = reader.read(70_000, 1_000);
    const controller = new AbortController();
    const closing = keyStore.close({ signal: controller.signal });
    setTimeout(() => controller.abort(new Error("shutdown")), 5);
    await expect(reading).rejects.toThrow("shutdown");
    await expect(stalled.read()).rejects.toThrow("shutdown");
    await closing;
    await expect(reader.read(0, 10)).rejects.toMatchObject({ code: "ERR_CLOSED" });
  });

  it("does not wait for a stream that was cancelled, nor for a reader that was closed", async () => {
    const { keyStore, encrypted } = await recorded(randomBytes(40 * 65_536));
    const reader = await opened(keyStore, encrypted);
    const cancelled = reader.stream().getReader();
    await cancelled.read();
    await cancelled.cancel();
    for await (const _ of reader.stream()) break;
    const other = await opened(keyStore, encrypted);
    const ended = other.stream().getReader();
    await other.close();
    await expect(ended.read()).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await keyStore.close();
  });
});
