import { randomBytes } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import type { ClaimedKeyPair } from "../../src/key-pairs/key-pair.js";
import type { ClaimedHead } from "../../src/key-pairs/records.js";
import { overridden } from "../support/setup.js";
import { invented } from "./inventions.js";
import { organizationId, pointAsWriter, putAsWriter, world } from "./world.js";

const corrupt = (message: string | RegExp) => ({
  code: "ERR_STORE_CORRUPT",
  message: typeof message === "string" ? message : (expect.stringMatching(message) as string),
});
const wrapping = { wrappingId: "w", document: Buffer.from("{}") };

/** An organization with one pair, and its records in a store some of whose methods are a test's own. */
async function recorded(methods: Parameters<typeof overridden>[1] = {}) {
  const parts = world();
  const { pair } = await parts.configured();
  const { records, rotation } = parts.worker({ store: overridden(parts.store, methods) });
  return { ...parts, pair, records, rotation };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const headOf = ({ birth, digest }: ClaimedKeyPair): ClaimedHead => ({
  organizationId,
  keyPairId: birth.keyPairId,
  sequence: birth.sequence,
  digest,
  revision: "1",
});

describe("the head", () => {
  it("is a claim with the revision that the store gave it", async () => {
    const { records, pair } = await recorded();
    const { keyPairId } = pair.birth;
    expect(await records.readHead()).toEqual(headOf(pair));
    expect(await records.readRawHead()).toEqual({
      revision: "1",
      document: new Uint8Array(encodeDocument("head", { organizationId, keyPairId, sequence: 1, digest: pair.digest })),
    });
  });

  it("may be absent", async () => {
    const { records } = world().worker();
    expect({ head: await records.readHead(), raw: await records.readRawHead() }).toEqual({});
  });

  it("of another organization is not trusted", async () => {
    const { pair, store, records } = await recorded();
    const { revision: _, ...head } = headOf(pair);
    const document = encodeDocument("head", { ...head, organizationId: "org-2" });
    await store.swapHead(organizationId, "1", document);
    await expect(records.readHead()).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_UNTRUSTED",
      message: "the store's head belongs to another organization",
    });
    expect((await records.readRawHead())?.revision).toBe("2");
  });

  it.each(["", "a/b", "../pair", "a".repeat(65), "a b"])(
    "that names what no store takes for an id is damage: %j",
    async (keyPairId) => {
      const { pair, store, records } = await recorded();
      await pointAsWriter(store, { ...pair, birth: { ...pair.birth, keyPairId } });
      await expect(records.readHead()).rejects.toMatchObject(corrupt(/^head: keyPairId \S/));
    },
  );

  it("is swung to a vouched pair, if it still is what the caller believed", async () => {
    const { pair, store, records } = await recorded();
    expect(await records.swapHead(pair, undefined)).toBe(false);
    expect(await records.swapHead(pair, "1")).toBe(true);
    expect(await records.swapHead(pair, "1")).toBe(false);
    expect((await store.readHead(organizationId))?.revision).toBe("2");
    expect(await records.readHead()).toEqual({ ...headOf(pair), revision: "2" });
  });
});

describe("the pair that the head names", () => {
  it("is the one that is stored", async () => {
    const { records, pair } = await recorded();
    const { wrappingKey: _, ...read } = await records.readHeadPair(headOf(pair));
    const { wrappingKey: __, ...made } = pair;
    expect(read).toEqual(made);
  });

  it("is damage where the store does not have it", async () => {
    const { records, pair } = await recorded();
    const head = { ...headOf(pair), keyPairId: "gone" };
    const message = "the store's head names key pair gone, which the store does not have";
    await expect(records.readHeadPair(head)).rejects.toMatchObject(corrupt(message));
    expect(await records.readPair("gone")).toBeUndefined();
  });

  it.each([
    ["digest", { digest: Buffer.alloc(32) }],
    ["sequence", { sequence: 2 }],
  ])("is not trusted where the head has another %s", async (_, change) => {
    const { records, pair } = await recorded();
    await expect(records.readHeadPair({ ...headOf(pair), ...change })).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_UNTRUSTED",
      message: `key pair ${pair.birth.keyPairId} is not the one that the store's head names`,
    });
  });
});

