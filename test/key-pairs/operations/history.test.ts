import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import { keyPairInfo, listHistory, WalkedHistory } from "../../../src/key-pairs/operations/history.js";
import type { ClaimedKeyPair } from "../../../src/key-pairs/key-pair.js";
import { invented } from "../inventions.js";
import { kmsKeyAliasArn, organizationId, putAsWriter, world } from "../world.js";

afterEach(() => void vi.restoreAllMocks());

/** A number of pairs, the newest first, and pages of their history. */
async function history(length: number) {
  const parts = world();
  const { context, rotation, pair } = await parts.configured();
  const pairs = [pair];
  const add = async () => {
    parts.clock.advance(1_000);
    pairs.unshift(await rotation.rotate({}));
  };
  while (pairs.length < length) await add();
  const walked = new WalkedHistory();
  const list = (
    limit: number,
    cursor?: string,
    { signal, memory = walked }: { signal?: AbortSignal; memory?: WalkedHistory } = {},
  ) => listHistory(context, pairs[0]!, memory, { limit, cursor }, signal);
  const sequences = async (limit: number) => {
    const pages: number[][] = [];
    for (let cursor: string | undefined; ;) {
      const { items, nextCursor } = await list(limit, cursor);
      pages.push(items.map(({ sequence }) => sequence));
      if (nextCursor === undefined) return pages;
      cursor = nextCursor;
    }
  };
  return { ...parts, context, rotation, pairs, add, list, sequences };
}

const badCursor = { code: "ERR_INVALID_INPUT", field: "cursor", rule: "must be a nextCursor of an earlier page" };

describe("the history", () => {
  it("tells of each pair what an administrator may know, newest first", async () => {
    const { list, pairs, keyArn } = await history(2);
    const info = (pair: ClaimedKeyPair, more: object) => ({
      keyPairId: pair.birth.keyPairId,
      sequence: pair.birth.sequence,
      spec: "X25519",
      createdAt: new Date(pair.birth.createdAt),
      kmsKeyAliasArn,
      kmsKeyArn: keyArn,
      periodicKeyChange: "daily",
      digest: pair.digest.toString("base64url"),
      ...more,
    });
    expect(await list(9)).toEqual({
      items: [
        info(pairs[0]!, { active: true, reason: "on-demand" }),
        info(pairs[1]!, { active: false, reason: "configure" }),
      ],
    });
  });

  it("has no reason to tell of a pair whose maker gave none", () => {
    const { reason: _, ...birth } = invented().birth;
    const info = keyPairInfo({ ...invented(), birth }, false);
    expect(Object.keys(info)).not.toContain("reason");
    expect(info.active).toBe(false);
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
    const { sequences, store, rotation, add, list } = await history(2);
    const swapHead = vi.spyOn(store, "swapHead");
    const losing = async () => {
      swapHead.mockRejectedValueOnce(new Error("lost"));
      await expect(rotation.rotate({})).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    };
    await losing();
    await losing();
    await add();
    await losing();
    expect(await store.listKeyPairs(organizationId, { limit: 99 })).toHaveLength(6);
    for (const limit of [1, 2, 3, 99]) expect((await sequences(limit)).flat()).toEqual([3, 2, 1]);
    expect((await list(99)).items.filter(({ active }) => active)).toHaveLength(1);
  });

  it("is the vouched pair's own, whatever a store writer lists ahead of it and beside it", async () => {
    const { sequences, store, pairs } = await history(3);
    for (const sequence of [2, 3, 4, 5]) {
      await putAsWriter(store, invented({ birth: { sequence, previousDigest: pairs[0]!.digest } }));
    }
    for (const limit of [1, 2, 99]) expect((await sequences(limit)).flat()).toEqual([3, 2, 1]);
  });

  it("goes on where it was although pairs were added meanwhile", async () => {
    const { list, add } = await history(3);
    const { items, nextCursor } = await list(2);
    await add();
    const rest = await list(2, nextCursor);
    const told = (page: typeof items) => page.map(({ sequence, active }) => ({ sequence, active }));
    expect(told(items)).toEqual([
      { sequence: 3, active: true },
      { sequence: 2, active: false },
    ]);
    expect(told(rest.items)).toEqual([{ sequence: 1, active: false }]);
    expect(rest.nextCursor).toBeUndefined();
  });

  it("that has lost a pair says so instead of passing over it", async () => {
    const { list, store, pairs } = await history(3);
    await store.removeKeyPair(organizationId, pairs[1]!.birth.keyPairId);
    const lost = "the store has lost a key pair of the history: the chain of birth records ends before the first one";
    await expect(list(9)).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT", message: lost });
    expect((await list(1)).items).toHaveLength(1);
    await expect(list(1, (await list(1)).nextCursor)).rejects.toMatchObject({
      code: "ERR_STORE_CORRUPT",
      message: lost,
    });
  });

  it("can't be read from a store that is away", async () => {
    const { list, store } = await history(1);
    vi.spyOn(store, "listKeyPairs").mockRejectedValue(new Error("no route to store"));
    await expect(list(9)).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE", retryable: true });
  });

  it("asks the store for no more than is wanted, and hears a caller who leaves", async () => {
    const { list, store, context } = await history(3);
    const asked = vi.spyOn(store, "listKeyPairs");
    const chain = vi.spyOn(context.records, "chain");
    const { signal } = new AbortController();
    const { nextCursor } = await list(2, undefined, { signal });
    expect(chain.mock.lastCall?.[2]).toBe(signal);
    expect(asked.mock.calls.map(([, query]) => query)).toEqual([{ after: undefined, limit: 2 }]);
    asked.mockClear();
    await list(1, nextCursor);
    expect(asked.mock.calls.map(([, query]) => query)).toEqual([
      { after: { sequence: 2, keyPairId: expect.any(String) }, limit: 1 },
    ]);
    await expect(list(1, undefined, { signal: AbortSignal.abort(new Error("left")) })).rejects.toThrow("left");
  });

  it("asks for what is left of a page where pairs beside the chain filled the one before", async () => {
    const { list, store } = await history(3);
    await putAsWriter(store, invented({ birth: { sequence: 3, keyPairId: "-first" } }));
    const asked = vi.spyOn(store, "listKeyPairs");
    expect((await list(2)).items.map(({ sequence }) => sequence)).toEqual([3, 2]);
    expect(asked.mock.calls.map(([, { limit }]) => limit)).toEqual([2, 1]);
  });
});

