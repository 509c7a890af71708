import { afterEach, describe, expect, it, vi } from "vitest";
import { check } from "../../src/configuration.js";
import type { RecordingKeyStoreOptions } from "../../src/index.js";
import { ConfirmedMemory } from "../../src/key-pairs/confirmed-memory.js";
import { KeyManager, type SharedByOrganizations } from "../../src/key-pairs/key-manager.js";
import { PrivateKeyCustody } from "../../src/key-pairs/private-key-custody.js";
import { nextKeyChange } from "../../src/key-pairs/schedule.js";
import { KmsCallLimit } from "../../src/kms/call-limit.js";
import { MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { overridden } from "../support/setup.js";
import { accountId, configuration, day, homeRegion, kmsKeyAliasArn, minute, organizationId, turns, world } from "./world.js";

const away = () => Promise.reject(new Error("no route to store"));
const { signal } = new AbortController();
afterEach(() => void vi.restoreAllMocks());

function managed() {
  const parts = world();
  const manager = (options: Partial<RecordingKeyStoreOptions> = {}, shared?: SharedByOrganizations) => {
    const events: string[] = [];
    const checked = check("options", { organizationId, homeRegion, kms: parts.provider, store: parts.store, trustedKmsKeys: [accountId], confirmTimeout: 1_000, ...options });
    return Object.assign(new KeyManager(checked, parts.clock, (name) => void events.push(name), shared), { events });
  };
  return { ...parts, manager };
}

async function configured(options: Partial<RecordingKeyStoreOptions> = {}) {
  const parts = managed();
  const keys = parts.manager(options);
  const pair = await keys.change({ configuration, signal });
  keys.events.splice(0);
  parts.kms.journal.clear();
  return { ...parts, keys, pair };
}

describe("the key to encrypt with", () => {
  it("says that all is well", async () => {
    const { keys, pair, clock } = await configured();
    expect(await keys.encryptionKey(signal)).toEqual({ pair, confirmation: "confirmed", confirmedAt: clock.now(), usedLastKnownKey: false, keyAtRisk: false });
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

  it("is refused unconfirmed to those who want it confirmed, and until KMS has answered", async () => {
    const { manager, kms } = await configured();
    kms.faults.outage();
    const [any, strict] = [manager({ background: false }), manager({ background: false, requireConfirmedKey: true })];
    expect(await any.encryptionKey(signal)).toMatchObject({ confirmation: "unconfirmed", usedLastKnownKey: true });
    const refused = { code: "ERR_KEY_UNCONFIRMED", retryable: true, message: "KMS has never confirmed the active key pair on this host, and requireConfirmedKey is set" };
    await expect(strict.encryptionKey(signal)).rejects.toMatchObject(refused);
    kms.faults.heal();
    await strict.confirm(signal);
    expect(await strict.encryptionKey(signal)).toMatchObject({ confirmation: "confirmed", usedLastKnownKey: false });
  });

  it("is refused once it is older than maxLastConfirmedAge allows, to the millisecond; one that nobody confirmed has no age", async () => {
    const { manager, kms, clock } = await configured();
    const keys = manager({ background: false, maxLastConfirmedAge: day });
    await keys.encryptionKey(signal);
    const confirmedAt = new Date(clock.now()).toISOString();
    kms.faults.outage();
    const unconfirmed = manager({ background: false, maxLastConfirmedAge: day });
    await unconfirmed.encryptionKey(signal);
    clock.advance(day);
    await keys.encryptionKey(signal);
    clock.advance(1);
    await expect(keys.encryptionKey(signal)).rejects.toMatchObject({ code: "ERR_KEY_TOO_OLD", retryable: true, message: `KMS last confirmed the key pair at ${confirmedAt}, longer ago than maxLastConfirmedAge allows` });
    clock.advance(100 * day);
    expect(await unconfirmed.encryptionKey(signal)).toMatchObject({ confirmation: "unconfirmed" });
  });

  it("is changed when due by who asks for it, in the background alone", async () => {
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

describe("a change that may be due", () => {
  it("is made when it is, once for all workers", async () => {
    const { keys, pair, manager, clock } = await configured({ background: false });
    const other = manager({ background: false });
    expect(await keys.changeIfDue(signal)).toMatchObject({ rotated: false, keyPair: { keyPairId: pair.birth.keyPairId, active: true } });
    await other.encryptionKey(signal);
    clock.advance(2 * day);
    const made = await other.changeIfDue(signal);
    expect(made).toMatchObject({ rotated: true, keyPair: { sequence: 2, active: true } });
    expect(await keys.changeIfDue(signal)).toMatchObject({ rotated: false, keyPair: { keyPairId: made.keyPair.keyPairId } });
  });

  it("that another worker makes at the same moment is told of as a change too", async () => {
    const { keys, manager, clock, store } = await configured({ background: false });
    clock.advance(2 * day);
    await keys.encryptionKey(signal);
    const readHead = store.readHead.bind(store);
    vi.spyOn(store, "readHead").mockImplementationOnce(async (...args) => {
      vi.restoreAllMocks();
      await manager({ background: false }).change({ signal });
      return readHead(...args);
    });
    expect(await keys.changeIfDue(signal)).toMatchObject({ rotated: true, keyPair: { sequence: 2 } });
  });
});

describe("trust", () => {
  it("refuses an alias outside of trustedKmsKeys, and with none of them refuses none", () => {
    const { manager } = managed();
    const kmsKeyAliasArn2 = kmsKeyAliasArn.replace(accountId, "999999999999");
    expect(() => manager().checkCovered({ ...configuration, kmsKeyAliasArn: kmsKeyAliasArn2 })).toThrow(expect.objectContaining({ code: "ERR_INVALID_INPUT", field: "kmsKeyAliasArn", rule: "must be covered by the trustedKmsKeys of this key store" }));
    expect(() => manager().checkCovered(configuration)).not.toThrow();
    expect(() => manager({ trustedKmsKeys: undefined as never }).checkCovered({ ...configuration, kmsKeyAliasArn: kmsKeyAliasArn2 })).not.toThrow();
  });

  it("names the option that holds what is no KMS key", () => {
    const { manager } = managed();
    expect(() => manager({ trustedKmsKeys: ["x"] })).toThrow(expect.objectContaining({ field: "trustedKmsKeys.0" }));
    expect(() => manager({ embeddedKeys: ["x"] })).toThrow(expect.objectContaining({ field: "embeddedKeys.0" }));
  });

  it("in a restored store is the operator's to give", async () => {
    const { keys, store } = await configured({ background: false });
    const old = await store.readHead(organizationId);
    await keys.change({ signal });
    store.readHead = () => Promise.resolve(old);
    expect(await keys.acceptRestoredStore(signal)).toMatchObject({ activeKeyPair: { sequence: 1 }, usedLastKnownKey: false, trust: { kind: "configured" } });
  });
});

describe("what a host remembers", () => {
  it("is kept where the options say, else where the store offers a place, else for the process's life", async () => {
    const { manager, store, kms } = await configured();
    const [given, offered] = [new MemoryLastConfirmedStore(), new MemoryLastConfirmedStore()];
    const offering = overridden(store, {
      hostLastConfirmed() {
        expect(this).toBe(offering);
        return offered;
      },
    });
    await manager({ lastConfirmed: given, store: offering }).encryptionKey(signal);
    expect([await given.load(organizationId), await offered.load(organizationId)]).toEqual([expect.anything(), undefined]);
    await manager({ store: offering }).encryptionKey(signal);
    expect(await offered.load(organizationId)).toBeDefined();
    kms.faults.outage();
    expect(await manager({ store: offering }).encryptionKey(signal)).toMatchObject({ confirmation: "confirmed" });
    expect(await manager().encryptionKey(signal)).toMatchObject({ confirmation: "unconfirmed" });
    const odd = overridden(store, { hostLastConfirmed: "no function" as never });
    expect(await manager({ store: odd }).encryptionKey(signal)).toMatchObject({ confirmation: "unconfirmed" });
  });

  it("is shared with the organization's next key store in a process, and with the host behind it", async () => {
    const { manager, clock, kms } = await configured();
    const shared: SharedByOrganizations = { custody: new PrivateKeyCustody(clock), memory: new ConfirmedMemory(clock), kmsCalls: new KmsCallLimit(10) };
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
});

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

describe("status", () => {
  it("of an organization that is not configured has little to say", async () => {
    const { manager, kms } = managed();
    expect(await manager().status(signal)).toEqual({ organizationId, configured: false, usedLastKnownKey: false, keyAtRisk: false, trust: { kind: "configured" } });
    expect(kms.journal.count()).toBe(0);
  });

  it("tells all there is, from memory and store, without asking KMS", async () => {
    const { keys, manager, pair, clock, kms, keyArn } = await configured();
    const found = {
      organizationId,
      configured: true,
      configuration,
      activeKeyPair: expect.objectContaining({ keyPairId: pair.birth.keyPairId, sequence: 1, active: true, kmsKeyArn: keyArn }) as unknown,
      nextKeyChange: new Date(nextKeyChange(pair.birth)!),
      usedLastKnownKey: false,
      keyAtRisk: false,
      trust: { kind: "configured" },
    };
    const confirmation = { confirmation: "confirmed", lastConfirmedAt: new Date(clock.now()) };
    expect(await keys.status(signal)).toEqual({ ...found, ...confirmation });
    expect(await manager().status(signal)).toEqual(found);
    expect(kms.journal.count()).toBe(0);
    await keys.confirm(signal);
    expect(await keys.status(signal)).toEqual({ ...found, ...confirmation, fleet: { at: new Date(clock.now()) } });
    const fleetAt = clock.now() + minute;
    clock.advance(minute);
    kms.disableKey(keyArn);
    const told = await keys.confirm(signal);
    const error = expect.objectContaining({ kind: "key-disabled" }) as unknown;
    expect(told).toEqual({
      ...found,
      ...confirmation,
      usedLastKnownKey: true,
      keyAtRisk: true,
      trouble: { since: new Date(fleetAt), task: "confirm", error },
      lastKmsError: { at: new Date(fleetAt), error, diagnosis: expect.objectContaining({ kind: "key-disabled" }) as unknown },
      fleet: { at: new Date(fleetAt), failure: { kind: "key-disabled", operation: "Decrypt", message: expect.any(String) as string } },
    });
  });

  it("gives advice with the organization's own names", async () => {
    const { keys, kms } = await configured();
    await keys.change({ configuration: { ...configuration, contextKeyName: "my-org-key" }, signal });
    kms.faults.accessDenied();
    const { lastKmsError } = await keys.confirm(signal);
    expect(lastKmsError?.diagnosis.whatToDo.join(" ")).toMatch(new RegExp(`my-org-key.*${organizationId}|${organizationId}.*my-org-key`));
  });

  it("of what never changes names no next change; unconfirmed has no date", async () => {
    const { keys, manager, kms } = await configured();
    await keys.change({ configuration: { ...configuration, periodicKeyChange: "never" }, signal });
    expect(await keys.status(signal)).not.toHaveProperty("nextKeyChange");
    kms.faults.outage();
    const other = manager();
    await other.encryptionKey(signal);
    const status = await other.status(signal);
    expect(status.confirmation).toBe("unconfirmed");
    expect(status).not.toHaveProperty("lastConfirmedAt");
  });

  it("reports a store that is away, or names what is not used, instead of failing; a caller may leave", async () => {
    const { keys, manager, store, clock } = await configured({ background: false });
    const fresh = manager();
    vi.spyOn(store, "readHead").mockImplementation(away);
    expect(await fresh.status(signal)).toEqual({ organizationId, configured: false, usedLastKnownKey: false, keyAtRisk: false, storeError: expect.objectContaining({ code: "ERR_STORE_UNAVAILABLE" }) as unknown, trust: { kind: "configured" } });
    await expect(fresh.status(AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
    vi.spyOn(store, "readHead").mockResolvedValue(undefined);
    clock.advance(minute);
    await keys.encryptionKey(signal);
    expect(await keys.status(signal)).toMatchObject({ configured: true, usedLastKnownKey: true, storeError: { code: "ERR_STORE_ROLLED_BACK" } });
  });
});

it("what it gives out is what was asked of it: test, history and leases", async () => {
  const { keys, pair } = await configured();
  expect(await keys.test(configuration, signal)).toMatchObject({ ok: true, kmsKeyAliasArn });
  expect((await keys.history({ limit: 1 }, signal)).items).toMatchObject([{ keyPairId: pair.birth.keyPairId }]);
  const dataKey = Buffer.alloc(32, 3);
  const { lease, keyPairId } = await keys.lease([{ birthRecord: pair.birthRecord, wrappedDataKey: pair.wrappingKey.wrap(dataKey) }], signal);
  expect([keyPairId, await lease.dataKey()]).toEqual([pair.birth.keyPairId, dataKey]);
  const ended = vi.fn();
  lease.onEnd(ended);
  await keys.close();
  expect(ended).toHaveBeenCalledOnce();
});
