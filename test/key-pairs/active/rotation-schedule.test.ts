import { afterEach, describe, expect, it, vi } from "vitest";
import { jitter, nextRotation } from "../../../src/key-pairs/active/schedule.js";
import { configuration, day, fleetSecret, minute, organizationId, turns, world } from "../world.js";

const away = () => Promise.reject(new Error("no route to store"));
const scheduled = true;
afterEach(() => void vi.restoreAllMocks());

describe("a due change", () => {
  it("is left for a while to whoever is quicker, by each worker for another while", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const { clock, configured } = world();
    const { rotation, pair } = await configured();
    const due = nextRotation(pair.birth)!;
    clock.set(due + 4_999);
    expect([rotation.isDue(), rotation.isDue(5_000), rotation.rotationIn]).toEqual([true, false, 1]);
    rotation.startWhenDue();
    expect(rotation.isRunning).toBe(false);
    clock.advance(1);
    expect([rotation.isDue(5_000), rotation.rotationIn]).toEqual([true, 0]);
    rotation.startWhenDue();
    expect(rotation.isRunning).toBe(true);
    await rotation.settled();
  });

  it("falls due at its slot and not before; what never changes is never due", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const { clock, configured, worker } = world();
    const idle = worker();
    expect([idle.rotation.isDue(), idle.rotation.rotationIn]).toEqual([false, Infinity]);
    const { rotation, pair } = await configured();
    const due = nextRotation(pair.birth)!;
    expect(rotation.rotationIn).toBe(due - clock.now());
    clock.set(due - 1);
    expect([rotation.isDue(), rotation.rotationIn]).toEqual([false, 1]);
    clock.set(due);
    expect([rotation.isDue(), rotation.rotationIn]).toEqual([true, 0]);
    await rotation.rotate({ configuration: { ...configuration, periodicKeyChange: "never" } });
    clock.advance(1_000 * day);
    expect([rotation.isDue(), rotation.rotationIn]).toEqual([false, Infinity]);
  });

  it("is started in the background once, and waited for by those who ask", async () => {
    const { clock, configured, store, kms } = world();
    const { rotation, active } = await configured();
    rotation.startWhenDue();
    expect(rotation.isRunning).toBe(false);
    clock.advance(2 * day);
    kms.journal.clear();
    rotation.startWhenDue();
    rotation.startWhenDue();
    expect(rotation.isRunning).toBe(true);
    await rotation.settled();
    expect(rotation.isRunning).toBe(false);
    expect([active.current?.pair.birth.sequence, kms.journal.count("Encrypt")]).toEqual([2, 2]);
    expect(await store.listKeyPairs(organizationId, { limit: 9 })).toHaveLength(2);
  });

  it("that fails is tried again after pauses from a minute to an hour; a success ends them", async () => {
    const { clock, configured, kms } = world();
    const { rotation, events } = await configured();
    clock.advance(2 * day);
    kms.faults.accessDenied({ operation: "Encrypt" });
    const pauses: number[] = [];
    for (let failure = 0; failure < 9; failure += 1) {
      rotation.startWhenDue();
      await rotation.settled();
      const error = expect.objectContaining({ kind: "access-denied" }) as unknown;
      expect(events.splice(0)).toContainEqual(["keyChangeFailed", { error }]);
      const pause = rotation.rotationIn;
      pauses.push(pause / minute);
      clock.advance(pause - 1);
      rotation.startWhenDue();
      expect(rotation.isRunning).toBe(false);
      clock.advance(1);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    kms.faults.heal();
    rotation.startWhenDue();
    await rotation.settled();
    kms.faults.accessDenied({ operation: "Encrypt" });
    clock.advance(2 * day);
    rotation.startWhenDue();
    await rotation.settled();
    expect(rotation.rotationIn).toBe(minute);
  });

  it("is not put off by a failure before a rotation that has succeeded", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const { clock, configured, kms } = world();
    const names = Array.from({ length: 1_000 }, (_, index) => `org-${index}`);
    const soon = names.find((name) => jitter(name, "X25519") < 30_000)!;
    const { rotation, pair } = await configured({ organizationId: soon });
    const due = nextRotation(pair.birth)!;
    clock.set(pair.birth.scheduleAnchor + day - 1); // the slot, without what spreads organizations over time
    kms.faults.outage();
    await expect(rotation.rotate({})).rejects.toMatchObject({ kind: "unreachable" });
    expect(rotation.rotationIn).toBe(minute);
    kms.faults.heal();
    await rotation.rotate({});
    expect(rotation.rotationIn).toBe(due - clock.now());
  });

  it("that another worker has made by the fleet's word ends the trouble that there was about it", async () => {
    const { clock, configured, worker, kms } = world();
    const secret = { fleetSecret: fleetSecret() };
    const { rotation, health } = await configured(secret);
    const other = worker(secret);
    clock.advance(2 * day);
    kms.faults.accessDenied({ operation: "Encrypt" });
    await expect(rotation.rotate({ scheduled })).rejects.toMatchObject({ kind: "access-denied" });
    expect(health.trouble?.task).toBe("rotate");
    kms.faults.heal();
    const made = await other.rotation.rotate({ scheduled });
    kms.journal.clear();
    expect((await rotation.rotate({ scheduled })).digest).toEqual(made.digest);
    expect({ trouble: health.trouble, calls: kms.journal.count() }).toEqual({ calls: 0 });
  });

  it("is content with what another worker has made meanwhile, and asks KMS for nothing new", async () => {
    const { clock, configured, worker, kms } = world();
    const { rotation } = await configured();
    const other = worker();
    await other.active.refresh();
    clock.advance(2 * day);
    const made = await other.rotation.rotate({ scheduled });
    kms.journal.clear();
    expect((await rotation.rotate({ scheduled })).digest).toEqual(made.digest);
    expect(kms.journal.count("Encrypt")).toBe(0);
  });

  it("is made on demand whatever another worker has made meanwhile", async () => {
    const { configured, worker } = world();
    const { rotation } = await configured();
    await worker().rotation.rotate({});
    expect((await rotation.rotate({})).birth).toMatchObject({ sequence: 3, reason: "on-demand" });
  });

  it("is made when what another worker has made is due again too", async () => {
    const { clock, configured, worker } = world();
    const { rotation } = await configured();
    const other = worker();
    clock.advance(2 * day);
    await other.rotation.rotate({});
    clock.advance(2 * day);
    expect((await rotation.rotate({ scheduled })).birth.sequence).toBe(3);
  });
});

describe("a rotation in the background", () => {
  it("that fails at the store leaves nothing running", async () => {
    const { clock, configured, store } = world();
    const { rotation } = await configured();
    clock.advance(2 * day);
    const read = vi.spyOn(store, "readHead").mockImplementation(away);
    rotation.startWhenDue();
    await turns();
    expect({ running: rotation.isRunning, reads: read.mock.calls.length }).toEqual({ running: false, reads: 1 });
  });
});