describe("a stored pair", () => {
  it("under another name than its own is a copy, and not trusted", async () => {
    const { records, store, pair } = await recorded();
    const { document } = (await store.readKeyPair(organizationId, pair.birth.keyPairId))!;
    const copies = [
      { organizationId, keyPairId: "copy", sequence: 1, document },
      { organizationId, keyPairId: pair.birth.keyPairId, sequence: 2, document },
    ];
    for (const copy of copies) {
      const message = `key pair ${copy.keyPairId} stands in another pair's place`;
      expect(() => records.claimOf(copy)).toThrow(expect.objectContaining({ code: "ERR_KEY_PAIR_UNTRUSTED", message }));
    }
    await store.createKeyPair(copies[0]!);
    await expect(records.readPair("copy")).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  });

  it("handed out for another id is not trusted", async () => {
    const { pair, store, worker } = await recorded();
    const lying = overridden(store, { readKeyPair: () => store.readKeyPair(organizationId, pair.birth.keyPairId) });
    await expect(worker({ store: lying }).records.readPair("other")).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_UNTRUSTED",
      message: "key pair other stands in another pair's place",
    });
  });

  it("is put there once, and stays as it was", async () => {
    const { records, pair, store } = await recorded();
    const before = await store.readKeyPair(organizationId, pair.birth.keyPairId);
    await records.putPair({ ...pair, publicKey: randomBytes(32) });
    expect(await store.readKeyPair(organizationId, pair.birth.keyPairId)).toEqual(before);
  });

  it("holds its two ciphertexts and nothing else that a caller may have hung on them", async () => {
    const { records, pair, store } = await recorded();
    await store.removeKeyPair(organizationId, pair.birth.keyPairId);
    const { kmsKeyArn, ciphertext } = pair.wrapping;
    const extended = { kmsKeyArn, ciphertext, note: "not in the record" };
    await records.putPair({ ...pair, wrapping: extended, attestation: { ...pair.attestation, ...extended } });
    const { document } = (await store.readKeyPair(organizationId, pair.birth.keyPairId))!;
    expect(Buffer.from(document).toString()).not.toContain("note");
    expect(records.claimOf({ ...pair.birth, document }).wrapping).toEqual(pair.wrapping);
  });
});

describe("the listing", () => {
  /** Pairs in the store, all of one sequence but the last. */
  async function listed(length: number) {
    const parts = await recorded();
    for (let index = 1; index < length; index += 1) await putAsWriter(parts.store, invented());
    return parts;
  }

  it("gives all there is, page by page, and ends with an empty page", async () => {
    const { records, store } = await listed(5);
    const asked = vi.spyOn(store, "listKeyPairs");
    let batch = 1;
    const found = await all(records.list(undefined, () => batch++));
    expect(new Set(found.map(({ keyPairId }) => keyPairId)).size).toBe(5);
    const after = ({ sequence, keyPairId }: (typeof found)[number]) => ({ sequence, keyPairId });
    expect(asked.mock.calls.map(([, query]) => query)).toEqual([
      { after: undefined, limit: 1 },
      { after: after(found[0]!), limit: 2 },
      { after: after(found[2]!), limit: 3 },
      { after: after(found[4]!), limit: 4 },
    ]);
  });

  it("goes on behind a place", async () => {
    const { records } = await listed(3);
    const [first, ...rest] = await all(records.list(undefined, () => 9));
    const { sequence, keyPairId } = first!;
    expect(await all(records.list({ sequence, keyPairId }, () => 9))).toEqual(rest);
  });

  const place = (sequence: number, keyPairId: string) => ({
    organizationId,
    keyPairId,
    sequence,
    document: Buffer.of(1),
  });
  it.each<[what: string, pages: ReturnType<typeof place>[][], message: string]>([
    ["the same pair again", [[place(1, "a"), place(1, "a")]], "a behind a"],
    ["a higher sequence behind a lower one", [[place(1, "a"), place(2, "b")]], "b behind a"],
    ["ids in falling order", [[place(2, "b"), place(2, "a")]], "a behind b"],
    ["the page before again", [[place(2, "b")], [place(2, "b")]], "b behind b"],
    ["an earlier page again", [[place(3, "c"), place(2, "b")], [place(3, "c")]], "c behind b"],
  ])("that might never end is damage: %s", async (_, pages, message) => {
    let page = 0;
    const { records } = await recorded({ listKeyPairs: async () => pages[page++] ?? [] });
    const outOfOrder = corrupt(`the store lists key pairs out of order: ${message}`);
    await expect(all(records.list(undefined, () => 9))).rejects.toMatchObject(outOfOrder);
  });

  it("may have falling ids where the sequence falls too, and rising ones within a sequence", async () => {
    const pages = [[place(2, "a"), place(2, "b"), place(1, "a")]];
    const { records } = await recorded({ listKeyPairs: async () => pages.shift() ?? [] });
    expect(await all(records.list(undefined, () => 9))).toHaveLength(3);
  });
});

