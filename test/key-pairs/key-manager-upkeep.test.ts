import { afterEach, describe, expect, it, vi } from "vitest";
import { nextKeyChange } from "../../src/key-pairs/active/schedule.js";
import { configured, managed, signal } from "./managers.js";
import { day, minute, turns } from "./world.js";

const away = () => Promise.reject(new Error("no route to store"));
afterEach(() => void vi.restoreAllMocks());

describe("upkeep", () => {
  it("is due with what falls due first, and never where it is left to explicit calls", async () => {
    const { keys, manager, clock, pair } = await configured();
    expect(manager({ background: false }).upkeepIn).toBeUndefined();
    expect(manager().upkeepIn).toBe(0);
    expect(keys.upkeepIn).toBe(15 * minute);
    clock.set(nextKeyChange(pair.birth)! - minute);
    await keys.confirm(signal);
    // Each worker waits some seconds more than another, so that one of them does it.
    expect(keys.upkeepIn).toBeGreaterThanOrEqual(minute);
    expect(keys.upkeepIn).toBeLessThan(minute + 10_000);
    await keys.close();
  });

  it("confirms, changes and reminds, and waits until that is done", async () => {
    const { keys, clock, kms } = await configured();
    clock.advance(2 * day);
    await keys.keepUp(signal);
    expect([kms.journal.count("Encrypt"), keys.isQuiet]).toEqual([2, true]);
    expect((await keys.encryptionKey(signal)).pair.birth.sequence).toBe(2);
    kms.faults.outage();
    clock.advance(15 * minute);
    await keys.keepUp(signal);
    keys.events.splice(0);
    expect(keys.isQuiet).toBe(false);
    kms.faults.heal();
    kms.faults.accessDenied();
    clock.advance(day);
    await keys.keepUp(signal);
    expect(keys.events.filter((name) => name === "lastKnownKeyInUse")).toHaveLength(1);
    kms.faults.heal();
    clock.advance(2 * minute);
    await keys.keepUp(signal);
    expect([keys.isQuiet, keys.usesLastKnownKey]).toEqual([true, false]);
  });

  it("fails for nothing, but ends with its caller", async () => {
    const { keys, store, clock } = await configured();
    vi.spyOn(store, "readHead").mockImplementation(away);
    clock.advance(15 * minute);
    await keys.keepUp(signal);
    expect(keys.usesLastKnownKey).toBe(true);
    const unknown = managed().manager();
    await unknown.keepUp(signal);
    expect(unknown.isQuiet).toBe(true);
    await expect(keys.keepUp(AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });

  it("is not over while a change runs, and close() waits for that", async () => {
    const { keys, clock } = await configured();
    clock.advance(2 * day);
    await keys.encryptionKey(signal);
    expect(keys.isQuiet).toBe(false);
    await keys.close();
    await turns();
    expect(keys.isQuiet).toBe(true);
    expect((await keys.encryptionKey(signal)).pair.birth.sequence).toBe(2);
  });
});
