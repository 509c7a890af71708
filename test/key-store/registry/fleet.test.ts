import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import type { RecordingKeyStoreRegistry } from "../../../src/index.js";
import { audio, collectGarbage, ids, minute, world } from "./world.js";
import { backgroundWork } from "../../support/turns.js";

const recording = { recordingId: "r" };
const fleetSecret = randomBytes(32);
const encryptIn = async (process: RecordingKeyStoreRegistry, organizationId: string) =>
  (await process.for(organizationId)).encryptRecording(audio, recording);

describe("a fleet of registries with one secret", () => {
  it("holds every organization's last confirmed key in a process that starts while KMS is away", async () => {
    const { stores, registryWith, configure, encrypt, kms } = world({ fleetSecret });
    await configure(...ids(3));
    const before = await Promise.all(ids(3).map((id) => encrypt(id)));
    kms.faults.outage();
    kms.journal.clear();
    const pod = registryWith();
    for (const [index, id] of ids(3).entries()) {
      const { keyPairId } = before[index]!;
      expect(await encryptIn(pod, id)).toMatchObject({ keyPairId, confirmation: "confirmed" });
      expect(await (await pod.for(id)).status()).toMatchObject({ vouchedBy: "fleet" });
    }
    expect(kms.journal.count()).toBe(0);
    await Promise.all([stores.close(), pod.close()]);
  });

  it("needs no word where KMS answers, and uses nothing unconfirmed without one", async () => {
    const { stores, registryWith, configure, kms, clock } = world();
    await configure("org-0");
    const pods = {
      believing: registryWith({ fleetSecret }),
      lax: registryWith({ fleetSecret, requireConfirmedKey: false }),
    };
    kms.faults.outage();
    await expect(encryptIn(pods.believing, "org-0")).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED" });
    expect(await encryptIn(pods.lax, "org-0")).toMatchObject({ confirmation: "unconfirmed" });
    kms.faults.heal();
    clock.advance(31_000);
    expect(await encryptIn(pods.believing, "org-0")).toMatchObject({ confirmation: "confirmed" });
    await Promise.all([stores.close(), pods.believing.close(), pods.lax.close()]);
  });

  it("takes no word about one organization for another's", async () => {
    const { stores, registryWith, configure, store, kms } = world({ fleetSecret });
    await configure("org-0", "org-1");
    await store.writeStatus("org-1", (await store.readStatus("org-0"))!);
    kms.faults.outage();
    const pod = registryWith();
    expect(await encryptIn(pod, "org-0")).toMatchObject({ confirmation: "confirmed" });
    await expect(encryptIn(pod, "org-1")).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED" });
    await Promise.all([stores.close(), pod.close()]);
  });

  it("has one process's upkeep ask KMS for all of them", async () => {
    const { stores, registryWith, configure, clock, kms } = world({ fleetSecret });
    await configure(...ids(2));
    const fleet = [stores, registryWith(), registryWith()];
    for (const process of fleet) for (const id of ids(2)) await encryptIn(process, id);
    kms.journal.clear();
    for (let minutes = 0; minutes < 16; minutes += 1) {
      clock.advance(minute);
      await backgroundWork();
    }
    while (kms.journal.count("Decrypt") < 2) await backgroundWork();
    await backgroundWork();
    expect(kms.journal.count("Decrypt")).toBe(2);
    await Promise.all(fleet.map((process) => process.close()));
  });

  it("may have another secret for an organization of its own", async () => {
    const own = randomBytes(32);
    const resolveOrganization = (id: string) => (id === "own" ? { fleetSecret: own } : {});
    const { stores, registryWith, configure, kms } = world({ fleetSecret, resolveOrganization });
    await configure("own", "common");
    kms.faults.outage();
    const pod = registryWith();
    for (const id of ["own", "common"]) expect(await encryptIn(pod, id)).toMatchObject({ confirmation: "confirmed" });
    const stranger = registryWith({ resolveOrganization: () => ({}) });
    await expect(encryptIn(stranger, "own")).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED" });
    expect(await encryptIn(stranger, "common")).toMatchObject({ confirmation: "confirmed" });
    await Promise.all([stores.close(), pod.close(), stranger.close()]);
  });

  it("copies its secret at once: the caller's buffer may be wiped before any organization is asked for", async () => {
    const buffer = Buffer.from(fleetSecret);
    const { stores, registryWith, configure, kms } = world({ fleetSecret: buffer });
    buffer.fill(0);
    await configure("org-0");
    kms.faults.outage();
    const pod = registryWith({ fleetSecret });
    expect(await encryptIn(pod, "org-0")).toMatchObject({ confirmation: "confirmed" });
    await Promise.all([stores.close(), pod.close()]);
  });

  it("copies what the look-up gives too, for organizations that are let go and come back", async () => {
    const buffer = Buffer.from(fleetSecret);
    const resolveOrganization = () => ({ fleetSecret: buffer });
    const { stores, registryWith, configure, encrypt, clock, kms } = world({
      resolveOrganization,
      maxIdleKeyStores: 1,
    });
    await configure("org-0", "org-1");
    buffer.fill(0);
    clock.advance(16 * minute);
    for (const id of ["org-0", "org-1", "org-0"]) {
      await expect.poll(() => stores.status().keyStores).toBe(1);
      await collectGarbage();
      await encrypt(id);
      await (await stores.for(id)).confirm();
    }
    kms.faults.outage();
    const pod = registryWith({ fleetSecret, resolveOrganization: () => ({}) });
    for (const id of ["org-0", "org-1"]) expect(await encryptIn(pod, id)).toMatchObject({ confirmation: "confirmed" });
    await Promise.all([stores.close(), pod.close()]);
  });

  it("is refused a bad secret by name, and shows none", async () => {
    const { registryWith, configure, stores } = world({ fleetSecret });
    const make = () => registryWith({ fleetSecret: fleetSecret.subarray(1) });
    expect(make).toThrow(expect.objectContaining({ code: "ERR_INVALID_INPUT", field: "fleetSecret" }));
    const own = registryWith({ resolveOrganization: () => ({ fleetSecret: "short" as never }) });
    await expect(own.for("org-0")).rejects.toMatchObject({
      field: "fleetSecret",
      message: expect.not.stringContaining("short"),
    });
    await configure("org-0");
    const seen = inspect([stores, await stores.for("org-0"), stores.status()], { depth: 9, showHidden: true });
    expect(seen).not.toContain(fleetSecret.toString("hex").slice(0, 16));
    expect(seen).not.toMatch(/Uint8Array|Buffer/);
    await Promise.all([stores.close(), own.close()]);
  });
});
