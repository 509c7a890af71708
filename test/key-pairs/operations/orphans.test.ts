import { randomBytes } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import type { KeyPairStore } from "../../../src/index.js";
import { encodeDocument } from "../../../src/key-pairs/documents.js";
import type { ClaimedKeyPair } from "../../../src/key-pairs/key-pair.js";
import { markNeverActive, takeUp } from "../../../src/key-pairs/never-active.js";
import { removeOrphans } from "../../../src/key-pairs/operations/orphans.js";
import { overridden } from "../../support/setup.js";
import { invented } from "../inventions.js";
import { accountId, homeRegion, organizationId, putAsWriter, world } from "../world.js";

const dryRun = true;

/** An active pair of a sequence, and one of another that lost its race. */
async function orphaned({ active: length, orphan }: { active: number; orphan: number }) {
  const parts = world();
  const { context, rotation, pair: first, calls } = await parts.configured();
  const history = [first];
  while (history.length < length) history.unshift(await rotation.rotate({}));
  const [active] = history as [typeof first];
  const { keyPairId: _, ...birth } = first.birth;
  const lose = async (sequence: number) => {
    const made = await calls.make({ ...birth, sequence, ...(sequence > 1 ? { previousDigest: randomBytes(32) } : {}) });
    const lost = await context.trust.vouchForNew(made, { named: false });
    await putAsWriter(parts.store, lost);
    return lost;
  };
  const lost = await lose(orphan);
  const remove = (options = { dryRun: false }, signal?: AbortSignal) => removeOrphans(context, active, options, signal);
  const isStored = async ({ birth: { keyPairId } }: ClaimedKeyPair) =>
    (await parts.store.readKeyPair(organizationId, keyPairId)) !== undefined;
  return { ...parts, context, first, active, history, lost, lose, remove, isStored };
}

const named = ({ birth: { keyPairId, sequence } }: ClaimedKeyPair) => ({ keyPairId, sequence });

describe("removing orphans", () => {
  it("removes what is proven never to have been active, and nothing else", async () => {
    const { context, active, history, lost, lose, remove, isStored } = await orphaned({ active: 3, orphan: 2 });
    const [unmarked, takenUp] = [await lose(2), await lose(3)];
    await markNeverActive(context, lost, active);
    await takeUp(context, takenUp);
    const found = { removed: [named(lost)], kept: expect.arrayContaining([named(unmarked), named(takenUp)]) };
    const planned = await remove({ dryRun });
    expect(planned).toEqual(found);
    expect(planned.kept).toHaveLength(2);
    expect(await isStored(lost)).toBe(true);
    expect(await remove()).toEqual(planned);
    expect({
      lost: await isStored(lost),
      history: await Promise.all([...history, unmarked, takenUp].map(isStored)),
    }).toEqual({
      lost: false,
      history: [true, true, true, true, true],
    });
    expect(await remove()).toEqual({ removed: [], kept: planned.kept });
  });

  it("finds nothing in a history without orphans, and asks KMS for nothing", async () => {
    const { configured, kms } = world();
    const { context, pair } = await configured();
    kms.journal.clear();
    expect(await removeOrphans(context, pair, { dryRun: false })).toEqual({ removed: [], kept: [] });
    expect(kms.journal.count()).toBe(0);
  });

  it("leaves alone what is ahead of the head and may be on its way to become active", async () => {
    const { context, lost, remove, active, kms } = await orphaned({ active: 2, orphan: 3 });
    const document = encodeDocument("fate", { digest: lost.digest, mark: await context.calls.sealNeverActive(lost) });
    await context.records.createWrapping(lost.birth.keyPairId, { wrappingId: "fate", document });
    kms.journal.clear();
    expect({ report: await remove(), calls: kms.journal.count() }).toEqual({
      report: { removed: [], kept: [] },
      calls: 0,
    });
    const behind = { ...active, birth: { ...active.birth, sequence: 3 } };
    expect((await removeOrphans(context, behind, { dryRun })).removed).toEqual([named(lost)]);
  });

  it("reads every pair of a store, page by page", async () => {
    const { remove, store } = await orphaned({ active: 2, orphan: 2 });
    for (let index = 0; index < 120; index += 1) {
      await store.createKeyPair({ organizationId, keyPairId: `pair-${index}`, sequence: 1, document: randomBytes(20) });
    }
    const list = vi.spyOn(store, "listKeyPairs");
    const { kept, removed } = await remove();
    expect(removed).toEqual([]);
    expect(new Set(kept.map(({ keyPairId }) => keyPairId)).size).toBe(121);
    expect(kept).toHaveLength(121);
    expect(new Set(list.mock.calls.map(([, { limit }]) => limit))).toEqual(new Set([50]));
  });

  it("needs a store that can remove, but for a dry run", async () => {
    const { active, store, worker } = await orphaned({ active: 2, orphan: 1 });
    const { context } = worker({ store: overridden(store, { removeKeyPair: undefined }) });
    const list = vi.spyOn(store, "listKeyPairs");
    await expect(removeOrphans(context, active, { dryRun: false })).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field: "store",
      rule: "must have removeKeyPair(), or dryRun must be set",
    });
    expect(list).not.toHaveBeenCalled();
    expect((await removeOrphans(context, active, { dryRun })).kept).toHaveLength(1);
  });

  it.each<[what: string, break_: (store: KeyPairStore, first: ClaimedKeyPair) => unknown, code: string]>([
    [
      "has lost a pair",
      (store, first) => store.removeKeyPair?.(organizationId, first.birth.keyPairId),
      "ERR_STORE_CORRUPT",
    ],
    [
      "is away",
      (store) => vi.spyOn(store, "listKeyPairs").mockRejectedValue(new Error("away")),
      "ERR_STORE_UNAVAILABLE",
    ],
  ])("removes nothing from a store that %s", async (_, break_, code) => {
    const { context, active, lost, first, store, remove, isStored } = await orphaned({ active: 3, orphan: 2 });
    await markNeverActive(context, lost, active);
    await break_(store, first);
    await expect(remove()).rejects.toMatchObject({ code });
    expect(await isStored(lost)).toBe(true);
  });

  it("removes nothing while KMS can't be asked about a mark", async () => {
    const { context, active, lost, remove, isStored, kms } = await orphaned({ active: 2, orphan: 2 });
    await markNeverActive(context, lost, active);
    kms.faults.outage();
    await expect(remove()).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
    expect(await isStored(lost)).toBe(true);
  });

  it("tells the store of a caller who leaves, and stops there", async () => {
    const { context, active, lost, lose, remove, isStored, store } = await orphaned({ active: 2, orphan: 2 });
    const pairs = [lost, await lose(2)];
    for (const pair of pairs) await markNeverActive(context, pair, active);
    const [leaving, left] = [new AbortController(), new Error("left")];
    const spies = [vi.spyOn(context.records, "remove"), vi.spyOn(context.records, "listWrappings")];
    const removeKeyPair = store.removeKeyPair.bind(store);
    vi.spyOn(store, "removeKeyPair").mockImplementation(async (...args) => {
      const result = await removeKeyPair(...args);
      leaving.abort(left);
      return result;
    });
    await expect(remove({ dryRun: false }, leaving.signal)).rejects.toBe(left);
    expect((await Promise.all(pairs.map(isStored))).sort()).toEqual([false, true]);
    expect(spies.map(({ mock }) => mock.calls.map(([, signal]) => signal))).toEqual([
      [leaving.signal],
      [leaving.signal],
    ]);
  });

  it("walks and lists for a caller who may leave", async () => {
    const { context, remove } = await orphaned({ active: 2, orphan: 2 });
    const { signal } = new AbortController();
    const [chain, list] = [vi.spyOn(context.records, "chain"), vi.spyOn(context.records, "list")];
    await remove({ dryRun: false }, signal);
    expect(chain.mock.calls.map(([, , given]) => given)).toEqual([signal]);
    expect(list.mock.calls.map(([from, , given]) => [from, given])).toEqual([
      [undefined, signal],
      [undefined, signal],
    ]);
  });
});

