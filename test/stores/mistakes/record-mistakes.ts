import type { StoredKeyPair, StoredWrapping } from "../../../src/stores/key-pair-store.js";
import type { MemoryKeyPairStore } from "../../../src/stores/memory.js";
import { aMoment, mistaken, mistakenTogether, type Changes, type Mistake } from "./mistaken.js";

const all = 1_000_000;
type ListArguments = Parameters<MemoryKeyPairStore["listKeyPairs"]>;

/** A listing that is changed on its way out. */
function listing(change: (pairs: StoredKeyPair[], query: ListArguments[1]) => readonly StoredKeyPair[]) {
  return mistaken((real) => ({
    listKeyPairs: async (id, query, options) => change([...(await real.listKeyPairs(id, query, options))], query),
  }));
}

/** A listing whose pages end early. */
const pagesOf = (count: number) => listing((pairs) => pairs.slice(0, count));

/** Another order, and pages by place in it. */
function ordered(compare: (a: StoredKeyPair, b: StoredKeyPair) => number): Mistake {
  return mistaken((real) => ({
    listKeyPairs: async (id, { after, limit }, options) => {
      const pairs = [...(await real.listKeyPairs(id, { limit: all }, options))].sort(compare);
      const start = pairs.findIndex((pair) => pair.keyPairId === after?.keyPairId) + 1;
      return pairs.slice(start, start + limit);
    },
  }));
}

function upTo<T extends { document: Uint8Array }>(bytes: number, items: readonly T[]): T[] {
  let size = 0;
  return items.filter(({ document }) => (size += document.length) <= bytes);
}

function wrappings(change: (found: readonly StoredWrapping[]) => readonly StoredWrapping[]): Mistake {
  return mistaken((real) => ({ listWrappings: async (...args) => change(await real.listWrappings(...args)) }));
}

function creating(create: (real: MemoryKeyPairStore) => NonNullable<Changes["createKeyPair"]>): Mistake {
  return mistaken((real) => ({ createKeyPair: create(real) }));
}

/** Removes and stores again, as an upsert does. */
async function upsert(real: MemoryKeyPairStore, pair: StoredKeyPair): Promise<"created" | "exists"> {
  const kept = await real.listWrappings(pair.organizationId, pair.keyPairId);
  const there = await real.removeKeyPair(pair.organizationId, pair.keyPairId);
  for (const wrapping of kept) await real.createWrapping(pair.organizationId, pair.keyPairId, wrapping);
  await real.createKeyPair(pair);
  return there ? "exists" : "created";
}

export const pairMistakes: Readonly<Record<string, Mistake>> = {
  "replaces a pair and says it was created": creating((real) => async (pair) => {
    await upsert(real, pair);
    return "created";
  }),
  "replaces a pair and says it exists": creating((real) => async (pair) => upsert(real, pair)),
  "says that every pair was created": creating((real) => async (...args) => {
    await real.createKeyPair(...args);
    return "created";
  }),
  "throws for a pair that exists": creating((real) => async (...args) => {
    if ((await real.createKeyPair(...args)) === "exists") throw new Error("duplicate key");
    return "created";
  }),
  "looks for a pair, then stores it, with a pause between": creating((real) => async (pair) => {
    if (await real.readKeyPair(pair.organizationId, pair.keyPairId)) return "exists";
    await aMoment();
    await upsert(real, pair);
    return "created";
  }),
  "drops creates beyond 25 at once": mistakenTogether((real) => {
    let running = 0;
    return {
      createKeyPair: async (...args) => {
        running += 1;
        const dropped = running > 25;
        await aMoment();
        running -= 1;
        return dropped ? "created" : real.createKeyPair(...args);
      },
    };
  }),
  "cuts documents at 32 KiB": creating(
    (real) => async (pair, options) =>
      real.createKeyPair({ ...pair, document: pair.document.subarray(0, 32 * 1024) }, options),
  ),
  "stores documents as text": creating(
    (real) => async (pair, options) =>
      real.createKeyPair({ ...pair, document: Buffer.from(Buffer.from(pair.document).toString("utf8")) }, options),
  ),
  "drops zeros at the end of a document": creating((real) => async (pair, options) => {
    let end = pair.document.length;
    while (pair.document[end - 1] === 0) end -= 1;
    return real.createKeyPair({ ...pair, document: pair.document.subarray(0, end) }, options);
  }),
  "stores a sequence in 32 bits": creating((real) => async (pair, options) => {
    if (!Number.isSafeInteger(pair.sequence) || pair.sequence < 1) return real.createKeyPair(pair, options);
    return real.createKeyPair({ ...pair, sequence: pair.sequence >>> 0 || 1 }, options);
  }),
  "takes ids for numbers": mistaken((real) => {
    const folded = (id: string) => (/^\d+(e\d+)?$/.test(id) ? String(Number(id)) : id);
    return {
      createKeyPair: async (pair, options) =>
        real.createKeyPair({ ...pair, keyPairId: folded(pair.keyPairId) }, options),
      readKeyPair: async (id, keyPairId, options) => real.readKeyPair(id, folded(keyPairId), options),
    };
  }),
  "folds the case of ids": mistaken((real) => ({
    createKeyPair: async (pair, options) =>
      real.createKeyPair({ ...pair, keyPairId: pair.keyPairId.toLowerCase() }, options),
    readKeyPair: async (id, keyPairId, options) => real.readKeyPair(id, keyPairId.toLowerCase(), options),
  })),
  "finds a pair by the beginning of its id": mistaken((real) => ({
    readKeyPair: async (id, keyPairId, options) =>
      (await real.readKeyPair(id, keyPairId, options)) ??
      (await real.listKeyPairs(id, { limit: all })).find((pair) => pair.keyPairId.startsWith(keyPairId)),
  })),
};

