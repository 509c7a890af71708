import { afterEach, describe, expect, it, vi } from "vitest";
import { CheckedKeyPairStore, type KeyPairBackend } from "../../src/stores/checked-key-pair-store.js";
import { HeadLog, type HeadLogEntries, type HeadLogEntry } from "../../src/stores/head-log.js";
import { bytes } from "./records.js";

const never = new AbortController().signal;
const turn = () => new Promise((resolve) => setImmediate(resolve));
afterEach(() => void vi.restoreAllMocks());

/** Entries in memory, each call of which takes a turn. */
function inMemory() {
  const stored = new Map<number, HeadLogEntry>();
  const inOrder = () => [...stored.values()].sort((a, b) => a.number - b.number);
  const entries: HeadLogEntries = {
    last: async () => (await turn(), inOrder().at(-1)),
    from: async (number, limit) => (
      await turn(),
      inOrder()
        .filter((entry) => entry.number >= number)
        .slice(0, limit)
    ),
    append: async (entry) => {
      await turn();
      if (stored.has(entry.number)) return false;
      stored.set(entry.number, entry);
      return true;
    },
  };
  return { stored, entries, log: new HeadLog(entries) };
}

describe("a log of changes", () => {
  it("has one entry for what is announced at once in a process, of at most 32 organizations", async () => {
    const { log, stored } = inMemory();
    const ids = Array.from({ length: 80 }, (_, index) => `org-${index}`);
    await Promise.all(ids.map((id) => log.announce(id, never)));
    const entries = [...stored.values()];
    expect(entries.map(({ number }) => number)).toEqual([1, 2, 3]);
    expect(entries.flatMap(({ organizationIds }) => organizationIds)).toEqual(ids);
    expect(Math.max(...entries.map(({ organizationIds }) => organizationIds.length))).toBe(32);
  });

  it("numbers what many processes announce at once, without a gap", async () => {
    const { entries, stored } = inMemory();
    const ids = Array.from({ length: 20 }, (_, index) => `org-${index}`);
    await Promise.all(ids.map((id) => new HeadLog(entries).announce(id, never)));
    expect([...stored.keys()].sort((a, b) => a - b)).toEqual(ids.map((_, index) => index + 1));
    expect([...stored.values()].flatMap(({ organizationIds }) => organizationIds).sort()).toEqual([...ids].sort());
    expect(new Set([...stored.values()].map(({ mark }) => mark)).size).toBe(20);
  });

  it("goes on for those who wait, and ends where nobody does, with a database that hangs", async () => {
    const { entries, stored } = inMemory();
    const aborted: unknown[] = [];
    let hangs = true;
    const hanging: HeadLogEntries = {
      ...entries,
      append: (entry, signal) =>
        hangs
          ? new Promise((_resolve, reject) =>
              signal.addEventListener("abort", () => (aborted.push(signal.reason), reject(signal.reason as Error))),
            )
          : entries.append(entry, signal),
    };
    const log = new HeadLog(hanging);
    const [one, other] = [new AbortController(), new AbortController()];
    const calls = [log.announce("a", one.signal), log.announce("b", other.signal)];
    const ends = calls.map((call) => call.catch((error: unknown) => error));
    for (let count = 0; count < 3; count += 1) await turn(); // the append is under way
    one.abort("one has gone");
    expect(await ends[0]).toBe("one has gone");
    expect(aborted).toEqual([]);
    const gone = new AbortController();
    const queued = log.announce("queued", gone.signal).catch((error: unknown) => error);
    gone.abort("gone before its turn");
    expect(await queued).toBe("gone before its turn");
    const next = log.announce("c", never);
    hangs = false;
    other.abort("the other too");
    expect([await ends[1], aborted]).toEqual(["the other too", ["the other too"]]);
    await next;
    expect([...stored.values()].map(({ organizationIds }) => organizationIds)).toEqual([["c"]]);
  });

  it("knows its own entry for written where a client has sent it twice", async () => {
    const { entries, stored } = inMemory();
    const twice = {
      ...entries,
      append: async (entry: HeadLogEntry) => (await entries.append(entry, never), entries.append(entry, never)),
    };
    await new HeadLog(twice).announce("org", never);
    expect(stored.size).toBe(1);
  });

  it("gives up with its signal", async () => {
    const { entries } = inMemory();
    const controller = new AbortController();
    let appends = 0;
    const full = {
      ...entries,
      append: async () => {
        if ((appends += 1) === 3) controller.abort(new Error("gone"));
        return false;
      },
    };
    await expect(new HeadLog(full).announce("org", controller.signal)).rejects.toThrow("gone");
    expect(appends).toBe(3);
  });

  it("tells no more than up to a gap, whose entry the next look has", async () => {
    const { log, stored } = inMemory();
    const { cursor } = await log.changes(undefined, never);
    for (const id of ["a", "b", "c"]) await log.announce(id, never);
    const second = stored.get(2)!;
    stored.delete(2);
    const before = await log.changes(cursor, never);
    expect(before.organizationIds).toEqual(["a"]);
    stored.set(2, second);
    expect((await log.changes(before.cursor, never)).organizationIds).toEqual(["b", "c"]);
  });

  it("does not take the place of another log for its own, as after a restore of the database", async () => {
    const [one, restored] = [inMemory(), inMemory()];
    for (const id of ["a", "b"]) await one.log.announce(id, never);
    await restored.log.announce("a", never);
    const { cursor } = await one.log.changes(undefined, never);
    expect((await restored.log.changes(cursor, never)).organizationIds).toBeUndefined();
    await restored.log.announce("c", never); // as many entries as the cursor counts
    const now = await restored.log.changes(cursor, never);
    expect(now.organizationIds).toBeUndefined();
    await restored.log.announce("d", never);
    expect((await restored.log.changes(now.cursor, never)).organizationIds).toEqual(["d"]);
  });

  it("tells of 1,000 changes, and of more that any head may have changed", async () => {
    const { log, stored } = inMemory();
    await log.announce("first", never);
    const { cursor } = await log.changes(undefined, never);
    const { mark } = stored.get(1)!;
    const add = (number: number) => void stored.set(number, { number, mark, organizationIds: [`org-${number}`] });
    for (let number = 2; number <= 1_001; number += 1) add(number);
    const told = await log.changes(cursor, never);
    expect(told.organizationIds).toHaveLength(1_000);
    expect((await log.changes(told.cursor, never)).organizationIds).toEqual([]);
    add(1_002);
    const more = await log.changes(cursor, never);
    expect(more.organizationIds).toBeUndefined();
    expect((await log.changes(more.cursor, never)).organizationIds).toEqual([]);
  });
});

