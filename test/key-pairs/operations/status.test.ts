import { afterEach, describe, expect, it, vi } from "vitest";
import { encodeDocument } from "../../../src/key-pairs/documents.js";
import { attestedDigest } from "../../../src/key-pairs/key-pair.js";
import { nextRotation } from "../../../src/key-pairs/active/schedule.js";
import { MemoryLastConfirmedStore } from "../../../src/testing/index.js";
import { invented } from "../inventions.js";
import { configured, managed, signal } from "../managers.js";
import { configuration, fleetSecret, minute, organizationId, pointAsWriter } from "../world.js";

const away = () => Promise.reject(new Error("no route to store"));
afterEach(() => void vi.restoreAllMocks());

const nothing = {
  organizationId,
  configured: false,
  usedLastKnownKey: false,
  keyAtRisk: false,
  trust: { kind: "configured" },
};
const error = (members: object) => expect.objectContaining(members) as unknown;

describe("the status of an organization that is not configured", () => {
  it("has little to say, and asks KMS for nothing", async () => {
    const { manager, kms } = managed();
    expect(await manager().status(signal)).toEqual(nothing);
    expect(kms.journal.count()).toBe(0);
  });

  it("names the alias that was trusted on first use, once there is one", async () => {
    const { manager } = managed();
    const keys = manager({ trustedKmsKeys: undefined as never });
    expect((await keys.status(signal)).trust).toEqual({ kind: "first-use", kmsKeyAliasArn: undefined });
    await keys.rotate({ configuration, signal });
    const { kmsKeyAliasArn } = configuration;
    expect((await keys.status(signal)).trust).toEqual({ kind: "first-use", kmsKeyAliasArn });
  });
});

describe("the status of a pair in use", () => {
  it("tells all there is, from memory and store, without asking KMS", async () => {
    const { keys, pair, clock, kms } = await configured();
    expect(await keys.status(signal)).toEqual({
      ...nothing,
      configured: true,
      configuration,
      activeKeyPair: {
        keyPairId: pair.birth.keyPairId,
        sequence: 1,
        active: true,
        reason: "configure",
        spec: "X25519",
        createdAt: new Date(clock.now()),
        kmsKeyAliasArn: configuration.kmsKeyAliasArn,
        kmsKeyArn: pair.wrapping.kmsKeyArn,
        periodicKeyChange: "daily",
        digest: pair.digest.toString("base64url"),
      },
      vouchedBy: "kms",
      confirmation: "confirmed",
      lastConfirmedAt: new Date(clock.now()),
      nextKeyChange: new Date(nextRotation(pair.birth)!),
    });
    expect(kms.journal.count()).toBe(0);
  });

  it("tells what KMS said last, since when there is trouble, and what to do", async () => {
    const { keys, pair, clock, kms, keyArn } = await configured();
    const before = await keys.status(signal);
    clock.advance(minute);
    kms.disableKey(keyArn);
    const at = new Date(clock.now());
    const disabled = error({ kind: "key-disabled" });
    const message = expect.any(String) as string;
    const told = await keys.confirm(signal);
    expect(told).toEqual({
      ...before,
      usedLastKnownKey: true,
      keyAtRisk: true,
      trouble: { since: at, task: "confirm", error: disabled },
      lastKmsError: { at, error: disabled, diagnosis: error({ kind: "key-disabled" }) },
      fleet: { at, failure: { kind: "key-disabled", operation: "Decrypt", message }, authentic: false },
    });
    clock.advance(minute);
    await keys
      .lease([{ birthRecord: pair.birthRecord, wrappedDataKey: Buffer.alloc(80) }], { signal })
      .catch(() => undefined);
    expect((await keys.status(signal)).trouble?.since).toEqual(at);
    kms.enableKey(keyArn);
    const healed = await keys.confirm(signal);
    expect(healed).toMatchObject({ usedLastKnownKey: false, keyAtRisk: false, lastKmsError: { error: disabled } });
    expect(healed).not.toHaveProperty("trouble");
  });

  it("gives advice with the organization's own names", async () => {
    const { manager, kms } = await configured();
    const keys = manager({ contextKeyName: ["my-org-key", "genesys-cloud-organization-id"], background: false });
    await keys.encryptionKey(signal);
    kms.faults.accessDenied();
    const { lastKmsError } = await keys.confirm(signal);
    const both = new RegExp(`my-org-key.*${organizationId}|${organizationId}.*my-org-key`);
    expect(lastKmsError?.diagnosis.whatToDo.join(" ")).toMatch(both);
  });

  it("names no next change where the schedule is never", async () => {
    const { keys } = await configured();
    await keys.rotate({ configuration: { ...configuration, periodicKeyChange: "never" }, signal });
    expect(await keys.status(signal)).not.toHaveProperty("nextKeyChange");
  });

  it("has no date, no voucher and no next change where nobody has vouched for the pair", async () => {
    const { manager, kms, pair } = await configured();
    kms.faults.outage();
    const keys = manager({ background: false });
    await keys.encryptionKey(signal);
    const status = await keys.status(signal);
    expect(status).toMatchObject({
      configured: true,
      configuration,
      confirmation: "unconfirmed",
      activeKeyPair: { keyPairId: pair.birth.keyPairId, active: true },
      usedLastKnownKey: true,
    });
    for (const name of ["lastConfirmedAt", "vouchedBy", "nextKeyChange", "claimed"])
      expect(status).not.toHaveProperty(name);
  });

  it("shows a pair that the store has meanwhile as claimed, and not as active", async () => {
    const { keys, manager, pair } = await configured({ background: false });
    const next = await manager().rotate({ configuration: { ...configuration, periodicKeyChange: "yearly" }, signal });
    expect(await keys.status(signal)).toMatchObject({
      configuration,
      activeKeyPair: { keyPairId: pair.birth.keyPairId },
      claimed: {
        configuration: { ...configuration, periodicKeyChange: "yearly" },
        keyPair: { keyPairId: next.birth.keyPairId, sequence: 2, active: false },
      },
    });
  });
});