describe("a cursor", () => {
  it("from another process is taken after a walk to its place; the next page costs none", async () => {
    const { list, store } = await history(4);
    const { nextCursor } = await list(1);
    const elsewhere = { memory: new WalkedHistory() };
    const asked = vi.spyOn(store, "listKeyPairs");
    const limits = () => asked.mock.calls.splice(0).map(([, { limit }]) => limit);
    const second = await list(1, nextCursor, elsewhere);
    expect({ items: second.items.map(({ sequence }) => sequence), limits: limits() }).toEqual({
      items: [3],
      limits: [50, 1],
    });
    const third = await list(1, second.nextCursor, elsewhere);
    expect({ items: third.items.map(({ sequence }) => sequence), limits: limits() }).toEqual({
      items: [2],
      limits: [1],
    });
  });

  it("is walked to with the caller's signal", async () => {
    const { list, context } = await history(3);
    const { nextCursor } = await list(1);
    const { signal } = new AbortController();
    const chain = vi.spyOn(context.records, "chain");
    await list(1, nextCursor, { signal, memory: new WalkedHistory() });
    expect(chain.mock.calls.map(([, , given]) => given)).toEqual([signal, signal]);
  });

  it("of another history is refused, whoever has it", async () => {
    const { list, store } = await history(3);
    const other = invented({ birth: { sequence: 2 } });
    await putAsWriter(store, other);
    for (const digest of [other.digest, other.birth.previousDigest!, randomBytes(32)]) {
      const cursor = `3.${other.birth.keyPairId}.${digest.toString("base64url")}`;
      await expect(list(1, cursor)).rejects.toMatchObject(badCursor);
    }
  });

  it("that names the newest pair itself is none: it stands behind no page", async () => {
    const { list, pairs } = await history(2);
    await expect(list(1, `3.pair.${pairs[0]!.digest.toString("base64url")}`)).rejects.toMatchObject(badCursor);
  });

  it("that was moved behind its pair leads to damage and not past it", async () => {
    const { list, pairs } = await history(3);
    const { nextCursor } = await list(1);
    const moved = nextCursor!.replace(/^3\.[^.]+/, `1.${pairs[2]!.birth.keyPairId}`);
    await expect(list(1, moved)).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
  });

  const digest = "A".repeat(43);
  it.each([
    "",
    "x",
    `0.pair.${digest}`,
    `01.pair.${digest}`,
    `1234567890123456.pair.${digest}`,
    `1..${digest}`,
    `1.${"p".repeat(65)}.${digest}`,
    `1.pair.${digest}A`,
    `1.pair.${digest.slice(1)}`,
    `1.pa/ir.${digest}`,
    ` 1.pair.${digest}`,
    `1.pair.${digest} `,
    "1.pair",
  ])("is refused before the store is asked if it has no form: %j", async (cursor) => {
    const { list, store } = await history(1);
    const asked = vi.spyOn(store, "listKeyPairs");
    await expect(list(1, cursor)).rejects.toMatchObject(badCursor);
    expect(asked).not.toHaveBeenCalled();
  });

  it.each([`123456789012345.${"p".repeat(64)}.${digest}`, `1.a_-Z9.${"-_9a".repeat(10)}AAA`])(
    "of the right form is looked for in the store: %s",
    async (cursor) => {
      const { list, store } = await history(1);
      const asked = vi.spyOn(store, "listKeyPairs");
      await expect(list(1, cursor)).rejects.toMatchObject(badCursor);
      expect(asked).toHaveBeenCalled();
    },
  );
});

describe("walked histories", () => {
  it("knows what was added, by its content", () => {
    const walked = new WalkedHistory();
    walked.add(Buffer.alloc(32, 1));
    expect({ same: walked.has(Buffer.alloc(32, 1)), other: walked.has(Buffer.alloc(32, 2)) }).toEqual({
      same: true,
      other: false,
    });
  });

  it("is bounded: it begins anew when 10,000 are known", () => {
    const walked = new WalkedHistory();
    const digestOf = (index: number) => {
      const digest = Buffer.alloc(32);
      digest.writeUInt32BE(index);
      return digest;
    };
    for (let index = 0; index < 10_000; index += 1) walked.add(digestOf(index));
    expect({ first: walked.has(digestOf(0)), last: walked.has(digestOf(9_999)) }).toEqual({ first: true, last: true });
    walked.add(digestOf(10_000));
    expect({ first: walked.has(digestOf(0)), last: walked.has(digestOf(10_000)) }).toEqual({
      first: false,
      last: true,
    });
  });
});