class StoreOver extends CheckedKeyPairStore {
  constructor(backend: KeyPairBackend) {
    super(backend, 60_000);
  }
}

describe("a swap", () => {
  /** A store whose backend takes note of what it is asked for. */
  function store(announce: HeadLog["announce"]) {
    const asked: string[] = [];
    const headLog = Object.assign(new HeadLog(inMemory().entries), {
      announce: async (...given: Parameters<HeadLog["announce"]>) => (asked.push("announce"), announce(...given)),
    });
    const backend = {
      headLog,
      swapHead: async () => (asked.push("swap"), { revision: "1", document: bytes("head") }),
      failureOf: () => ({ kind: "service-error" as const }),
    };
    const made = new StoreOver(backend as unknown as KeyPairBackend);
    return { asked, swap: made.swapHead("org", undefined, bytes("head")) };
  }

  it("is announced before it is made", async () => {
    const { asked, swap } = store(async () => undefined);
    await swap;
    expect(asked).toEqual(["announce", "swap"]);
  });

  it("is not made where it can't be announced", async () => {
    const { asked, swap } = store(() => Promise.reject(new Error("secret text of a driver")));
    await expect(swap).rejects.toMatchObject({ kind: "service-error", message: "swapHead failed (service-error)" });
    expect(asked).toEqual(["announce"]);
  });

  it("is not made by a process that was stopped for half a minute behind its announcement", async () => {
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    const { asked, swap } = store(async () => void (now = 30_000));
    await expect(swap).rejects.toMatchObject({ kind: "timeout", operation: "swapHead" });
    expect(asked).toEqual(["announce"]);
  });
});
