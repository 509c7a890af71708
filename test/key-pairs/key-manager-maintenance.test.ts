import { afterEach, describe, expect, it, vi } from "vitest";
import { nextRotation } from "../../src/key-pairs/active/schedule.js";
import { configured, managed, signal } from "./managers.js";
import { day, minute, turns } from "./world.js";

const away = () => Promise.reject(new Error("no route to store"));
afterEach(() => void vi.restoreAllMocks());

describe("maintenance", () => {
  it("is due with what falls due first, and never where it is left to explicit calls", async () => {
    const { keys, manager, clock, pair } = await configured();
    expect(manager({ background: false }).maintenanceIn).toBeUndefined();
    expect(manager().maintenanceIn).toBe(0);
    expect(keys.maintenanceIn).toBe(15 * minute);
    clock.set(nextRotation(pair.birth)! - minute);
    await keys.confirm(signal);
    // Each worker waits some seconds more than another, so that one of them does it.
    expect(keys.maintenanceIn).toBeGreaterThanOrEqual(minute);
    expect(keys.maintenanceIn).toBeLessThan(minute + 10_000);
    await keys.close();
  });

  it("confirms, rotates and reminds, and waits until that is done", async () => {
    const { keys, clock, kms } = await configured();
    clock.advance(2 * day);
    await keys.maintain(signal);
    expect([kms.journal.count("Encrypt"), keys.isIdle]).toEqual([2, true]);
    expect((await keys.encryptionKey(signal)).pair.birth.sequence).toBe(2);
    kms.faults.outage();
    clock.advance(15 * minute);
    await keys.maintain(signal);
    keys.events.splice(0);
    expect(keys.isIdle).toBe(false);
    kms.faults.heal();
    kms.faults.accessDenied();
    clock.advance(day);
    await keys.maintain(signal);
    expect(keys.events.filter((name) => name === "lastKnownKeyInUse")).toHaveLength(1);
    kms.faults.heal();
    clock.advance(2 * minute);
    await keys.maintain(signal);
    expect([keys.isIdle, keys.usesLastKnownKey]).toEqual([true, false]);
  });

  it("fails for nothing, but ends with its caller", async () => {
    const { keys, store, clock } = await configured();
    vi.spyOn(store, "readHead").mockImplementation(away);
    clock.advance(15 * minute);
    await keys.maintain(signal);
    expect(keys.usesLastKnownKey).toBe(true);
    const unknown = managed().manager();
    await unknown.maintain(signal);
    expect(unknown.isIdle).toBe(true);
    await expect(keys.maintain(AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });

  it("is not over while a rotation runs, and close() waits for that", async () => {
    const { keys, clock } = await configured();
    clock.advance(2 * day);
    await keys.encryptionKey(signal);
    expect(keys.isIdle).toBe(false);
    await keys.close();
    await turns();
    expect(keys.isIdle).toBe(true);
    expect((await keys.encryptionKey(signal)).pair.birth.sequence).toBe(2);
  });
});
