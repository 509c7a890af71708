import { describe, expect, it } from "vitest";
import { MemoryLastConfirmedStore } from "../../../src/testing/index.js";
import { failure } from "../../kms/held-kms.js";
import { configured as managed, signal } from "../managers.js";
import { configuration, day, fleetSecret, fresh, minute, turns, world } from "../world.js";

const year = 365 * day;

describe("maxLastConfirmedAge", () => {
  it("passes on the monotonic clock too, with the wall clock set back", async () => {
    const { keys, kms, clock } = await managed({ background: false, maxLastConfirmedAge: day });
    kms.faults.outage();
    clock.set(clock.now() - 300 * day);
    clock.advance(day - 1);
    expect(await keys.encryptionKey(signal)).toMatchObject({ confirmation: "confirmed" });
    clock.advance(2);
    await expect(keys.encryptionKey(signal)).rejects.toMatchObject({ code: "ERR_KEY_TOO_OLD" });
    kms.faults.heal();
    clock.advance(minute);
    expect(await keys.encryptionKey(signal)).toMatchObject({ confirmation: "confirmed" });
  });

  it("takes a host's memory from the future for one that is too old", async () => {
    const lastConfirmed = new MemoryLastConfirmedStore();
    const { manager, kms, clock } = await managed({ background: false, lastConfirmed });
    kms.faults.outage();
    clock.set(clock.now() - year);
    const options = { background: false, lastConfirmed };
    await expect(manager({ ...options, maxLastConfirmedAge: day }).encryptionKey(signal)).rejects.toMatchObject({
      code: "ERR_KEY_TOO_OLD",
    });
    expect(await manager(options).encryptionKey(signal)).toMatchObject({ confirmation: "confirmed" });
  });

  it("does not count the fleet's word from the future, however often it is read", async () => {
    const options = { fleetSecret: fleetSecret(), background: false, maxLastConfirmedAge: day };
    const { manager, kms, clock } = await managed(options);
    const told = clock.now();
    kms.faults.outage();
    clock.set(told - year);
    await expect(manager(options).encryptionKey(signal)).rejects.toMatchObject({ code: "ERR_KEY_TOO_OLD" });
    clock.set(told - minute); // as clocks of a fleet differ
    expect(await manager(options).encryptionKey(signal)).toMatchObject({ confirmation: "confirmed" });
  });
});

describe("a change of key", () => {
  it("is due at once after one by a clock that was far ahead, and goes on from there by the schedule", async () => {
    const { worker, clock } = world();
    const real = clock.now();
    clock.set(real + year);
    const { rotation } = worker();
    await rotation.rotate({ configuration: configuration });
    clock.set(real);
    const other = worker();
    await other.active.acquireVouched();
    expect(other.rotation.isDue()).toBe(true);
    expect(other.rotation.rotationIn).toBeLessThanOrEqual(10_000);
    const pair = await other.rotation.rotate({ scheduled: true });
    expect(pair.birth).toMatchObject({ createdAt: real, scheduleAnchor: real, sequence: 2 });
    expect(other.rotation.isDue()).toBe(false);
    clock.advance(2 * day);
    expect(other.rotation.isDue()).toBe(true);
  });

  it("is not undone in turns by workers whose clocks differ by days", async () => {
    const { worker, clock } = world();
    const real = clock.now();
    clock.set(real + year);
    await worker().rotation.rotate({ configuration });
    clock.set(real);
    const other = worker();
    await other.active.acquireVouched();
    await other.rotation.rotate({ scheduled: true });
    clock.set(real + year);
    const again = worker();
    await again.active.acquireVouched();
    await again.rotation.rotate({ scheduled: true });
    clock.set(real);
    await other.active.acquireVouched();
    expect(other.rotation.isDue()).toBe(false);
    clock.advance(day);
    expect(other.rotation.isDue()).toBe(true);
  });

  it("that failed is tried again after its pause, with the wall clock set back since", async () => {
    const { active, rotation, clock, kms } = await fresh();
    await active.acquireVouched();
    clock.advance(2 * day);
    kms.faults.outage();
    await expect(rotation.rotate({ scheduled: true })).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
    kms.faults.heal();
    clock.set(clock.now() - minute / 2);
    expect(rotation.rotationIn).toBeLessThanOrEqual(0);
    rotation.startWhenDue();
    expect(rotation.isRunning).toBe(true);
    await rotation.settled();
    expect(active.vouched?.pair.birth.sequence).toBe(2);
  });
});

describe("time that counts although the wall clock was set back", () => {
  it("brings the reminders of the last known key", async () => {
    const { health, clock, told } = await fresh();
    health.failed("confirm", failure("timeout"));
    clock.set(clock.now() - year);
    told();
    health.remind();
    expect(told()).toEqual([]);
    clock.advance(day);
    health.remind();
    expect(told()).toEqual(["lastKnownKeyInUse"]);
  });

  it("has the fleet told again", async () => {
    const { active, fleet, clock, store } = await fresh({ fleetSecret: fleetSecret() });
    const { pair } = await active.acquireVouched();
    await fleet.tell(pair, { confirmedAt: clock.now() });
    clock.set(clock.now() - year);
    const before = await store.readStatus("org-1");
    await fleet.tell(pair, { confirmedAt: clock.now() });
    await turns();
    expect(await store.readStatus("org-1")).not.toEqual(before);
  });
});