describe("the chain", () => {
  async function chained(length: number) {
    const parts = await recorded();
    const pairs = [parts.pair];
    while (pairs.length < length) pairs.unshift(await parts.rotation.rotate({}));
    return {
      ...parts,
      pairs,
      walk: (batch = 9) => all(parts.records.chain({ digest: pairs[0]!.digest }, () => batch)),
    };
  }
  const sequences = (walked: readonly { pair: ClaimedKeyPair }[]) => walked.map(({ pair }) => pair.birth.sequence);

  it("leads from a digest to the first pair, and says from where it can go on", async () => {
    const { walk, pairs, records } = await chained(3);
    const walked = await walk(1);
    expect(sequences(walked)).toEqual([3, 2, 1]);
    expect(walked.map(({ next }) => next)).toEqual([
      { after: { sequence: 3, keyPairId: pairs[0]!.birth.keyPairId }, digest: pairs[1]!.digest },
      { after: { sequence: 2, keyPairId: pairs[1]!.birth.keyPairId }, digest: pairs[2]!.digest },
      undefined,
    ]);
    expect(sequences(await all(records.chain(walked[0]!.next!, () => 1)))).toEqual([2, 1]);
  });

  it("ends with the first pair, whatever the store lists behind it", async () => {
    const { walk, pairs, store } = await chained(2);
    await store.createKeyPair({ organizationId, keyPairId: "zz", sequence: 1, document: Buffer.of(1) });
    const asked = vi.spyOn(store, "listKeyPairs");
    expect(sequences(await walk(2))).toEqual([2, 1]);
    expect(asked.mock.calls.length).toBeLessThanOrEqual(2);
    expect(pairs[1]!.birth.previousDigest).toBeUndefined();
  });

  it("passes over forgeries of any sequence", async () => {
    const { walk, pairs, store } = await chained(3);
    for (const sequence of [2, 3, 4]) {
      await putAsWriter(store, invented({ birth: { sequence, previousDigest: pairs[2]!.digest } }));
    }
    expect(sequences(await walk())).toEqual([3, 2, 1]);
  });

  it("is broken where a pair is lost, and says so rather than end early", async () => {
    const { walk, pairs, store } = await chained(3);
    await store.removeKeyPair(organizationId, pairs[1]!.birth.keyPairId);
    const lost = "the store has lost a key pair of the history: the chain of birth records ends before the first one";
    await expect(walk()).rejects.toMatchObject(corrupt(lost));
  });

  it("gives what it has before it breaks", async () => {
    const { records, pairs, store } = await chained(3);
    await store.removeKeyPair(organizationId, pairs[2]!.birth.keyPairId);
    const seen: number[] = [];
    const walking = (async () => {
      for await (const { pair } of records.chain({ digest: pairs[0]!.digest }, () => 9)) seen.push(pair.birth.sequence);
    })();
    await expect(walking).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
    expect(seen).toEqual([3, 2]);
  });

  it("takes damage for the cause only where it may lie upon the lost pair", async () => {
    const { walk, pairs, store } = await chained(3);
    const damaged = (sequence: number) =>
      store.createKeyPair({ organizationId, keyPairId: `-damaged-${sequence}`, sequence, document: Buffer.of(1) });
    await damaged(3);
    await damaged(2);
    expect(sequences(await walk())).toEqual([3, 2, 1]);
    await store.removeKeyPair(organizationId, pairs[2]!.birth.keyPairId);
    await expect(walk()).rejects.toMatchObject(corrupt(/^the store has lost a key pair of the history/));
    await damaged(1);
    await store.createKeyPair({ organizationId, keyPairId: "damaged-too", sequence: 1, document: Buffer.of(1) });
    await expect(walk()).rejects.toMatchObject(corrupt("key pair -damaged-1: is not JSON"));
  });

  it("of a digest that nothing has is damage too", async () => {
    const { records } = await chained(1);
    const walking = all(records.chain({ digest: randomBytes(32) }, () => 9));
    await expect(walking).rejects.toMatchObject(corrupt(/^the store has lost a key pair/));
  });
});

describe("further records", () => {
  it("are wrappings and marks beside a pair, created once", async () => {
    const { records, pair, store } = await recorded();
    const { keyPairId } = pair.birth;
    expect(await records.createWrapping(keyPairId, wrapping)).toBe("created");
    expect(await records.createWrapping(keyPairId, wrapping)).toBe("exists");
    expect(await records.listWrappings(keyPairId)).toEqual(await store.listWrappings(organizationId, keyPairId));
    expect(await records.listWrappings(keyPairId)).toHaveLength(1);
  });

  it("are a status item that anyone may write", async () => {
    const { records } = await recorded();
    expect(await records.readStatus()).toBeUndefined();
    await records.writeStatus(Buffer.from("status"));
    expect(Buffer.from((await records.readStatus())!).toString()).toBe("status");
  });

  it("are removed by stores that can, and left by those that can't", async () => {
    const { records, pair, store, worker } = await recorded();
    const keeping = worker({ store: overridden(store, { removeKeyPair: undefined }) }).records;
    await keeping.remove(pair.birth.keyPairId);
    expect({ can: records.canRemove, cannot: keeping.canRemove }).toEqual({ can: true, cannot: false });
    expect(await records.readPair(pair.birth.keyPairId)).toBeDefined();
    await records.remove(pair.birth.keyPairId);
    expect(await records.readPair(pair.birth.keyPairId)).toBeUndefined();
  });
});
