import { createHash } from "node:crypto";
import type { StoredHead } from "../../../src/stores/key-pair-store.js";
import { aMoment, mistaken, mistakenTogether, type Mistake } from "./mistaken.js";

export const headMistakes: Readonly<Record<string, Mistake>> = {
  "swaps without comparing": mistaken((real) => ({
    swapHead: async (id, _expected, document, options) =>
      real.swapHead(id, (await real.readHead(id))?.revision, document, options),
  })),
  "compares, then writes, with a pause between": mistaken((real) => ({
    swapHead: async (id, expected, document, options) => {
      if ((await real.readHead(id))?.revision !== expected) return undefined;
      await aMoment();
      return real.swapHead(id, (await real.readHead(id))?.revision, document, options);
    },
  })),
  "reports a lost swap as won": mistaken((real) => ({
    swapHead: async (...args) => (await real.swapHead(...args)) ?? { revision: "9", document: args[2] },
  })),
  "reports a won swap as lost, 1 in 200": mistaken((real) => {
    let swaps = 0;
    return {
      swapHead: async (...args) => {
        const head = await real.swapHead(...args);
        return (swaps += 1) % 200 === 0 ? undefined : head;
      },
    };
  }),
  "acknowledges a swap and drops it, 1 in 200": mistaken((real) => {
    let swaps = 0;
    return {
      swapHead: async (...args) =>
        (swaps += 1) % 200 === 0 ? { revision: String(swaps), document: args[2] } : real.swapHead(...args),
    };
  }),
  "lets the first swap win for everybody": mistaken((real) => ({
    swapHead: async (id, expected, document, options) =>
      expected === undefined
        ? real.swapHead(id, (await real.readHead(id))?.revision, document, options)
        : real.swapHead(id, expected, document, options),
  })),
  "takes an empty revision for none": mistaken((real) => ({
    swapHead: async (id, expected, document, options) =>
      expected === "" ? { revision: "1", document } : real.swapHead(id, expected, document, options),
  })),
  "compares revisions as numbers": mistaken((real) => ({
    swapHead: async (id, expected, document, options) => {
      const number = expected === undefined ? undefined : parseInt(expected, 10);
      return real.swapHead(id, number === undefined ? undefined : String(number), document, options);
    },
  })),
  "makes a head by a swap from a revision that it never had": mistaken((real) => ({
    swapHead: async (id, expected, document, options) =>
      real.swapHead(id, (await real.readHead(id)) ? expected : undefined, document, options),
  })),
  "takes the digest of the content for a revision": mistaken((real) => {
    const named = (head: StoredHead | undefined) =>
      head && { ...head, revision: createHash("sha256").update(head.document).digest("hex") };
    return {
      readHead: async (...args) => named(await real.readHead(...args)),
      swapHead: async (id, expected, document, options) => {
        const current = await real.readHead(id);
        if (named(current)?.revision !== expected) return undefined;
        return named(await real.swapHead(id, current?.revision, document, options));
      },
    };
  }),
  "takes the second for a revision": mistakenTogether((real) => {
    const revisions = new Map<string, string>();
    const named = (head: StoredHead | undefined) => head && { ...head, revision: revisions.get(head.revision) ?? "" };
    return {
      readHead: async (...args) => named(await real.readHead(...args)),
      swapHead: async (id, expected, document, options) => {
        const current = await real.readHead(id, options);
        if (named(current)?.revision !== expected) return undefined;
        const head = await real.swapHead(id, current?.revision, document, options);
        if (head) revisions.set(head.revision, String(Math.floor(Date.now() / 1000)));
        return named(head);
      },
    };
  }),
  "caches the head for 1 ms": mistaken((real) => {
    const cached = new Map<string, { at: number; head: StoredHead | undefined }>();
    return {
      readHead: async (id, options) => {
        const found = cached.get(id);
        if (found && performance.now() - found.at < 1) return found.head;
        const head = await real.readHead(id, options);
        cached.set(id, { at: performance.now(), head });
        return head;
      },
      swapHead: async (...args) => {
        cached.delete(args[0]);
        return real.swapHead(...args);
      },
    };
  }),
  "caches the head until its own swap": mistaken((real) => {
    const cached = new Map<string, StoredHead>();
    return {
      readHead: async (id, options) => {
        const head = cached.get(id) ?? (await real.readHead(id, options));
        if (head) cached.set(id, head);
        return head;
      },
      swapHead: async (...args) => {
        const head = await real.swapHead(...args);
        if (head) cached.set(args[0], head);
        return head;
      },
    };
  }),
  "reads the head from a replica that is one swap behind": mistakenTogether((real) => {
    const before = new Map<string, StoredHead | undefined>();
    return {
      readHead: async (id, options) => {
        const head = await real.readHead(id, options);
        return before.has(id) ? before.get(id) : head;
      },
      swapHead: async (...args) => {
        before.set(args[0], await real.readHead(args[0]));
        return real.swapHead(...args);
      },
    };
  }),
  "gives the head without its document": mistaken((real) => ({
    readHead: async (...args) => {
      const head = await real.readHead(...args);
      return head && ({ revision: head.revision } as StoredHead);
    },
  })),
  "keeps status and head in one item": mistaken((real) => ({
    writeStatus: async (id, document, options) => {
      await real.writeStatus(id, document, options);
      await real.swapHead(id, (await real.readHead(id))?.revision, document);
    },
  })),
};

export const statusMistakes: Readonly<Record<string, Mistake>> = {
  "drops the status": mistaken(() => ({ writeStatus: async () => undefined })),
  "keeps the first status": mistaken((real) => ({
    writeStatus: async (id, document, options) => {
      if ((await real.readStatus(id, options)) === undefined) await real.writeStatus(id, document, options);
    },
  })),
  "appends to the status": mistaken((real) => ({
    writeStatus: async (id, document, options) =>
      real.writeStatus(
        id,
        Buffer.concat([(await real.readStatus(id)) ?? [], document].map((part) => Buffer.from(part))),
        options,
      ),
  })),
  "keeps the longer part of an old status": mistaken((real) => ({
    writeStatus: async (id, document, options) => {
      const before = (await real.readStatus(id)) ?? new Uint8Array();
      await real.writeStatus(id, Buffer.concat([document, before.subarray(document.length)]), options);
    },
  })),
  "writes the status in two halves": mistaken((real) => ({
    writeStatus: async (id, document, options) => {
      const before = Buffer.alloc(document.length);
      before.set(((await real.readStatus(id)) ?? new Uint8Array()).subarray(0, document.length));
      const half = document.length >> 1;
      await real.writeStatus(id, Buffer.concat([document.subarray(0, half), before.subarray(half)]), options);
      await aMoment();
      await real.writeStatus(id, document, options);
    },
  })),
  "takes an empty status for none": mistaken((real) => ({
    readStatus: async (...args) => {
      const status = await real.readStatus(...args);
      return status?.length === 0 ? undefined : status;
    },
  })),
  "shares one status between organizations": mistaken((real) => ({
    readStatus: async (_id, options) => real.readStatus("all", options),
    writeStatus: async (_id, document, options) => real.writeStatus("all", document, options),
  })),
};