export const listingMistakes: Readonly<Record<string, Mistake>> = {
  "lists the oldest first": listing((pairs) => pairs.reverse()),
  "orders sequences as text": ordered((a, b) => (String(a.sequence) < String(b.sequence) ? 1 : -1)),
  "orders ids by a locale": ordered((a, b) => b.sequence - a.sequence || a.keyPairId.localeCompare(b.keyPairId, "en")),
  "orders by time of creation": ordered(() => 0 - 1),
  "pages by sequence only": mistaken((real) => ({
    listKeyPairs: async (id, { after, limit }, options) =>
      real.listKeyPairs(id, { limit, after: after && { ...after, keyPairId: "z".repeat(64) } }, options),
  })),
  "begins a page with `after`": mistaken((real) => ({
    listKeyPairs: async (id, { after, limit }, options) => {
      const at = after && (await real.readKeyPair(id, after.keyPairId));
      return [...(at ? [at] : []), ...(await real.listKeyPairs(id, { after, limit }, options))].slice(0, limit);
    },
  })),
  "knows no `after`": mistaken((real) => ({
    listKeyPairs: async (id, { limit }, options) => real.listKeyPairs(id, { limit }, options),
  })),
  "needs a pair at `after`": mistaken((real) => ({
    listKeyPairs: async (id, query, options) =>
      query.after && !(await real.readKeyPair(id, query.after.keyPairId)) ? [] : real.listKeyPairs(id, query, options),
  })),
  "gives one more than the limit": mistaken((real) => ({
    listKeyPairs: async (id, { after, limit }, options) =>
      real.listKeyPairs(id, { after, limit: limit === 3 ? 4 : limit }, options),
  })),
  "ends with an empty page that is not the last": listing((pairs, { after }) => (after?.sequence === 9 ? [] : pairs)),
  "ends pages at 10 pairs": pagesOf(10),
  "ends pages at 25 pairs": pagesOf(25),
  "ends pages at 100 pairs": pagesOf(100),
  "ends pages at 1 MiB": listing((pairs) => upTo(1024 * 1024, pairs)),
  "lists from an index that follows later": mistakenTogether((real) => {
    const fresh = new Set<string>();
    return {
      createKeyPair: async (pair, options) => {
        fresh.add(pair.keyPairId);
        setTimeout(() => fresh.delete(pair.keyPairId), 5).unref();
        return real.createKeyPair(pair, options);
      },
      listKeyPairs: async (...args) => (await real.listKeyPairs(...args)).filter((pair) => !fresh.has(pair.keyPairId)),
    };
  }),
  "lists without documents": listing((pairs) => pairs.map((pair) => ({ ...pair, document: new Uint8Array() }))),
};

/** Found with a large history alone. */
export const largeMistakes: Readonly<Record<string, Mistake>> = {
  "ends pages at 250 pairs": pagesOf(250),
  "ends pages at 1,000 pairs": pagesOf(1_000),
  "ends wrappings at 1,000": wrappings((found) => found.slice(0, 1_000)),
};

export const wrappingMistakes: Readonly<Record<string, Mistake>> = {
  "shares wrappings between pairs": mistaken((real) => ({
    createWrapping: async (id, keyPairId, wrapping, options) =>
      real.createWrapping(id, keyPairId.toLowerCase(), wrapping, options),
  })),
  "lists those of pairs whose ids begin alike": mistaken((real) => ({
    listWrappings: async (id, keyPairId, options) => {
      const alike = (await real.listKeyPairs(id, { limit: all }, options)).filter((pair) =>
        pair.keyPairId.startsWith(keyPairId),
      );
      const found = await Promise.all(alike.map((pair) => real.listWrappings(id, pair.keyPairId)));
      return found.flat();
    },
  })),
  "lists them as they came": wrappings((found) => [...found].reverse()),
  "ends wrappings at 10": wrappings((found) => found.slice(0, 10)),
  "ends wrappings at 100": wrappings((found) => found.slice(0, 100)),
  "ends wrappings at 1 MiB": wrappings((found) => upTo(1024 * 1024, found)),
  "refuses one without its pair": mistaken((real) => ({
    createWrapping: async (id, keyPairId, wrapping, options) => {
      if (!(await real.readKeyPair(id, keyPairId, options))) throw new Error("foreign key violated");
      return real.createWrapping(id, keyPairId, wrapping, options);
    },
  })),
  "drops one without its pair": mistaken((real) => ({
    createWrapping: async (id, keyPairId, wrapping, options) =>
      (await real.readKeyPair(id, keyPairId, options))
        ? real.createWrapping(id, keyPairId, wrapping, options)
        : "created",
  })),
  "says that every wrapping was created": mistaken((real) => ({
    createWrapping: async (...args) => {
      await real.createWrapping(...args);
      return "created";
    },
  })),
  "keeps a wrapping as a pair": mistaken((real) => ({
    createWrapping: async (id, keyPairId, wrapping, options) => {
      const { document } = wrapping;
      await real.createKeyPair({ organizationId: id, keyPairId: wrapping.wrappingId, sequence: 1, document });
      return real.createWrapping(id, keyPairId, wrapping, options);
    },
  })),
};
