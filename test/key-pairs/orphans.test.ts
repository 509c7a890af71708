import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import { readHead } from "../../src/key-pairs/head.js";
import { storedKeyPair } from "../../src/key-pairs/key-pair.js";
import { makeKeyPair } from "../../src/key-pairs/making.js";
import { markLost, removeOrphans } from "../../src/key-pairs/orphans.js";
import { overridden } from "../support/setup.js";
import { kmsKeyAliasArn, organizationId, world } from "./world.js";

const terms = { dryRun: false, checkHead: () => undefined };

/** An active pair of a sequence, and one of another that the head does not name. */
async function orphaned({ active, orphan }: { active: number; orphan: number }) {
  const parts = world();
  const { context, rotation, pair } = await parts.configured();
  for (let sequence = 1; sequence < active; sequence += 1) await rotation.change({});
  const { birth } = pair;
  const lost = await makeKeyPair(parts.provider, { ...birth, sequence: orphan, kmsKeyAliasArn, purpose: "key-pair" });
  await parts.store.createKeyPair(storedKeyPair(lost));
  const marks = () => parts.store.listWrappings(organizationId, lost.birth.keyPairId);
  return { ...parts, context, pair, lost, marks, head: (await readHead(context))! };
}

describe("the mark of a pair that lost its race", () => {
  it("is left where the head's history has passed it by", async () => {
    const { context, lost, marks, head } = await orphaned({ active: 3, orphan: 2 });
    await markLost(context, lost, head);
    expect(await marks()).toEqual([{ wrappingId: "lost", document: new Uint8Array(encodeDocument("lost", { digest: lost.digest })) }]);
  });

  it("is not where the store went backwards, which proves nothing", async () => {
    const { context, lost, marks, head } = await orphaned({ active: 1, orphan: 2 });
    await markLost(context, lost, head);
    expect(await marks()).toEqual([]);
  });

  it("is not on a pair of the history, however long ago it was", async () => {
    const { context, pair, store, head } = await orphaned({ active: 3, orphan: 2 });
    await markLost(context, pair, head);
    expect(await store.listWrappings(organizationId, pair.birth.keyPairId)).toEqual([]);
  });
});

describe("removing orphans", () => {
  it("asks for a store that can, or for a dry run", async () => {
    const { context, store } = await orphaned({ active: 2, orphan: 1 });
    const without = { ...context, store: overridden(store, { removeKeyPair: undefined }) };
    await expect(removeOrphans(without, terms)).rejects.toThrow("store: must have removeKeyPair(), or dryRun must be set");
    expect((await removeOrphans(without, { ...terms, dryRun: true })).kept).toHaveLength(1);
  });

  it("is soon done where nothing is configured", async () => {
    expect(await removeOrphans(world().worker().context, terms)).toEqual({ removed: [], kept: [] });
  });

  it("looks at every pair of a store, page by page", async () => {
    const { context, store } = await orphaned({ active: 2, orphan: 2 });
    for (let index = 0; index < 120; index += 1) await store.createKeyPair({ organizationId, keyPairId: `pair-${index}`, sequence: 1, document: randomBytes(20) });
    const { kept, removed } = await removeOrphans(context, terms);
    expect([kept.length, new Set(kept.map(({ keyPairId }) => keyPairId)).size, removed]).toEqual([121, 121, []]);
  });

  it.each<[what: string, wrappingId: string, digest: "own" | "other", removes: boolean]>([
    ["its maker's mark", "lost", "own", true],
    ["a mark in another place", "w", "own", false],
    ["another pair's mark", "lost", "other", false],
  ])("takes %s for proof: %s, %s: %s", async (_what, wrappingId, digest, removes) => {
    const { context, lost, store } = await orphaned({ active: 2, orphan: 2 });
    const found = { keyPairId: lost.birth.keyPairId, sequence: 2 };
    await store.createWrapping(organizationId, found.keyPairId, { wrappingId, document: encodeDocument("lost", { digest: digest === "own" ? lost.digest : randomBytes(32) }) });
    expect(await removeOrphans(context, terms)).toEqual({ removed: removes ? [found] : [], kept: removes ? [] : [found] });
    expect((await store.readKeyPair(organizationId, found.keyPairId)) === undefined).toBe(removes);
  });

  it("leaves alone what it can't read, mark or not", async () => {
    const { context, store, lost } = await orphaned({ active: 2, orphan: 2 });
    await store.createKeyPair({ organizationId, keyPairId: "damaged", sequence: 1, document: randomBytes(20) });
    await store.createWrapping(organizationId, "damaged", { wrappingId: "lost", document: encodeDocument("lost", { digest: lost.digest }) });
    expect((await removeOrphans(context, terms)).kept.map(({ keyPairId }) => keyPairId)).toContain("damaged");
  });
});
