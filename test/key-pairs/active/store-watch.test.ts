import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { StoreWatch } from "../../../src/key-pairs/active/store-watch.js";
import { held } from "../verdicts.js";
import { world } from "../world.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

it("a store that has not answered for a second is in trouble, until it answers", async () => {
  const { store, configured } = world();
  const { context, health } = await configured();
  const watch = new StoreWatch(context);
  const { waiting, release } = held();
  const readHead = store.readHead.bind(store);
  vi.spyOn(store, "readHead").mockImplementationOnce(async (...args) => (await waiting, readHead(...args)));
  const reading = watch.readHead();
  await vi.advanceTimersByTimeAsync(999);
  expect(health.trouble).toBeUndefined();
  await vi.advanceTimersByTimeAsync(1);
  expect(health.trouble?.error).toMatchObject({
    code: "ERR_STORE_UNAVAILABLE",
    kind: "timeout",
    operation: "readHead",
    message: "the key pair store has not answered for 1000 ms",
  });
  release();
  expect(await reading).toBeDefined();
  watch.note();
  expect(health.trouble).toBeUndefined();
});

it("a store that answers within a second is in no trouble", async () => {
  const { context, health } = await world().configured();
  const watch = new StoreWatch(context);
  await watch.readHead();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(health.trouble).toBeUndefined();
});