describe("what a store writer can plant", () => {
  const mark = (pair: ClaimedKeyPair, digest = pair.digest) => ({
    wrappingId: "fate",
    document: encodeDocument("fate", { digest, mark: { ...pair.attestation, ciphertext: randomBytes(150) } }),
  });

  it("beside a genuine pair of the history does not remove it", async () => {
    const { history, remove, store, isStored } = await orphaned({ active: 3, orphan: 2 });
    for (const pair of history) await store.createWrapping(organizationId, pair.birth.keyPairId, mark(pair));
    expect((await remove()).removed).toEqual([]);
    expect(await Promise.all(history.map(isStored))).toEqual([true, true, true]);
  });

  it("beside a genuine pair that the history does not name does not remove it either", async () => {
    const { lost, remove, store } = await orphaned({ active: 2, orphan: 2 });
    await store.createWrapping(organizationId, lost.birth.keyPairId, mark(lost));
    expect(await remove()).toEqual({ removed: [], kept: [named(lost)] });
  });

  it("does not turn a mark of one pair into a mark of another", async () => {
    const { context, active, lost, lose, remove, store } = await orphaned({ active: 2, orphan: 2 });
    const other = await lose(2);
    await markNeverActive(context, lost, active);
    const [stolen] = await store.listWrappings(organizationId, lost.birth.keyPairId);
    await store.createWrapping(organizationId, other.birth.keyPairId, stolen!);
    expect(await remove()).toEqual({ removed: [named(lost)], kept: [named(other)] });
  });

  it("in a damaged record is left alone, mark or not", async () => {
    const { context, active, lost, remove, store } = await orphaned({ active: 2, orphan: 2 });
    await markNeverActive(context, lost, active);
    const [genuine] = await store.listWrappings(organizationId, lost.birth.keyPairId);
    await store.createKeyPair({ organizationId, keyPairId: "damaged", sequence: 1, document: randomBytes(20) });
    await store.createWrapping(organizationId, "damaged", genuine!);
    expect((await remove()).kept).toEqual([{ keyPairId: "damaged", sequence: 1 }]);
  });

  it.each([
    ["nobody trusts", `arn:aws:kms:${homeRegion}:999999999999:key/1`],
    ["is none", `arn:aws:kms:${homeRegion}:${accountId}:alias/a`],
    ["is of a Region that can't be reached", `arn:aws:kms:xx-nowhere-1:${accountId}:key/1`],
  ])("under a KMS key that %s makes no call to KMS, which may never answer", async (_, kmsKeyArn) => {
    const { remove, store, kms } = await orphaned({ active: 2, orphan: 2 });
    const pair = invented({ kmsKeyArn });
    await putAsWriter(store, pair);
    await store.createWrapping(organizationId, pair.birth.keyPairId, mark(pair));
    kms.journal.clear();
    expect((await remove()).kept).toContainEqual(named(pair));
    expect(kms.journal.count()).toBe(0);
  });
});
