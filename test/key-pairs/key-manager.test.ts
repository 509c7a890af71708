import { afterEach, describe, expect, it, vi } from "vitest";
import type { SharedByOrganizations } from "../../src/key-pairs/key-manager-options.js";
import { PrivateKeyCustody } from "../../src/key-pairs/custody/private-key-custody.js";
import { KmsCallLimit } from "../../src/kms/call-limit.js";
import { MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { overridden } from "../support/setup.js";
import { altered } from "./altered-kms.js";
import { invented } from "./inventions.js";
import { configured, managed, signal } from "./managers.js";
import {
  accountId,
  configuration,
  day,
  fleetSecret,
  homeRegion,
  kmsKeyAliasArn,
  minute,
  organizationId,
  pointAsWriter,
  turns,
} from "./world.js";
import { ProcessLastConfirmedStore } from "../../src/stores/last-confirmed-store.js";

afterEach(() => void vi.restoreAllMocks());

describe("the key to encrypt with", () => {
  it("says that all is well", async () => {
    const { keys, pair, clock } = await configured();
    const confirmed = { pair, confirmation: "confirmed", vouchedBy: "kms", confirmedAt: clock.now() };
    expect(await keys.encryptionKey(signal)).toEqual({ ...confirmed, usedLastKnownKey: false, keyAtRisk: false });
    expect([keys.usesLastKnownKey, keys.keyAtRisk, keys.organizationId]).toEqual([false, false, organizationId]);
  });

  it("says that the last known one is used, and that it is at risk", async () => {
    const { keys, kms, keyArn } = await configured({ background: false });
    kms.faults.outage();
    await keys.confirm(signal);
    expect(await keys.encryptionKey(signal)).toMatchObject({ usedLastKnownKey: true, keyAtRisk: false });
    kms.faults.heal();
    kms.disableKey(keyArn);
    await keys.confirm(signal);
    expect(await keys.encryptionKey(signal)).toMatchObject({ usedLastKnownKey: true, keyAtRisk: true });
    expect([keys.usesLastKnownKey, keys.keyAtRisk]).toEqual([true, true]);
  });

  it.each([
    ["requireConfirmedKey", { requireConfirmedKey: true }, false],
    ["a fleetSecret", { fleetSecret: fleetSecret() }, false],
    ["a fleetSecret, and requireConfirmedKey off", { fleetSecret: fleetSecret(), requireConfirmedKey: false }, true],
    ["neither", {}, true],
  ])("may be unconfirmed while KMS is away, or not: with %s", async (_, options, may) => {
    const { manager, kms } = await configured();
    kms.faults.outage();
    const keys = manager({ background: false, ...options });
    const asked = keys.encryptionKey(signal);
    if (may) {
      expect(await asked).toMatchObject({ confirmation: "unconfirmed", usedLastKnownKey: true });
    } else {
      const message = expect.stringMatching(/^nobody has vouched for the key pair that the store names: /);
      const cause = expect.objectContaining({ kind: "unreachable" }) as unknown;
      await expect(asked).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED", retryable: true, message, cause });
    }
    kms.faults.heal();
    await keys.confirm(signal);
    expect(await keys.encryptionKey(signal)).toMatchObject({ confirmation: "confirmed", usedLastKnownKey: false });
  });

  it("that is unconfirmed although nothing is in trouble is refused as well", async () => {
    const { manager, kms } = await configured();
    kms.faults.outage();
    const keys = manager({ background: false, requireConfirmedKey: true });
    await expect(keys.encryptionKey(signal)).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED" });
    await expect(keys.rotateIfDue(signal)).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED" });
  });

  it("is rotated when due by who asks for it, in the background alone", async () => {
    const { keys, manager, clock, kms } = await configured();
    const explicit = manager({ background: false });
    await explicit.encryptionKey(signal);
    clock.advance(2 * day);
    kms.journal.clear();
    await explicit.encryptionKey(signal);
    await turns();
    expect(kms.journal.count("Encrypt")).toBe(0);
    await keys.encryptionKey(signal);
    await keys.close();
    expect(kms.journal.count("Encrypt")).toBe(2);
    expect((await keys.encryptionKey(signal)).pair.birth.sequence).toBe(2);
  });

  it("reminds of trouble that lasts", async () => {
    const { keys, kms, clock } = await configured({ background: false });
    kms.faults.outage();
    await keys.confirm(signal);
    clock.advance(day);
    keys.events.splice(0);
    await keys.encryptionKey(signal);
    await keys.encryptionKey(signal);
    expect(keys.events).toEqual(["lastKnownKeyInUse"]);
  });
});

describe("maxLastConfirmedAge", () => {
  it("refuses a key that was confirmed longer ago, to the millisecond", async () => {
    const { manager, kms, clock } = await configured();
    const keys = manager({ background: false, maxLastConfirmedAge: day });
    await keys.encryptionKey(signal);
    const confirmedAt = new Date(clock.now()).toISOString();
    kms.faults.outage();
    clock.advance(day);
    await keys.encryptionKey(signal);
    clock.advance(1);
    await expect(keys.encryptionKey(signal)).rejects.toMatchObject({
      code: "ERR_KEY_TOO_OLD",
      retryable: true,
      message: `KMS last confirmed the key pair at ${confirmedAt}, longer ago than maxLastConfirmedAge allows`,
    });
  });

  it.each([true, false])(
    "has KMS asked first, which after a pause may only not have been (background: %s)",
    async (background) => {
      const { keys, clock, kms } = await configured({ background, maxLastConfirmedAge: day / 24 });
      clock.advance(day / 2);
      expect(await keys.encryptionKey(signal)).toMatchObject({ confirmation: "confirmed", confirmedAt: clock.now() });
      expect(kms.journal.count("Decrypt")).toBe(1);
      await keys.close();
    },
  );

  it("asks nobody while the key is young enough, or nobody has set it", async () => {
    const { keys, manager, clock, kms } = await configured({ background: false, maxLastConfirmedAge: day });
    const unlimited = manager({ background: false });
    await unlimited.encryptionKey(signal);
    clock.advance(day);
    kms.journal.clear();
    for (const each of [keys, unlimited]) await each.encryptionKey(signal);
    clock.advance(1);
    await unlimited.encryptionKey(signal);
    expect(kms.journal.count()).toBe(0);
  });

  it("says nothing of a key that nobody confirmed, which has no age", async () => {
    const { manager, kms, clock } = await configured();
    kms.faults.outage();
    const keys = manager({ background: false, maxLastConfirmedAge: day });
    await keys.encryptionKey(signal);
    clock.advance(100 * day);
    expect(await keys.encryptionKey(signal)).toMatchObject({ confirmation: "unconfirmed" });
  });

  it("hears a caller who leaves while KMS is asked", async () => {
    const { manager, provider, clock } = await configured();
    let decrypt = provider.decrypt.bind(provider);
    const kms = altered(provider, { decrypt: (...args) => decrypt(...args) });
    const keys = manager({ kms, background: false, maxLastConfirmedAge: minute });
    await keys.encryptionKey(signal);
    decrypt = () => new Promise(() => undefined);
    clock.advance(day);
    const [leaving, left] = [new AbortController(), new Error("left")];
    const asked = keys.encryptionKey(leaving.signal);
    asked.catch(() => undefined);
    await turns();
    leaving.abort(left);
    await expect(asked).rejects.toBe(left);
  });
});

describe("a change that may be due", () => {
  it("is made when it is, once for all workers", async () => {
    const { keys, pair, manager, clock } = await configured({ background: false });
    const other = manager({ background: false });
    const { keyPairId } = pair.birth;
    expect(await keys.rotateIfDue(signal)).toMatchObject({ rotated: false, keyPair: { keyPairId, active: true } });
    await other.encryptionKey(signal);
    clock.advance(2 * day);
    const made = await other.rotateIfDue(signal);
    expect(made).toMatchObject({ rotated: true, keyPair: { sequence: 2, active: true, reason: "schedule" } });
    expect(await keys.rotateIfDue(signal)).toMatchObject({ rotated: false, keyPair: made.keyPair });
  });

  it("that another worker makes at the same moment is reported as one too", async () => {
    const { keys, manager, clock, store } = await configured({ background: false });
    clock.advance(2 * day);
    await keys.encryptionKey(signal);
    const readHead = store.readHead.bind(store);
    vi.spyOn(store, "readHead").mockImplementationOnce(async (...args) => {
      vi.restoreAllMocks();
      await manager({ background: false }).rotate({ signal });
      return readHead(...args);
    });
    expect(await keys.rotateIfDue(signal)).toMatchObject({ rotated: true, keyPair: { sequence: 2, active: true } });
  });

  it("is none of a pair that nobody has vouched for", async () => {
    const { manager, kms, clock } = await configured();
    kms.faults.outage();
    clock.advance(9 * day);
    const cause = expect.objectContaining({ kind: "unreachable" }) as unknown;
    const refused = { code: "ERR_KEY_UNCONFIRMED", cause };
    await expect(manager({ background: false }).rotateIfDue(signal)).rejects.toMatchObject(refused);
  });
});

describe("trust", () => {
  it("refuses an alias outside of trustedKmsKeys, and with none of them refuses none", () => {
    const { manager } = managed();
    const elsewhere = { ...configuration, kmsKeyAliasArn: kmsKeyAliasArn.replace(accountId, "999999999999") };
    const rule = "must be covered by the trustedKmsKeys of this key store";
    const refused = { code: "ERR_INVALID_INPUT", field: "kmsKeyAliasArn", rule };
    expect(() => manager().checkCovered(elsewhere)).toThrow(expect.objectContaining(refused));
    expect(() => manager().checkCovered(configuration)).not.toThrow();
    expect(() => manager({ trustedKmsKeys: undefined as never }).checkCovered(elsewhere)).not.toThrow();
  });

  it("names the option that holds what is no KMS key", () => {
    const { manager } = managed();
    expect(() => manager({ trustedKmsKeys: ["x"] })).toThrow(expect.objectContaining({ field: "trustedKmsKeys.0" }));
    expect(() => manager({ embeddedKeys: ["x"] })).toThrow(expect.objectContaining({ field: "embeddedKeys.0" }));
  });

  it("in a restored store is the operator's to give", async () => {
    const { keys, store, pair } = await configured({ background: false });
    await keys.rotate({ signal });
    await pointAsWriter(store, pair);
    const believed = { believed: { sequence: 1 }, before: { sequence: 2 }, vouchedBy: "kms" };
    expect(await keys.acceptRestoredStore({ dryRun: true }, signal)).toMatchObject({ ...believed, done: false });
    expect(await keys.acceptRestoredStore({ dryRun: false }, signal)).toMatchObject({ ...believed, done: true });
    expect(await keys.status(signal)).toMatchObject({ activeKeyPair: { sequence: 1 }, usedLastKnownKey: false });
  });

  it("in place of an untrusted head is the operator's to put", async () => {
    const { keys, plant, pair } = await configured({ background: false });
    await plant(invented({ birth: { sequence: 2, previousDigest: pair.digest } }));
    const believed = { believed: { keyPairId: pair.birth.keyPairId }, storeHead: { sequence: 2 } };
    expect(await keys.replaceUntrustedHead({ dryRun: true }, signal)).toMatchObject({ ...believed, done: false });
    expect(await keys.replaceUntrustedHead({ dryRun: false }, signal)).toMatchObject({ ...believed, done: true });
    expect((await keys.rotate({ signal })).birth).toMatchObject({ sequence: 2, previousDigest: pair.digest });
  });
});

describe("what a host remembers", () => {
  it("is saved where the options say, else where the store offers a place, else nowhere", async () => {
    const { manager, store, kms } = await configured();
    const [given, offered] = [new MemoryLastConfirmedStore(), new MemoryLastConfirmedStore()];
    const offering = overridden(store, {
      hostLastConfirmed() {
        expect(this).toBe(offering);
        return offered;
      },
    });
    await manager({ lastConfirmed: given, store: offering }).encryptionKey(signal);
    expect([await given.load(organizationId), await offered.load(organizationId)]).toEqual([
      expect.anything(),
      undefined,
    ]);
    await manager({ store: offering }).encryptionKey(signal);
    expect(await offered.load(organizationId)).toBeDefined();
    kms.faults.outage();
    const { confirmation, ...remembered } = await manager({ store: offering }).encryptionKey(signal);
    expect({ confirmation, remembered }).toMatchObject({
      confirmation: "confirmed",
      remembered: { vouchedBy: "host" },
    });
    expect(await manager().encryptionKey(signal)).toMatchObject({ confirmation: "unconfirmed" });
    const odd = overridden(store, { hostLastConfirmed: "no function" as never });
    expect(await manager({ store: odd }).encryptionKey(signal)).toMatchObject({ confirmation: "unconfirmed" });
  });

  it("is shared with the next key store in a process, and with the host behind it", async () => {
    const { manager, clock, kms } = await configured();
    const shared: SharedByOrganizations = {
      custody: new PrivateKeyCustody(clock),
      lastConfirmed: new ProcessLastConfirmedStore(clock),
      kmsCalls: new KmsCallLimit(10),
    };
    const host = new MemoryLastConfirmedStore();
    const first = manager({ lastConfirmed: host }, shared);
    await first.encryptionKey(signal);
    expect(await host.load(organizationId)).toBeDefined();
    kms.faults.outage();
    expect(await manager({}, shared).encryptionKey(signal)).toMatchObject({ confirmation: "confirmed" });
    const forget = vi.spyOn(shared.custody, "forget");
    first.forgetPrivateKeys();
    expect(forget.mock.calls).toEqual([[organizationId]]);
  });

  it("of forgeries is shared by all key stores on one provider", async () => {
    const { manager, plant, pair, kms } = await configured();
    await plant(invented({ birth: { sequence: 2, previousDigest: pair.digest }, kmsKeyArn: pair.wrapping.kmsKeyArn }));
    const calls: number[] = [];
    for (let time = 0; time < 3; time += 1) {
      kms.journal.clear();
      await manager({ background: false }).encryptionKey(signal);
      calls.push(kms.journal.count());
    }
    expect(calls).toEqual([2, 1, 1]); // about the forgery, and about the genuine pair
  });
});

describe("the health of an organization's keys", () => {
  const well = { organizationId, usedLastKnownKey: false, keyAtRisk: false, keyChangeDue: false, aliasDrift: false };

  it("has no age of a confirmation before anybody has vouched for a pair", () => {
    expect(managed().manager().health).toEqual(well);
  });

  it("says how long ago somebody did, that a change is due, and that the alias leads elsewhere", async () => {
    const { keys, clock, kms } = await configured({ background: false });
    expect(keys.health).toEqual({ ...well, confirmedAge: 0 });
    clock.advance(minute);
    expect(keys.health).toEqual({ ...well, confirmedAge: minute });
    clock.advance(2 * day);
    expect(keys.health).toMatchObject({ keyChangeDue: true, aliasDrift: false });
    kms.pointAlias(kmsKeyAliasArn, kms.createKey({ region: homeRegion }));
    await keys.confirm(signal);
    expect(keys.health).toEqual({ ...well, confirmedAge: 0, keyChangeDue: true, aliasDrift: true });
  });
});
