import { getEventListeners } from "node:events";
import { Readable } from "node:stream";
import { describe, expect, it, vi } from "vitest";
import { OpenWork } from "../../src/key-store/open-work.js";
import { createTestKeyStore } from "../../src/testing/index.js";

it("calls leave nothing behind on a signal that lives longer than they do", async () => {
  const { keyStore } = await createTestKeyStore();
  const { signal } = new AbortController();
  const options = { recordingId: "r", signal };
  const { body } = await keyStore.encryptRecording(Buffer.from("audio"), options);
  for (let call = 0; call < 5; call += 1) {
    await keyStore.status({ signal });
    await keyStore.decryptRecording(body, options);
    const streamed = await keyStore.decryptRecording(Readable.from([body]), options);
    expect(getEventListeners(signal, "abort").length).toBeGreaterThan(0); // it can still be aborted
    streamed.body.resume();
    await streamed.done;
    await expect(keyStore.decryptRecording(Buffer.from("not one"), options)).rejects.toThrow();
    await expect(keyStore.encryptRecording(body, { recordingId: "", signal })).rejects.toThrow();
    await expect(keyStore.decryptRecording(body, { recordingId: "\0", signal })).rejects.toThrow();
    await expect(keyStore.keyPairs({ limit: -1, signal })).rejects.toThrow();
  }
  await keyStore.close();
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

it("50 calls under one signal warn of no leak", async () => {
  const warned = vi.fn();
  process.on("warning", warned);
  const { keyStore } = await createTestKeyStore();
  const { signal } = new AbortController();
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      const source = Readable.from([Buffer.from("audio")]);
      const { body, done } = await keyStore.encryptRecording(source, { recordingId: "r", signal });
      body.resume();
      await done;
    }),
  );
  await keyStore.close();
  await new Promise((resolve) => setImmediate(resolve)); // warnings are told in a later turn
  process.off("warning", warned);
  expect(warned).not.toHaveBeenCalled();
});

it("a call ends with its own signal and with that of close", async () => {
  const hanging = (signal: AbortSignal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
  const [own, closing] = [new AbortController(), new AbortController()];
  const work = new OpenWork();
  const first = work.run(own.signal, hanging, false);
  const second = work.run(new AbortController().signal, hanging, false);
  const third = work.run(undefined, hanging, false);
  own.abort(new Error("own"));
  await expect(first).rejects.toThrow("own");
  const closed = work.close(closing.signal);
  closing.abort(new Error("closing"));
  await expect(second).rejects.toThrow("closing");
  await expect(third).rejects.toThrow("closing");
  await closed;
});

describe("close({ timeout })", () => {
  it("aborts what nobody reads to its end, and holds the process until then", async () => {
    const { keyStore } = await createTestKeyStore();
    const source = new Readable({ read: () => undefined });
    const { done, body } = await keyStore.encryptRecording(source, { recordingId: "r" });
    body.on("error", () => undefined);
    const timers = vi.spyOn(globalThis, "setTimeout");
    await keyStore.close({ timeout: 20 });
    expect(timers.mock.results.some(({ value }) => (value as NodeJS.Timeout).hasRef())).toBe(true);
    await expect(done).rejects.toMatchObject({ name: "TimeoutError" });
    expect(source.destroyed).toBe(true);
    vi.restoreAllMocks();
  });

  it("is over at once where nothing is open, and refuses what is no time", async () => {
    const { keyStore } = await createTestKeyStore();
    await expect(keyStore.close({ timeout: -1 })).rejects.toMatchObject({ field: "timeout" });
    await keyStore.close({ timeout: 60_000 });
  });
});
