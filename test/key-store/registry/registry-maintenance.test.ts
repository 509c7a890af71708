import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreRegistry } from "../../../src/index.js";
import { InMemoryKms, InMemoryKmsProvider, MemoryKeyPairStore } from "../../../src/testing/index.js";
import { accountId, day, homeRegion, ids, kmsKeyAliasArn, minute, world } from "./world.js";

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10);
}

describe("while no recording is made", () => {
  it("keys are confirmed again, trouble is found, and over once KMS is back", async () => {
    const { stores, configure, kms, clock } = world();
    await configure("org-1", "org-2");
    const { lastConfirmedAt } = await (await stores.for("org-1")).status();
    clock.advance(30 * minute);
    await until(async () => (await (await stores.for("org-1")).status()).lastConfirmedAt! > lastConfirmedAt!);
    kms.faults.outage();
    clock.advance(30 * minute);
    await until(() => stores.status().usingLastKnownKey === 2);
    kms.faults.heal();
    clock.advance(2 * minute);
    await until(() => stores.status().usingLastKnownKey === 0);
    await stores.close();
  });

  it("keys are changed when due, and a failed change is tried again", async () => {
    const { stores, configure, kms, clock } = world();
    await configure("org-1");
    const active = async () => (await (await stores.for("org-1")).status()).activeKeyPair?.sequence;
    clock.advance(2 * day);
    await until(async () => (await active()) === 2);
    const failed: unknown[] = [];
    stores.on("keyChangeFailed", (event) => failed.push(event));
    kms.faults.accessDenied({ operation: "Encrypt" });
    clock.advance(2 * day);
    await until(() => failed.length === 1);
    kms.faults.heal();
    clock.advance(5 * minute);
    await until(async () => (await active()) === 3);
    await stores.close();
  });

  it("an organization that was only asked for is confirmed too", async () => {
    const { stores, configure, registryWith, clock, kms } = world();
    await configure("org-1");
    await stores.close();
    const restarted = registryWith();
    await restarted.for("org-1");
    await restarted.for("never-configured");
    kms.journal.clear();
    clock.advance(2 * minute);
    await until(() => kms.journal.count("Decrypt") === 1);
    await restarted.close();
  });

  it("nothing is done if background work is left to explicit calls", async () => {
    const { stores, configure, kms, clock } = world({ resolveOrganization: (id) => ({ background: id === "org-2" }) });
    await configure("org-1", "org-2");
    kms.journal.clear();
    clock.advance(30 * minute);
    await until(() => kms.journal.count("Decrypt") === 1);
    await sleep(100);
    expect(kms.journal.count("Decrypt")).toBe(1);
    await stores.close();
  });

  it("a wall clock that was set back stops nothing", async () => {
    const { stores, configure, kms, clock } = world();
    await configure("org-1");
    clock.advance(30 * minute);
    await until(() => kms.journal.count("Decrypt") > 2);
    clock.set(clock.now() - 300 * day);
    kms.journal.clear();
    clock.advance(2 * 60 * minute);
    await until(() => kms.journal.count("Decrypt") > 0);
    await stores.close();
  });

  it("nothing is asked after close()", async () => {
    const { stores, configure, kms, clock } = world();
    await configure(...ids(5));
    await stores.close();
    kms.journal.clear();
    clock.advance(3 * day);
    await sleep(80);
    expect(kms.journal.count()).toBe(0);
  });
});

describe("under fake timers", () => {
  afterEach(() => void vi.useRealTimers());

  it("keys are confirmed again, spread over time: never more than one organization in sixty per second", async () => {
    vi.useFakeTimers();
    const kms = new InMemoryKms();
    kms.createKey({ region: homeRegion, alias: "alias/recordings" });
    const stores = new RecordingKeyStoreRegistry({
      homeRegion,
      kms: new InMemoryKmsProvider(kms),
      store: new MemoryKeyPairStore(),
      trustedKmsKeys: [accountId],
    });
    for (const id of ids(300)) await (await stores.for(id)).configure({ kmsKeyAliasArn });
    kms.journal.clear();
    const perSecond: number[] = [];
    for (let second = 0; second < 20 * 60; second += 1) {
      await vi.advanceTimersByTimeAsync(1_000);
      perSecond.push(kms.journal.count("Decrypt"));
      kms.journal.clear();
    }
    expect(perSecond.reduce((sum, calls) => sum + calls)).toBeGreaterThanOrEqual(300);
    expect(Math.max(...perSecond)).toBeLessThanOrEqual(5);
    expect(vi.getTimerCount()).toBe(1);
    await stores.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});