describe("the status of a process that has just started", () => {
  it("shows what the store names as a claim, until KMS was asked", async () => {
    const { manager, pair, kms } = await configured();
    const keys = manager();
    expect(await keys.status(signal)).toEqual({
      ...nothing,
      configured: true,
      claimed: { configuration, keyPair: error({ keyPairId: pair.birth.keyPairId, active: false }) },
    });
    expect(kms.journal.count()).toBe(0);
    await keys.encryptionKey(signal);
    const status = await keys.status(signal);
    expect(status).toMatchObject({ vouchedBy: "kms", activeKeyPair: { keyPairId: pair.birth.keyPairId } });
    expect(status).not.toHaveProperty("claimed");
  });

  it("shows the last confirmed pair of its host", async () => {
    const lastConfirmed = new MemoryLastConfirmedStore();
    const { manager, pair, clock, kms } = await configured({ lastConfirmed });
    clock.advance(minute);
    const confirmedAt = new Date(clock.now() - minute);
    expect(await manager({ lastConfirmed }).status(signal)).toMatchObject({
      vouchedBy: "host",
      lastConfirmedAt: confirmedAt,
      activeKeyPair: { keyPairId: pair.birth.keyPairId, active: true },
      confirmation: "confirmed",
    });
    expect(kms.journal.count()).toBe(0);
  });

  it("shows what the fleet says", async () => {
    const secret = { fleetSecret: fleetSecret() };
    const { manager, pair, clock, kms } = await configured(secret);
    clock.advance(minute);
    const at = new Date(clock.now() - minute);
    expect(await manager(secret).status(signal)).toMatchObject({
      vouchedBy: "fleet",
      lastConfirmedAt: at,
      activeKeyPair: { keyPairId: pair.birth.keyPairId },
      fleet: { at, authentic: true },
    });
    expect(await manager({ fleetSecret: fleetSecret(2) }).status(signal)).not.toHaveProperty("activeKeyPair");
    expect(kms.journal.count()).toBe(0);
  });

  it("hears a caller who leaves while the host's record is read", async () => {
    const { manager } = await configured();
    const lastConfirmed = { load: () => new Promise<undefined>(() => undefined), save: async () => undefined };
    const [leaving, left] = [new AbortController(), new Error("left")];
    const asked = manager({ lastConfirmed }).status(leaving.signal);
    leaving.abort(left);
    await expect(asked).rejects.toBe(left);
  });
});

