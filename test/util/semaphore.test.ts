import { getEventListeners } from "node:events";
import { expect, it } from "vitest";
import { Semaphore } from "../../src/util/semaphore.js";

it("a semaphore refuses whoever has left before, and gives nothing to who leaves while waiting", async () => {
  const semaphore = new Semaphore(1);
  await expect(semaphore.acquire(AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  await semaphore.acquire(undefined);
  await expect(semaphore.acquire(AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  const leaving = new AbortController();
  const waiting = semaphore.acquire(leaving.signal);
  leaving.abort(new Error("gave up"));
  await expect(waiting).rejects.toThrow("gave up");
  semaphore.release();
  await semaphore.acquire(undefined);
});

it("a semaphore leaves one listener on a signal, however many wait under it, and none after", async () => {
  const semaphore = new Semaphore(1);
  await semaphore.acquire(undefined);
  const { signal } = new AbortController();
  const waiting = Array.from({ length: 20 }, () => semaphore.acquire(signal));
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  for (const turn of waiting) {
    semaphore.release();
    await turn;
  }
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});
