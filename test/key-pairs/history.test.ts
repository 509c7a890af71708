import { afterEach, describe, expect, it, vi } from "vitest";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import { listHistory } from "../../src/key-pairs/history.js";
import { storedKeyPair, type KeyPair } from "../../src/key-pairs/key-pair.js";
import { kmsKeyAliasArn, organizationId, world } from "./world.js";

afterEach(() => void vi.restoreAllMocks());

/** So many pairs, the oldest first, and what else a test puts into the store. */
async function history(length: number) {
  const parts = world();
  const { context, rotation, pair } = await parts.configured();
  const pairs = [pair];
  while (pairs.length < length) {
    parts.clock.advance(1_000);
    pairs.push(await rotation.change({}));
  }
  const list = (limit: number, cursor?: string, signal?: AbortSignal) => listHistory(context, { limit, cursor }, signal);
  const sequences = async (limit: number) => {
    const pages: number[][] = [];
    for (let cursor: string | undefined; ; ) {
      const { items, nextCursor } = await list(limit, cursor);
      pages.push(items.map(({ sequence }) => sequence));
      if (nextCursor === undefined) return pages;
      cursor = nextCursor;
    }
  };
  return { ...parts, context, rotation, pairs, list, sequences };
}

describe("the history", () => {
  it("tells of each pair what an administrator may know, newest first", async () => {
    const { list, pairs, keyArn } = await history(2);
    const info = (pair: KeyPair, active: boolean) => ({
      keyPairId: pair.birth.keyPairId,
      sequence: pair.birth.sequence,
      active,
      spec: "X25519",
      createdAt: new Date(pair.birth.createdAt),
      kmsKeyAliasArn,
      kmsKeyArn: keyArn,
      periodicKeyChange: "daily",
      digest: pair.digest.toString("base64url"),
    });
    expect(await list(9)).toEqual({ items: [info(pairs[1]!, true), info(pairs[0]!, false)] });
  });

  it("is empty without a configuration", async () => {
    const { worker } = world();
    expect(await listHistory(worker().context, { limit: 5 })).toEqual({ items: [] });
  });

  it("comes in pages that are full, but for the last, and none is empty", async () => {
    const { sequences } = await history(5);
    expect(await sequences(1)).toEqual([[5], [4], [3], [2], [1]]);
    expect(await sequences(2)).toEqual([[5, 4], [3, 2], [1]]);
    expect(await sequences(4)).toEqual([[5, 4, 3, 2], [1]]);
    expect(await sequences(5)).toEqual([[5, 4, 3, 2, 1]]);
    expect(await sequences(9)).toEqual([[5, 4, 3, 2, 1]]);
  });

  it("leaves out what lost a race, in whatever order the store lists it", async () => {
    const { sequences, store, rotation, context } = await history(2);
    const swapHead = vi.spyOn(store, "swapHead");
    const losing = async () => {
      swapHead.mockRejectedValueOnce(new Error("lost"));
      await expect(rotation.change({})).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    };
    await losing();
    await losing();
    await rotation.change({});
    await losing();
    expect(await store.listKeyPairs(organizationId, { limit: 99 })).toHaveLength(6);
    for (const limit of [1, 2, 3, 99]) expect((await sequences(limit)).flat()).toEqual([3, 2, 1]);
    expect((await listHistory(context, { limit: 99 })).items.filter(({ active }) => active)).toHaveLength(1);
  });

  it("goes on where it was although pairs were added meanwhile", async () => {
    const { list, rotation } = await history(3);
    const { items, nextCursor } = await list(2);
    await rotation.change({});
    const rest = await list(2, nextCursor);
    expect([items, rest.items].map((page) => page.map(({ sequence, active }) => [sequence, active]))).toEqual([[[3, true], [2, false]], [[1, false]]]);
    expect(rest.nextCursor).toBeUndefined();
  });

  it("that has lost a pair says so instead of passing over it", async () => {
    const { list, store, pairs } = await history(3);
    const listKeyPairs = store.listKeyPairs.bind(store);
    vi.spyOn(store, "listKeyPairs").mockImplementation(async (...args) => (await listKeyPairs(...args)).filter(({ keyPairId }) => keyPairId !== pairs[1]!.birth.keyPairId));
    const lost = { code: "ERR_STORE_CORRUPT", message: "the store has lost a key pair of the history: the chain of birth records ends before the first one" };
    await expect(list(9)).rejects.toMatchObject(lost);
    expect((await list(1)).items).toHaveLength(1);
    await expect(list(1, (await list(1)).nextCursor)).rejects.toMatchObject(lost);
  });

  it("names what is damaged or foreign", async () => {
    const { list, store, pairs } = await history(1);
    const { keyPairId } = pairs[0]!.birth;
    const stored = storedKeyPair(pairs[0]!);
    vi.spyOn(store, "listKeyPairs").mockImplementation(async (_organization, { after }) => (after ? [] : [{ ...stored, document: Buffer.from("torn") }]));
    await expect(list(9)).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT", message: `key pair ${keyPairId}: is not JSON` });
    vi.spyOn(store, "listKeyPairs").mockRejectedValue(new Error("no route to store"));
    await expect(list(9)).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE", retryable: true });
    vi.spyOn(store, "readHead").mockResolvedValue({ revision: "1", document: encodeDocument("head", { organizationId: "org-2", keyPairId, sequence: 1, digest: pairs[0]!.digest }) });
    await expect(list(9)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  });

  it("passes over damage beside it, and takes it for the cause only where a pair is missing", async () => {
    const { sequences, store, pairs } = await history(3);
    // One before and one behind the true pair of the same sequence: ids are listed in ASCII order.
    for (const keyPairId of ["-damaged", "zz-damaged"]) await store.createKeyPair({ organizationId, keyPairId, sequence: 2, document: Buffer.from("torn") });
    for (const limit of [1, 2, 9]) expect((await sequences(limit)).flat()).toEqual([3, 2, 1]);
    const listKeyPairs = store.listKeyPairs.bind(store);
    const without = (lost: string) => vi.spyOn(store, "listKeyPairs").mockImplementation(async (...args) => (await listKeyPairs(...args)).filter(({ keyPairId }) => keyPairId !== lost));
    without(pairs[1]!.birth.keyPairId);
    await expect(sequences(9)).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT", message: "key pair -damaged: is not JSON" });
    without(pairs[0]!.birth.keyPairId);
    await expect(sequences(9)).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT", message: "key pair zz-damaged: is not JSON" });
  });

  it.each([
    ["the same pair again", 2],
    ["a pair of a higher sequence", 1],
  ])("does not go on for ever where a store lists %s", async (_what, from) => {
    const { list, store } = await history(3);
    const all = await store.listKeyPairs(organizationId, { limit: 9 });
    vi.spyOn(store, "listKeyPairs").mockImplementation(async (_organization, { after }) => (after ? all.slice(from) : all.slice(2)));
    await expect(list(9)).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT", message: expect.stringMatching(/^the store lists key pairs out of order: [^ ]+ behind [^ ]+$/) });
  });

  it("asks the store for no more than is wanted, and hears a caller who leaves", async () => {
    const { list, store } = await history(3);
    const asked = vi.spyOn(store, "listKeyPairs");
    const { signal } = new AbortController();
    const { nextCursor } = await list(2, undefined, signal);
    expect(asked.mock.calls).toEqual([[organizationId, { after: undefined, limit: 2 }, { signal }]]);
    asked.mockClear();
    await list(1, nextCursor);
    expect(asked.mock.calls).toEqual([[organizationId, { after: { sequence: 2, keyPairId: expect.any(String) as unknown }, limit: 1 }, {}]]);
    await expect(list(1, undefined, AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });

  const digest = "A".repeat(43);
  it.each(["", "x", `0.pair.${digest}`, `01.pair.${digest}`, `1234567890123456.pair.${digest}`, `1..${digest}`, `1.${"p".repeat(65)}.${digest}`, `1.pair.${digest}A`, `1.pair.${digest.slice(1)}`, `1.pa/ir.${digest}`, ` 1.pair.${digest}`, `1.pair.${digest} `, `1.pair`])(
    "does not go on from %j",
    async (cursor) => {
      const { list } = await history(1);
      await expect(list(1, cursor)).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: "cursor", rule: "must be a nextCursor of an earlier page" });
    },
  );

  it.each([`123456789012345.${"p".repeat(64)}.${digest}`, `1.a_-Z9.${"-_9a".repeat(10)}AAA`])("goes on from %s", async (cursor) => {
    const { list } = await history(1);
    await expect(list(1, cursor)).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" }); // whose pair is not in the chain
  });
});
