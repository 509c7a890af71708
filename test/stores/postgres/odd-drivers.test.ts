import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { PostgresKeyPairStore, type PostgresPool } from "../../../src/stores/postgres.js";
import { bytes } from "../records.js";

const answering = (answer: unknown): PostgresPool => ({ query: async () => answer as { rows: unknown[] } });
const head = { replica: "false", stored: "true", revision: "0e0c7b5f-2f0f-4ad8-a5c5-0123456789ab", document: "00ff" };
const pair = { replica: "false", stored: "true", id: "pair-1", sequence: "7", document: "00ff" };

describe("PostgresKeyPairStore over a driver that answers oddly", () => {
  it.each([
    ["nothing", undefined],
    ["a text", "<html>Please log in</html>"],
    ["rows of its own kind", [head]],
    ["no rows", { rows: [] }],
    ["rows that are none", { rows: ["", null] }],
    ["a row of something else", { rows: [{ ok: true }] }],
    ["a boolean of its own", { rows: [{ ...head, replica: false }] }],
    ["rows that throw", { rows: [new Proxy({}, { get: () => expect.fail("of the driver") })] }],
  ])("refuses %s as an unexpected answer, of reads and of writes", async (_, answer) => {
    const store = new PostgresKeyPairStore({ pool: answering(answer) });
    const calls = [
      store.readHead("org"),
      store.readKeyPair("org", "pair"),
      store.listKeyPairs("org", { limit: 1 }),
      store.listWrappings("org", "pair"),
      store.readStatus("org"),
      store.swapHead("org", undefined, bytes("")),
      store.createKeyPair({ organizationId: "org", keyPairId: "pair", sequence: 1, document: bytes("") }),
      store.createWrapping("org", "pair", { wrappingId: "w", document: bytes("") }),
      store.removeKeyPair("org", "pair"),
      store.writeStatus("org", bytes("")),
    ];
    for (const call of calls)
      await expect(call).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE", kind: "unexpected-answer" });
  });

  it.each([
    ["no document", { document: null }],
    ["bytes of a driver's own", { document: Buffer.from([0, 255]) }],
    ["half a byte", { document: "00f" }],
    ["too many bytes", { document: "00".repeat(65_537) }],
    ["no revision", { revision: null }],
    ["a revision of another kind", { revision: "1" }],
  ])("reports a head with %s as corrupt, and shows nothing of it", async (_, wrong) => {
    const store = new PostgresKeyPairStore({ pool: answering({ rows: [{ ...head, ...wrong }] }) });
    await expect(store.readHead("org")).rejects.toMatchObject({
      code: "ERR_STORE_CORRUPT",
      message: "the head is not as it was written; restore it from a backup",
    });
  });

  it.each([
    [{ sequence: "0" }, "key pair pair-1"],
    [{ sequence: "9007199254740992" }, "key pair pair-1"],
    [{ sequence: 7 }, "key pair pair-1"],
    [{ document: "FF" }, "key pair pair-1"],
    [{ id: "../7" }, "a row of key_pairs"],
    [{ id: null }, "a row of key_pairs"],
  ])("reports a pair with %j as corrupt, naming %s", async (wrong, name) => {
    const store = new PostgresKeyPairStore({ pool: answering({ rows: [{ ...pair, ...wrong }] }) });
    const refusal = {
      code: "ERR_STORE_CORRUPT",
      message: `${name} is not as it was written; restore it from a backup`,
    };
    await expect(store.readKeyPair("org", "pair-1")).rejects.toMatchObject(refusal);
    await expect(store.listKeyPairs("org", { limit: 1 })).rejects.toMatchObject(refusal);
  });

  it("sends an undone statement again, a few times", async () => {
    const undone = Object.assign(new Error(), { code: "40001" });
    let calls = 0;
    const failing = (times: number): PostgresPool => ({
      query: async () => {
        calls += 1;
        if (calls <= times) throw undone;
        return { rows: [head] };
      },
    });
    expect((await new PostgresKeyPairStore({ pool: failing(4) }).readHead("org"))?.document).toEqual(
      Uint8Array.of(0, 255),
    );
    calls = 0;
    const given = expect(new PostgresKeyPairStore({ pool: failing(Infinity) }).readHead("org")).rejects;
    await given.toMatchObject({ kind: "throttled", serviceErrorName: "40001" });
    expect(calls).toBe(5);
  });
});

/** Plays the pool of `pg`: connections one by one, when the test says so. */
class PlayedPool extends EventEmitter {
  readonly totalCount = 1;
  readonly released: (boolean | undefined)[] = [];
  readonly queries: string[] = [];
  readonly client = Object.assign(new EventEmitter(), {
    query: (text: string) => {
      this.queries.push(text);
      return this.answer;
    },
    release: (destroy?: boolean) => {
      this.released.push(destroy);
      throw new Error("of the pool's own");
    },
  });
  answer: Promise<{ rows: unknown[] }> = Promise.resolve({ rows: [head] });
  handOut!: () => void;
  #connecting = new Promise<unknown>((resolve) => (this.handOut = () => resolve(this.client)));

  query(): Promise<{ rows: unknown[] }> {
    return Promise.reject(new Error("not asked through a connection"));
  }

  connect(): Promise<unknown> {
    return this.#connecting;
  }
}

describe("PostgresKeyPairStore over a pool that hands out connections", () => {
  it("gives a connection back after use, whatever the pool then throws, and leaves no listener on it", async () => {
    const pool = new PlayedPool();
    pool.handOut();
    const store = new PostgresKeyPairStore({ pool });
    expect((await store.readHead("org"))?.revision).toBe(head.revision);
    expect(pool.released).toEqual([false]);
    expect(pool.client.listenerCount("error")).toBe(0);
  });

  it("destroys one whose call is aborted in the middle, once", async () => {
    const pool = new PlayedPool();
    pool.handOut();
    let fail!: (error: Error) => void;
    pool.answer = new Promise((_, reject) => (fail = reject));
    const controller = new AbortController();
    const call = new PostgresKeyPairStore({ pool }).readHead("org", { signal: controller.signal });
    await expect.poll(() => pool.queries).toHaveLength(1);
    const reason = new Error("the caller has gone");
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    expect(pool.released).toEqual([true]);
    pool.client.emit("error", new Error("broken")); // must not end the process
    fail(new Error("Connection terminated"));
    await new Promise(setImmediate);
    expect(pool.released).toEqual([true]);
  });

  it("gives back unused one that comes when the caller has gone", async () => {
    const pool = new PlayedPool();
    const controller = new AbortController();
    const call = new PostgresKeyPairStore({ pool }).readHead("org", { signal: controller.signal });
    controller.abort(new Error("gone"));
    await expect(call).rejects.toThrow("gone");
    pool.handOut();
    await expect.poll(() => pool.released).toEqual([false]);
    expect(pool.queries).toEqual([]);
  });

  it("destroys one on which a statement failed, as the pool itself does", async () => {
    const pool = new PlayedPool();
    pool.handOut();
    pool.answer = Promise.reject(new Error("Connection terminated unexpectedly"));
    await expect(new PostgresKeyPairStore({ pool }).readHead("org")).rejects.toMatchObject({ kind: "unreachable" });
    expect(pool.released).toEqual([true]);
  });
});
