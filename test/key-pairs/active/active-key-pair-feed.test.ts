import { afterEach, describe, expect, it, vi } from "vitest";
import { StoreError } from "../../../src/stores/store-error.js";
import { fresh, minute } from "../world.js";

afterEach(() => void vi.restoreAllMocks());

/** A worker that has used its pair for long enough that the store's feed of changes stands for the head. */
async function settled() {
  const parts = await fresh();
  const { active, clock, store } = parts;
  const reads = vi.spyOn(store, "readHead");
  /** How often a use a minute later reads the head. */
  const readsLater = async () => {
    clock.advance(minute);
    reads.mockClear();
    await active.acquire(false);
    return reads.mock.calls.length;
  };
  for (let passed = 0; passed < 4; passed += 1) await readsLater();
  expect(await readsLater()).toBe(0);
  return { ...parts, reads, readsLater };
}

describe("the feed's word that a head has not changed", () => {
  it("is not enough while the store is in trouble, which a read of the head ends", async () => {
    const { active, readsLater } = await settled();
    active.noteStore(new StoreError("unreachable", { operation: "readKeyPair", message: "no route to store" }));
    expect(active.usesLastKnownKey).toBe(true);
    expect(await readsLater()).toBe(1);
    expect(active.usesLastKnownKey).toBe(false);
    expect(await readsLater()).toBe(0);
  });

  it("is not enough while a pair was not taken up, which is made up for behind a read of the head", async () => {
    const { active, context, first, readsLater } = await settled();
    context.pendingTakeUps.set(first.pair.digest.toString("hex"), first.pair);
    expect(await readsLater()).toBe(1);
    await active.settled();
    expect(context.pendingTakeUps.size).toBe(0);
    expect(await readsLater()).toBe(0);
  });

  it("is asked for once by all who record at a time", async () => {
    const { active, clock, store } = await settled();
    clock.advance(minute);
    const looks = vi.spyOn(store, "headChanges");
    await Promise.all(Array.from({ length: 10 }, () => active.acquire(false)));
    expect(looks).toHaveBeenCalledTimes(1);
  });

  it("does not keep a change from being followed", async () => {
    const { active, first, readsLater } = await settled();
    const next = await first.rotation.rotate({});
    expect(await readsLater()).toBe(1);
    expect(active.current?.pair.digest).toEqual(next.digest);
  });
});

describe("what others have seen of the store", () => {
  it("is no trouble of a worker without a pair", async () => {
    const { active, health } = await fresh();
    active.noteStore(new StoreError("unreachable", { operation: "readKeyPair", message: "no route to store" }));
    expect(health.trouble).toBeUndefined();
  });
});