describe("what others have said of the pair in use", () => {
  const item = (pair: Parameters<typeof attestedDigest>[0], more: object = {}) =>
    encodeDocument("status", {
      keyPairId: "pair",
      sequence: 1,
      attested: attestedDigest(pair),
      confirmedAt: 1,
      at: 2,
      ...more,
    });

  it("is shown, and is not authentic where anybody who can write to the store may have said it", async () => {
    const { keys, manager, pair, store } = await configured();
    await store.writeStatus(organizationId, item(pair));
    expect((await keys.status(signal)).fleet).toEqual({ at: new Date(2), authentic: false });
    const failure = { kind: "key-disabled", operation: "Decrypt", message: "no" };
    const withSecret = manager({ fleetSecret: fleetSecret() });
    await withSecret.encryptionKey(signal);
    await store.writeStatus(organizationId, item(pair, { failure, mac: Buffer.alloc(32) }));
    for (const each of [keys, withSecret]) {
      const status = await each.status(signal);
      expect(status.fleet).toEqual({ at: new Date(2), failure, authentic: false });
      expect(status.keyAtRisk).toBe(false);
    }
  });

  it("is not shown of another pair", async () => {
    const { keys, store } = await configured();
    await store.writeStatus(organizationId, item(invented()));
    expect(await keys.status(signal)).not.toHaveProperty("fleet");
  });
});

describe("the status of a store in trouble", () => {
  it("says that it is away instead of failing", async () => {
    const { keys, manager, store } = await configured();
    vi.spyOn(store, "readHead").mockImplementation(away);
    const storeError = error({ code: "ERR_STORE_UNAVAILABLE" });
    const storeDiagnosis = expect.objectContaining({ kind: "unexpected-answer" }) as unknown;
    expect(await manager().status(signal)).toEqual({ ...nothing, storeError, storeDiagnosis });
    expect(await keys.status(signal)).toMatchObject({ configured: true, vouchedBy: "kms", storeError, storeDiagnosis });
    await expect(manager().status(AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });

  it.each([
    ["damaged", "ERR_STORE_CORRUPT", Buffer.from("torn")],
    ["of another organization", "ERR_KEY_PAIR_UNTRUSTED", undefined],
  ])("names what is wrong with a head that is %s", async (_, code, document) => {
    const { keys, store, pair } = await configured();
    const { keyPairId, sequence } = pair.birth;
    const foreign = encodeDocument("head", { organizationId: "org-2", keyPairId, sequence, digest: pair.digest });
    await store.swapHead(organizationId, "1", document ?? foreign);
    expect(await keys.status(signal)).toMatchObject({ configured: true, storeError: { code } });
    expect(await keys.status(signal)).not.toHaveProperty("claimed");
  });

  it("says why the pair that the head names is not used, and shows that as claimed", async () => {
    const { keys, plant, pair, clock } = await configured({ background: false });
    const { kmsKeyArn } = pair.wrapping;
    const forgery = invented({
      birth: { sequence: 2, previousDigest: pair.digest, periodicKeyChange: "never" },
      kmsKeyArn,
    });
    await plant(forgery);
    clock.advance(minute);
    await keys.encryptionKey(signal);
    expect(await keys.status(signal)).toMatchObject({
      configuration,
      activeKeyPair: { keyPairId: pair.birth.keyPairId },
      claimed: {
        configuration: { periodicKeyChange: "never" },
        keyPair: { keyPairId: forgery.birth.keyPairId, active: false },
      },
      usedLastKnownKey: true,
      storeError: { code: "ERR_KEY_PAIR_UNTRUSTED" },
    });
  });

  it("says that it went backwards, before what else is wrong with it", async () => {
    const { keys, store, pair, clock } = await configured({ background: false });
    await keys.rotate({ signal });
    await pointAsWriter(store, pair);
    clock.advance(minute);
    await keys.encryptionKey(signal);
    vi.spyOn(store, "readHead").mockImplementation(away);
    expect(await keys.status(signal)).toMatchObject({ storeError: { code: "ERR_STORE_ROLLED_BACK" } });
  });

  it("does not swallow a bug", async () => {
    const { keys } = await configured();
    const { KeyPairRecords } = await import("../../../src/key-pairs/records.js");
    const bug = new TypeError("a bug");
    vi.spyOn(KeyPairRecords.prototype, "readHead").mockRejectedValue(bug);
    await expect(keys.status(signal)).rejects.toBe(bug);
  });
});
