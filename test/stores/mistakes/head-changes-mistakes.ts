import type { HeadChanges } from "../../../src/stores/key-pair-store.js";
import type { MemoryKeyPairStore } from "../../../src/stores/memory.js";
import { aMoment, mistaken, mistakenTogether, type Changes, type Mistake } from "./mistaken.js";

/** What has been announced, oldest first, and a look at it. */
class Log {
  readonly entries: string[] = [];

  look(after: string | undefined): HeadChanges {
    const cursor = String(this.entries.length);
    const known = after !== undefined && /^\d+$/.test(after) && Number(after) <= this.entries.length;
    return { cursor, organizationIds: known ? this.entries.slice(Number(after)) : undefined };
  }
}

type Swap = Parameters<MemoryKeyPairStore["swapHead"]>;

/** A store with a log that is right but for the changes; both handles share the log. */
function logged(changes: (log: Log, real: MemoryKeyPairStore) => Changes): Mistake {
  return mistakenTogether((real) => {
    const log = new Log();
    return {
      swapHead: async (...args: Swap) => {
        const copy: Swap = [args[0], args[1], new Uint8Array(args[2]), args[3]];
        log.entries.push(copy[0]);
        await aMoment();
        return real.swapHead(...copy);
      },
      headChanges: async ({ after }, options) => {
        options?.signal?.throwIfAborted();
        return log.look(after);
      },
      ...changes(log, real),
    };
  });
}

/** Looks are right, but for what is made of them. */
const told = (change: (changes: HeadChanges, log: Log) => HeadChanges | undefined): Mistake =>
  logged((log) => ({
    headChanges: async ({ after }, options) => {
      options?.signal?.throwIfAborted();
      const changes = log.look(after);
      return change(changes, log) ?? changes;
    },
  }));

const swapping = (swap: (log: Log, real: MemoryKeyPairStore, args: Swap) => Promise<unknown>): Mistake =>
  logged((log, real) => ({
    swapHead: async (...args) => {
      const copy: Swap = [args[0], args[1], new Uint8Array(args[2]), args[3]];
      return (await swap(log, real, copy)) as Awaited<ReturnType<MemoryKeyPairStore["swapHead"]>>;
    },
  }));

export const correctHeadChanges: Mistake = logged(() => ({}));

export const headChangesMistakes: Readonly<Record<string, Mistake>> = {
  "announces a swap behind it": swapping(async (log, real, args) => {
    const head = await real.swapHead(...args);
    await aMoment();
    log.entries.push(args[0]);
    return head;
  }),
  "announces a swap, and does not wait for that": swapping(async (log, real, args) => {
    void aMoment()
      .then(aMoment)
      .then(() => log.entries.push(args[0]));
    return real.swapHead(...args);
  }),
  "announces first heads only": swapping(async (log, real, args) => {
    if (args[1] === undefined) log.entries.push(args[0]);
    return real.swapHead(...args);
  }),
  "announces swaps only, and no first head": swapping(async (log, real, args) => {
    if (args[1] !== undefined) log.entries.push(args[0]);
    return real.swapHead(...args);
  }),
  "announces a swap only while its caller is there": swapping(async (log, real, args) => {
    if (!args[3]) log.entries.push(args[0]);
    await aMoment();
    return real.swapHead(args[0], args[1], args[2]);
  }),
  "keeps announcements in each handle": mistaken((real) => {
    const log = new Log();
    return {
      swapHead: async (...args) => {
        log.entries.push(args[0]);
        return real.swapHead(...args);
      },
      headChanges: async ({ after }) => log.look(after),
    };
  }),
  "counts an announcement before it is to be seen": logged((log, real) => {
    let counted = 0;
    const numbered = new Map<number, string>();
    return {
      swapHead: async (...args) => {
        const copy: Swap = [args[0], args[1], new Uint8Array(args[2]), args[3]];
        const number = (counted += 1);
        await aMoment();
        numbered.set(number, copy[0]);
        log.entries.push(copy[0]);
        return real.swapHead(...copy);
      },
      headChanges: async ({ after }, options) => {
        options?.signal?.throwIfAborted();
        const known = after !== undefined && /^\d+$/.test(after);
        const behind = [...numbered].filter(([number]) => number > Number(after)).map(([, id]) => id);
        return { cursor: String(counted), organizationIds: known ? behind : undefined };
      },
    };
  }),
  "never tells of anything": told(({ cursor }) => ({ cursor, organizationIds: [] })),
  "never has a list": told(({ cursor }) => ({ cursor, organizationIds: undefined })),
  "tells of the latest change only": told(({ cursor, organizationIds }) => ({
    cursor,
    organizationIds: organizationIds?.slice(-1),
  })),
  "tells of the first 64 only": told(({ cursor, organizationIds }) => ({
    cursor,
    organizationIds: organizationIds?.slice(0, 64),
  })),
  "tells of everything each time": told(({ cursor, organizationIds }, log) => ({
    cursor,
    organizationIds: organizationIds && log.entries,
  })),
  "folds the case of those it tells of": told(({ cursor, organizationIds }) => ({
    cursor,
    organizationIds: organizationIds?.map((id) => id.toLowerCase()),
  })),
  "takes an unknown cursor for the present": told(({ cursor, organizationIds }) => ({
    cursor,
    organizationIds: organizationIds ?? [],
  })),
  "rejects an unknown cursor": told(({ organizationIds }) => {
    if (!organizationIds) throw new Error("no such cursor");
    return undefined;
  }),
  "looks at a replica that is one look behind": logged((log) => {
    let before: HeadChanges = { cursor: "0", organizationIds: undefined };
    return {
      headChanges: async ({ after }, options) => {
        options?.signal?.throwIfAborted();
        const now = before;
        before = log.look(after);
        return now;
      },
    };
  }),
  "ignores a signal": logged((log) => ({ headChanges: async ({ after }) => log.look(after) })),
  "has no headChanges, and says so": logged(() => ({ headChanges: undefined as never })),
};
