import { describe, expect, it } from "vitest";
import { keyPairStates } from "../../src/administration.js";
import { accountId, configured, homeRegion, kmsKeyAliasArn, organizationId } from "../support/setup.js";

const day = 86_400_000;
const year = 365 * day;

/**
 * Two pairs under a first KMS key, made a day apart, and one under a second, made ten days later.
 * @param between - happens between the first two
 */
async function moved(between: (parts: Awaited<ReturnType<typeof configured>>) => Promise<void> = async () => {}) {
  const parts = await configured();
  const { keyStore, kms, clock } = parts;
  const start = clock.now();
  clock.advance(day);
  await between(parts);
  await keyStore.rotate();
  clock.advance(10 * day);
  const newKeyArn = kms.createKey({ accountId, region: homeRegion });
  kms.pointAlias(kmsKeyAliasArn, newKeyArn);
  await keyStore.rotate();
  kms.journal.clear();
  return { ...parts, start, newKeyArn };
}

const states = async (keyStore: Awaited<ReturnType<typeof moved>>["keyStore"], options = {}) =>
  (await keyStore.keyUsage(options)).keyPairs.map(({ state }) => state);

describe("keyUsage", () => {
  it("says which KMS keys wrap which pairs and since when none is active under them, without asking KMS", async () => {
    const { keyStore, keyArn, newKeyArn, kms, clock, start } = await moved();
    const report = await keyStore.keyUsage({ retention: year });
    expect(report).toMatchObject({ organizationId, at: new Date(clock.now()), probed: false });
    expect(report.kmsKeys).toEqual([
      { kmsKeyArn: newKeyArn, keyPairs: 1, keyPairsOnlyHere: 1, active: true },
      {
        kmsKeyArn: keyArn,
        keyPairs: 2,
        keyPairsOnlyHere: 2,
        active: false,
        lastActive: new Date(start + 11 * day),
        retirableFrom: new Date(start + 11 * day + year),
      },
    ]);
    expect(
      report.keyPairs.map(({ sequence, state, activeFrom, activeUntil, kmsKeyArns }) => [
        sequence,
        state,
        activeFrom.getTime() - start,
        activeUntil && activeUntil.getTime() - start,
        kmsKeyArns,
      ]),
    ).toEqual([
      [3, "active", 11 * day, undefined, [newKeyArn]],
      [2, "deactivated", day, 11 * day, [keyArn]],
      [1, "deactivated", 0, day, [keyArn]],
    ]);
    expect(kms.journal.count()).toBe(0);
    expect((await keyStore.keyUsage()).kmsKeys[1]).not.toHaveProperty("retirableFrom");
  });

  it("says which KMS key nothing needs any more, once all is rewrapped and opens", async () => {
    const { keyStore, keyArn, newKeyArn, kms } = await moved();
    await keyStore.rewrapKeyPairs();
    kms.journal.clear();
    const { kmsKeys, keyPairs } = await keyStore.keyUsage({ probe: true });
    expect(kmsKeys).toMatchObject([
      { kmsKeyArn: newKeyArn, keyPairs: 3, keyPairsOnlyHere: 1, opens: "yes" },
      { kmsKeyArn: keyArn, keyPairs: 2, keyPairsOnlyHere: 0, opens: "yes" },
    ]);
    expect(kms.journal.count("Decrypt")).toBe(5);
    expect(keyPairs[2]).toMatchObject({ kmsKeyArns: [keyArn, newKeyArn], opensUnder: [keyArn, newKeyArn] });
    kms.disableKey(newKeyArn);
    const later = await keyStore.keyUsage({ probe: true });
    expect(later.kmsKeys.map(({ keyPairsOnlyHere, opens }) => [keyPairsOnlyHere, opens])).toEqual([
      [1, "no"],
      [2, "yes"],
    ]);
    expect(later.keyPairs.map(({ state }) => state)).toEqual(["suspended", "deactivated", "deactivated"]);
  });

  it("knows every state of NIST SP 800-57", async () => {
    const { keyStore, keyStoreWith, keyArn, kms, store, clock } = await moved();
    kms.disableKey(keyArn);
    expect(await states(keyStore)).toEqual(["active", "deactivated", "deactivated"]);
    expect(await states(keyStore, { probe: true })).toEqual(["active", "suspended", "suspended"]);
    kms.enableKey(keyArn);
    kms.scheduleKeyDeletion(keyArn);
    expect(await states(keyStore, { probe: true })).toEqual(["active", "suspended", "suspended"]);
    clock.advance(31 * day);
    expect(await states(keyStore, { probe: true })).toEqual(["active", "destroyed", "destroyed"]);
    const { keyPairs } = await keyStore.keyUsage();
    const compromised = [keyPairs[2]!.keyPairId];
    expect(await states(keyStore, { compromised })).toEqual(["active", "deactivated", "compromised"]);
    const head = await store.readHead(organizationId);
    await keyStore.rotate();
    const ahead = await store.readHead(organizationId);
    await store.swapHead(organizationId, ahead!.revision, head!.document);
    expect(await states(keyStoreWith())).toEqual(["pre-activation", "active", "deactivated", "deactivated"]);
    expect(keyPairStates).toEqual(["pre-activation", "active", "deactivated", "suspended", "compromised", "destroyed"]);
  });

  it("calls an outage no verdict: no state and no advice follows from it", async () => {
    const { keyStore, kms } = await moved();
    kms.faults.outage();
    const report = await keyStore.keyUsage({ probe: true });
    expect(report.kmsKeys).toMatchObject([
      { opens: "unknown", error: { code: "ERR_KMS_UNAVAILABLE" } },
      { opens: "unknown" },
    ]);
    expect(report.keyPairs.map(({ state }) => state)).toEqual(["active", "deactivated", "deactivated"]);
  });

  it("says which key material of a KMS key wraps which pairs, so that one that none needs can be retired", async () => {
    const { keyStore, kms, keyArn, clock, start } = await moved(async ({ kms: before, keyArn: rotated }) => {
      before.rotateKey(rotated);
    });
    const report = await keyStore.keyUsage({ probe: true, retention: year });
    const [now, earlier] = report.kmsKeys;
    const materials = report.keyPairs.map((pair) => pair.keyMaterials!.map(({ keyMaterialId }) => keyMaterialId));
    const [[third], [second], [first]] = materials as [[string], [string], [string]];
    expect(new Set([first, second, third]).size).toBe(3);
    for (const id of [first, second, third]) expect(id).toMatch(/^[0-9a-f]{64}$/);
    const use = { keyPairs: 1, keyPairsOnlyHere: 1, active: false };
    const until = (days: number) => ({
      lastActive: new Date(start + days * day),
      retirableFrom: new Date(start + days * day + year),
    });
    expect(now).toMatchObject({
      keyMaterials: [{ keyMaterialId: third, keyPairs: 1, keyPairsOnlyHere: 1, active: true }],
      keyPairsOfUnknownMaterial: 0,
    });
    expect(earlier).toMatchObject({ kmsKeyArn: keyArn, keyPairsOfUnknownMaterial: 0 });
    expect(earlier!.keyMaterials).toEqual([
      { keyMaterialId: second, ...use, ...until(11) },
      { keyMaterialId: first, ...use, ...until(1) },
    ]);
    expect(report.keyPairs[2]!.keyMaterials).toEqual([{ kmsKeyArn: keyArn, keyMaterialId: first }]);
    await keyStore.rewrapKeyPairs();
    const rewrapped = await keyStore.keyUsage({ probe: true });
    expect(rewrapped.kmsKeys[1]!.keyMaterials!.map(({ keyPairsOnlyHere }) => keyPairsOnlyHere)).toEqual([0, 0]);
    expect(rewrapped.kmsKeys[0]!.keyMaterials).toMatchObject([{ keyMaterialId: third, keyPairs: 3 }]);
    expect(rewrapped.keyPairs[2]!.keyMaterials).toHaveLength(2);
    expect(clock.now()).toBeGreaterThan(start);
    expect(kms.journal.count("Decrypt")).toBeGreaterThan(0);
  });

  it("says nothing of key materials unless it asks, and how many pairs it knows none of", async () => {
    const { keyStore, kms, keyArn } = await moved();
    const unasked = await keyStore.keyUsage();
    for (const one of [...unasked.kmsKeys, ...unasked.keyPairs]) expect(one).not.toHaveProperty("keyMaterials");
    kms.disableKey(keyArn);
    const { kmsKeys, keyPairs } = await keyStore.keyUsage({ probe: true });
    expect(kmsKeys).toMatchObject([
      { keyPairsOfUnknownMaterial: 0 },
      { keyPairs: 2, keyMaterials: [], keyPairsOfUnknownMaterial: 2 },
    ]);
    expect(keyPairs[2]).toMatchObject({ opensUnder: [], keyMaterials: [] });
  });

  it.each([
    ["does not tell them", undefined],
    ["tells what is none", "0".repeat(63)],
    ["tells them in capitals, as KMS never does", "A".repeat(64)],
    ["tells something else", { length: 64 }],
  ])("knows no key material where the provider %s, and opens all the same", async (_, keyMaterialId) => {
    const { keyStoreWith, provider } = await moved();
    const aws = provider();
    const kms = Object.assign(Object.create(aws) as typeof aws, {
      decrypt: async (...call: Parameters<typeof aws.decrypt>) => {
        const { keyArn, plaintext } = await aws.decrypt(...call);
        return { keyArn, plaintext, keyMaterialId: keyMaterialId as string };
      },
      encrypt: aws.encrypt.bind(aws),
      describeKey: aws.describeKey.bind(aws),
      generateDataKeyPair: aws.generateDataKeyPair.bind(aws),
    });
    const { kmsKeys } = await keyStoreWith({ kms }).keyUsage({ probe: true });
    expect(kmsKeys).toMatchObject([
      { opens: "yes", keyMaterials: [], keyPairsOfUnknownMaterial: 1 },
      { opens: "yes", keyMaterials: [], keyPairsOfUnknownMaterial: 2 },
    ]);
  });

  it("ends with its signal, and refuses what it does not know", async () => {
    const { keyStore } = await moved();
    await expect(keyStore.keyUsage({ signal: AbortSignal.abort(new Error("left")) })).rejects.toThrow("left");
    await expect(keyStore.keyUsage({ retention: -1 })).rejects.toMatchObject({ field: "retention" });
  });
});
