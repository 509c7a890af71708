import { readdir, readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { FileProgress } from "../../../src/index.js";
import { createTestKeyStore, type TestKeyStore } from "../../../src/testing/index.js";
import { audio, useFolder } from "./support.js";

const recordingId = "call-1";
const plaintext = audio(24 * 1_048_576 + 1);

describe.each([1, 2])("while a file is worked on with threads: %i", (threads) => {
  const at = useFolder();
  const { path } = at;
  let parts: TestKeyStore;
  beforeEach(async () => {
    parts = await createTestKeyStore();
    await writeFile(path("plain"), plaintext);
    await parts.keyStore.encryptFile(path("plain"), path("encrypted"), { recordingId });
    // A second passes at each look at this clock, so that every range is reported.
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => (now += 1_000));
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    parts.kms.faults.heal();
    await parts.keyStore.close();
  });

  const decrypt = (onProgress: (progress: FileProgress) => void, signal?: AbortSignal) =>
    parts.keyStore.decryptFile(path("encrypted"), path("out"), {
      recordingId,
      threads,
      onProgress,
      ...(signal ? { signal } : {}),
    });
  const nothingLeft = async () => expect(await readdir(at.folder)).toEqual(["encrypted", "plain"]);

  it("forgotten keys end it", async () => {
    const forget = vi.fn(() => parts.keyStore.forgetPrivateKeys());
    await expect(decrypt(forget)).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN", retryable: true });
    expect(forget).toHaveBeenCalled();
    await nothingLeft();
  });

  it("KMS is asked again once privateKeyTtl has passed, and the rest goes on with its answer", async () => {
    const calls = parts.kms.journal.count();
    const wait = vi.fn().mockImplementationOnce(() => parts.clock.advance(61_000));
    await decrypt(wait);
    expect(parts.kms.journal.count()).toBe(calls + 2);
    expect((await readFile(path("out"))).equals(plaintext)).toBe(true);
  });

  it("its end without KMS ends it, when privateKeyTtl has passed", async () => {
    const wait = vi.fn().mockImplementationOnce(() => {
      parts.kms.faults.outage();
      parts.clock.advance(61_000);
    });
    await expect(decrypt(wait)).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE", retryable: true });
    await nothingLeft();
  });

  it("an abort ends it with its reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    await expect(decrypt(() => controller.abort(reason), controller.signal)).rejects.toBe(reason);
    await expect(decrypt(() => undefined, AbortSignal.abort(reason))).rejects.toBe(reason);
    await nothingLeft();
  });

  it("close() waits for it, and ends it when its signal says so", async () => {
    let begun: () => void = () => undefined;
    const beginning = new Promise<void>((resolve) => (begun = resolve));
    const running = decrypt(() => begun());
    await beginning;
    await parts.keyStore.close();
    expect((await running).plaintextSize).toBe(plaintext.length);
    await expect(decrypt(() => undefined)).rejects.toMatchObject({ code: "ERR_CLOSED" });

    const other = await createTestKeyStore();
    const reason = new Error("shutting down");
    const ended = other.keyStore.encryptFile(path("plain"), path("out-2"), {
      recordingId,
      threads,
      onProgress: () => void other.keyStore.close({ signal: AbortSignal.abort(reason) }),
    });
    await expect(ended).rejects.toBe(reason);
    expect(await readdir(at.folder)).toEqual(["encrypted", "out", "plain"]);
  });

  it("progress only grows, ends with the whole once the file has its name, and can't do harm", async () => {
    const seen: number[] = [];
    const harm = (progress: FileProgress): unknown => {
      seen.push(progress.doneBytes);
      expect(progress.totalBytes).toBe(plaintext.length);
      if (seen.length % 2 === 0) throw new Error("in a progress bar");
      return Promise.reject(new Error("in a progress bar"));
    };
    await parts.keyStore.encryptFile(path("plain"), path("out"), { recordingId, threads, onProgress: harm });
    expect(seen.length).toBeGreaterThan(4);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.filter((bytes) => bytes === plaintext.length)).toHaveLength(1);
    expect(seen.at(-1)).toBe(plaintext.length);
  });

  it("progress is reported ten times a second at most", async () => {
    vi.spyOn(performance, "now").mockReturnValue(5);
    const seen = vi.fn();
    await parts.keyStore.encryptFile(path("plain"), path("out"), { recordingId, threads, onProgress: seen });
    expect(seen.mock.calls).toEqual([[{ doneBytes: plaintext.length, totalBytes: plaintext.length }]]);
  });
});
