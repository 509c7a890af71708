import { afterEach, describe, expect, it, vi } from "vitest";
import type { KeyManager } from "../../src/key-pairs/key-manager.js";
import { recipientOf, opened } from "./custody/data-key-worlds.js";
import { invented } from "./inventions.js";
import { configured, managed, signal } from "./managers.js";
import { configuration, day, homeRegion, kmsKeyAliasArn, minute, pointAsWriter } from "./world.js";

const away = () => Promise.reject(new Error("no route to store"));
afterEach(() => void vi.restoreAllMocks());

describe("a configuration that is the active one already", () => {
  it("is told by its pair, without a new one", async () => {
    const { keys, manager, pair, kms } = await configured();
    const info = { keyPairId: pair.birth.keyPairId, active: true, reason: "configure" };
    expect(await keys.configured(configuration, signal)).toMatchObject(info);
    expect(await manager().configured(configuration, signal)).toMatchObject(info);
    expect(kms.journal.count("Encrypt")).toBe(0);
  });

  it.each([
    ["alias", { kmsKeyAliasArn: `${kmsKeyAliasArn}-2` }],
    ["period", { periodicKeyChange: "never" }],
    ["spec", { keyPairSpec: "RSA_2048" }],
  ] as const)("is not one with another %s", async (_, change) => {
    const { keys } = await configured();
    expect(await keys.configured({ ...configuration, ...change }, signal)).toBeUndefined();
  });

  it("is not one whose pair has another context key name than new pairs get", async () => {
    const { manager } = await configured();
    const renamed = manager({ contextKeyName: ["org", "genesys-cloud-organization-id"] });
    expect(await renamed.configured(configuration, signal)).toBeUndefined();
    await renamed.rotate({ configuration, signal });
    expect(await renamed.configured(configuration, signal)).toMatchObject({ sequence: 2 });
  });

  it("is not one of an organization that has none", async () => {
    expect(await managed().manager().configured(configuration, signal)).toBeUndefined();
  });

  it("is not one while the store's head names a forgery, held genuine pair or not", async () => {
    const { keys, manager, plant, pair } = await configured();
    await plant(invented({ birth: { sequence: 2, previousDigest: pair.digest } }));
    for (const each of [keys, manager()]) expect(await each.configured(configuration, signal)).toBeUndefined();
  });

  it("is not one while the head went backwards", async () => {
    const { keys, store, pair } = await configured();
    await keys.rotate({ signal });
    await pointAsWriter(store, pair);
    expect(await keys.configured(configuration, signal)).toBeUndefined();
  });

  it("is not one that another worker has replaced, also while the store is away", async () => {
    const { keys, manager, store } = await configured();
    await manager().rotate({ configuration: { ...configuration, periodicKeyChange: "never" }, signal });
    const read = vi.spyOn(store, "readHead").mockImplementation(away);
    expect(await keys.configured(configuration, signal)).toBeUndefined();
    read.mockRestore();
    expect(await keys.configured(configuration, signal)).toBeUndefined();
    expect(await keys.configured({ ...configuration, periodicKeyChange: "never" }, signal)).toMatchObject({
      sequence: 2,
    });
  });

  it.each(["outage", "accessDenied"] as const)("is not one that nobody vouches for: after %s", async (fault) => {
    const { manager, kms } = await configured();
    kms.faults[fault]();
    expect(await manager().configured(configuration, signal)).toBeUndefined();
  });

  it("is asked for by a caller who may leave, and not past a bug", async () => {
    const { keys, store } = await configured();
    const left = new Error("left");
    await expect(keys.configured(configuration, AbortSignal.abort(left))).rejects.toBe(left);
    const leaving = new AbortController();
    vi.spyOn(store, "readHead").mockImplementation(() => {
      leaving.abort(left);
      return away();
    });
    await expect(keys.configured(configuration, leaving.signal)).rejects.toBe(left);
  });
});

