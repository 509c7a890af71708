import type { MemoryKeyPairStore } from "../../../src/stores/memory.js";
import { aMoment, mistaken, mistakenTogether, type Mistake } from "./mistaken.js";

type Remove = MemoryKeyPairStore["removeKeyPair"];
const removing = (remove: (real: MemoryKeyPairStore) => Remove): Mistake =>
  mistaken((real) => ({ removeKeyPair: remove(real) }));

export const removalMistakes: Readonly<Record<string, Mistake>> = {
  "removes a pair and leaves its wrappings": removing((real) => async (id, keyPairId, options) => {
    const wrappings = await real.listWrappings(id, keyPairId);
    const there = await real.removeKeyPair(id, keyPairId, options);
    for (const wrapping of wrappings) await real.createWrapping(id, keyPairId, wrapping);
    return there;
  }),
  "leaves wrappings that have no pair": removing(
    (real) => async (id, keyPairId, options) =>
      (await real.readKeyPair(id, keyPairId)) ? real.removeKeyPair(id, keyPairId, options) : false,
  ),
  "says that it removed what was not there": removing((real) => async (...args) => {
    await real.removeKeyPair(...args);
    return true;
  }),
  "never says that it removed something": removing((real) => async (...args) => {
    await real.removeKeyPair(...args);
    return false;
  }),
  "looks for the pair, then removes it, with a pause between": removing((real) => async (id, keyPairId, options) => {
    options?.signal?.throwIfAborted();
    const there = (await real.readKeyPair(id, keyPairId)) !== undefined;
    await aMoment();
    await real.removeKeyPair(id, keyPairId);
    return there;
  }),
  "removes pairs whose ids begin alike": removing((real) => async (id, keyPairId, options) => {
    for (const pair of await real.listKeyPairs(id, { limit: 1_000 }))
      if (pair.keyPairId.startsWith(keyPairId.slice(0, 1))) await real.removeKeyPair(id, pair.keyPairId);
    return real.removeKeyPair(id, keyPairId, options);
  }),
  "removes the pair from every organization": mistakenTogether((real) => {
    const known = new Set<string>();
    return {
      createKeyPair: async (pair, options) => {
        known.add(pair.organizationId);
        return real.createKeyPair(pair, options);
      },
      removeKeyPair: async (id, keyPairId, options) => {
        for (const other of known) if (other !== id) await real.removeKeyPair(other, keyPairId);
        return real.removeKeyPair(id, keyPairId, options);
      },
    };
  }),
  "removes the head too": mistakenTogether((real) => {
    const gone = new Set<string>();
    return {
      readHead: async (id, options) => (gone.has(id) ? undefined : real.readHead(id, options)),
      removeKeyPair: async (id, keyPairId, options) => {
        gone.add(id);
        return real.removeKeyPair(id, keyPairId, options);
      },
    };
  }),
  "goes on listing what it has removed": mistakenTogether((real) => {
    const first = new Map<string, Awaited<ReturnType<MemoryKeyPairStore["listKeyPairs"]>>>();
    return {
      listKeyPairs: async (id, query, options) => {
        const found = first.get(id) ?? (await real.listKeyPairs(id, query, options));
        if (query.limit === 10 && found.length > 1) first.set(id, found);
        return found;
      },
    };
  }),
  "shortens pages by what is removed meanwhile": mistaken((real) => ({
    listKeyPairs: async (...args) => {
      const page = await real.listKeyPairs(...args);
      for (let turn = 0; turn < 3; turn += 1) await aMoment();
      const found = await Promise.all(page.map((pair) => real.readKeyPair(args[0], pair.keyPairId)));
      return found.filter((pair) => pair !== undefined);
    },
    removeKeyPair: async (...args) => {
      await aMoment();
      return real.removeKeyPair(...args);
    },
  })),
  "removes although the signal is aborted": removing(
    (real) => async (id, keyPairId) => real.removeKeyPair(id, keyPairId),
  ),
  "has no removal, and does not say so": mistaken(() => ({ removeKeyPair: undefined }) as never),
};