describe("the history", () => {
  it("of an organization that is not configured is empty", async () => {
    expect(await managed().manager().history({ limit: 5 }, signal)).toEqual({ items: [] });
  });

  it("is that of the vouched pair, page by page", async () => {
    const { keys, manager } = await configured();
    await keys.rotate({ signal });
    const first = await keys.history({ limit: 1 }, signal);
    expect(first).toMatchObject({ items: [{ sequence: 2, active: true }] });
    const { nextCursor: cursor } = first;
    const rest = { items: [{ sequence: 1, active: false }] };
    expect(await keys.history({ limit: 1, cursor }, signal)).toMatchObject(rest);
    expect(await manager().history({ limit: 1, cursor }, signal)).toMatchObject(rest);
    expect(first).not.toHaveProperty("storeError");
  });

  it("is walked once for all pages", async () => {
    const { keys, store } = await configured();
    for (let change = 0; change < 3; change += 1) await keys.rotate({ signal });
    const { nextCursor: cursor } = await keys.history({ limit: 1 }, signal);
    const listed = vi.spyOn(store, "listKeyPairs");
    await keys.history({ limit: 1, cursor }, signal);
    expect(listed.mock.calls.map(([, { limit }]) => limit)).toEqual([1]);
  });

  it("shows no forgery as active, and says that the store's head is another", async () => {
    const { keys, manager, plant, pair } = await configured();
    const { kmsKeyArn } = pair.wrapping;
    await plant(invented({ birth: { sequence: 2, previousDigest: pair.digest }, kmsKeyArn }));
    for (const each of [keys, manager()]) {
      expect(await each.history({ limit: 9 }, signal)).toMatchObject({
        items: [{ keyPairId: pair.birth.keyPairId, active: true }],
        storeError: { code: "ERR_KEY_PAIR_UNTRUSTED" },
      });
    }
  });

  it("is told by nobody whom nobody has told of a pair", async () => {
    const { manager, kms } = await configured();
    kms.faults.outage();
    await expect(manager().history({ limit: 9 }, signal)).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED" });
    await expect(manager().history({ limit: 9 }, AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });
});

describe("what is done for good", () => {
  const operations: readonly [name: string, run: (keys: KeyManager) => Promise<unknown>][] = [
    ["rewrap", (keys) => keys.rewrap({ dryRun: false, concurrency: 1 }, signal)],
    ["removeOrphans", (keys) => keys.removeOrphans({ dryRun: false }, signal)],
  ];

  it.each(operations)("stands on the head's pair, which is vouched for: %s", async (_, run) => {
    const { keys, manager, pair } = await configured();
    const reports = [await run(keys), await run(manager())];
    const expected = {
      rewrap: { already: 1, kmsKeyArn: pair.wrapping.kmsKeyArn },
      removeOrphans: { removed: [], kept: [] },
    };
    for (const report of reports) expect(report).toMatchObject(expected[_ as keyof typeof expected]);
  });

  it.each(operations)("is refused where the store went backwards: %s", async (_, run) => {
    const { keys, store, pair } = await configured();
    await keys.rotate({ signal });
    await pointAsWriter(store, pair);
    await expect(run(keys)).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
  });

  it.each(operations)("is refused where the head names a forgery, on any host: %s", async (_, run) => {
    const { keys, manager, plant, pair, store } = await configured();
    const { kmsKeyArn } = pair.wrapping;
    await plant(invented({ birth: { sequence: 2, previousDigest: pair.digest }, kmsKeyArn }));
    const removed = vi.spyOn(store, "removeKeyPair");
    for (const each of [keys, manager()]) {
      await expect(run(each)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    }
    expect(removed).not.toHaveBeenCalled();
  });

  it.each(operations)("is refused where nothing is configured: %s", async (_, run) => {
    const message = "no KMS key is configured for this organization: call configure() first";
    await expect(run(managed().manager())).rejects.toMatchObject({ code: "ERR_NOT_CONFIGURED", message });
  });

  it("leaves every genuine pair behind a forged head with planted marks", async () => {
    const { keys, plant, pair, store, kms } = await configured();
    for (let change = 0; change < 2; change += 1) await keys.rotate({ signal });
    const genuine = await store.listKeyPairs("org-1", { limit: 9 });
    await plant(invented({ birth: { sequence: 9 }, kmsKeyArn: pair.wrapping.kmsKeyArn }));
    kms.journal.clear();
    await expect(keys.removeOrphans({ dryRun: true }, signal)).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_UNTRUSTED",
    });
    expect((await store.listKeyPairs("org-1", { limit: 9 })).slice(1)).toEqual(genuine);
  });
});

describe("what a key manager gives out", () => {
  it("is the test of a configuration, in its home Region and under its name", async () => {
    const { manager, kms } = await configured();
    const keys = manager({ contextKeyName: ["org", "before"] });
    expect(await keys.test(configuration, signal)).toMatchObject({ ok: true, kmsKeyAliasArn });
    expect(kms.journal.calls({ operation: "Encrypt" })[0]?.encryptionContext).toMatchObject({ org: "org-1" });
    const report = await manager({ homeRegion: "eu-central-1" }).test(configuration, signal);
    expect(report).toMatchObject({ ok: false, error: { kind: "key-unsupported" } });
  });

  it("is a lease on a data key, which close() leaves to its time", async () => {
    const { keys, pair } = await configured();
    const leased = await keys.lease([recipientOf(pair)], { signal });
    expect(leased.keyPairId).toBe(pair.birth.keyPairId);
    const ended = vi.fn();
    leased.lease.onEnd(ended);
    await keys.close();
    expect(ended).not.toHaveBeenCalled();
    expect(await opened(await keys.lease([recipientOf(pair)], { signal }))).toBe(true);
  });

  it("shares unwrapped private keys with the other key stores on one provider", async () => {
    const { keys, manager, pair, kms } = await configured();
    for (const each of [keys, manager()])
      expect(await opened(await each.lease([recipientOf(pair)], { signal }))).toBe(true);
    expect(kms.journal.count("Decrypt")).toBe(1);
  });

  it("opens a multi-Region key's pairs in a further Region while the home Region is away", async () => {
    const { manager, kms } = managed();
    const keyArn = kms.createKey({ region: homeRegion, multiRegion: true });
    kms.replicateKey(keyArn, "eu-central-1");
    kms.pointAlias(kmsKeyAliasArn, keyArn);
    const pair = await manager().rotate({ configuration, signal });
    kms.faults.outage({ region: homeRegion });
    const home = manager({ privateKeyTtl: 0 });
    await expect(home.lease([recipientOf(pair)], { signal })).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
    const further = manager({ privateKeyTtl: 0, decryptRegions: ["eu-central-1"] });
    expect(await opened(await further.lease([recipientOf(pair)], { signal }))).toBe(true);
  });

  it("waits for the store no longer than storeTimeout", async () => {
    const { manager, store } = await configured();
    vi.spyOn(store, "readHead").mockReturnValue(new Promise(() => undefined));
    const message = "the key pair store did not answer within 10 ms";
    await expect(manager({ storeTimeout: 10 }).rotate({ signal })).rejects.toMatchObject({ message });
  });

  it("is a status after KMS was asked now", async () => {
    const { keys, clock, kms } = await configured({ background: false });
    clock.advance(minute);
    expect(await keys.confirm(signal)).toMatchObject({ lastConfirmedAt: new Date(clock.now()) });
    expect(kms.journal.count("Decrypt")).toBe(1);
    clock.advance(day);
    await expect(keys.confirm(AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });
});
