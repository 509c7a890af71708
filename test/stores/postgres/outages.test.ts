import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type pg from "pg";
import { PostgresKeyPairStore } from "../../../src/stores/postgres.js";
import type { StoredHead } from "../../../src/stores/key-pair-store.js";
import { PostgresServer } from "../../support/postgres-server.js";
import { fillOrganization } from "../records.js";
import { document, failing, organizationId, readsOf, writesOf } from "./failing.js";
import { freshSchema, queryOnly } from "./schemas.js";

let server: PostgresServer;
let pool: pg.Pool;
let schema: string;
let head: StoredHead;
beforeAll(async () => (server = await PostgresServer.start()));
afterAll(() => server.close());
beforeEach(async () => {
  pool = server.pool();
  schema = await freshSchema(pool);
  head = await fillOrganization(new PostgresKeyPairStore({ pool, schema }), organizationId);
});
afterEach(() => server.thaw());

/** Statements of others that wait for a lock. */
const waiting = () => server.sql("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'");

/** Has another transaction hold the head until it is let go. */
async function holdHead(): Promise<() => Promise<void>> {
  const connection = await pool.connect();
  connection.on("error", () => undefined);
  await connection.query("BEGIN");
  await connection.query(`SELECT FROM ${schema}.heads FOR UPDATE`);
  return async () => {
    await connection.query("COMMIT");
    connection.release();
  };
}

describe("a server that is stopped", () => {
  it("is unavailable for every call, and the store goes on by itself when it is back", async () => {
    const store = new PostgresKeyPairStore({ pool, schema });
    await server.stop("immediate");
    for (const call of [...readsOf(store), ...writesOf(store)]) {
      const { kind } = await failing(server, call());
      expect(["unreachable", "service-error"]).toContain(kind); // the latter where the crash is still being told
    }
    expect(await failing(server, store.readHead(organizationId))).toMatchObject({
      kind: "unreachable",
      serviceErrorName: "ECONNREFUSED",
    });
    await server.resume();
    expect(await store.readHead(organizationId)).toEqual(head);
    expect(await store.swapHead(organizationId, head.revision, document)).toBeDefined();
  });

  it("fails the calls that are under way, whose writes have happened or not", async () => {
    const letGo = await holdHead();
    const store = new PostgresKeyPairStore({ pool, schema });
    const call = failing(server, store.swapHead(organizationId, head.revision, document));
    await expect.poll(waiting).toHaveLength(1);
    await server.stop("fast");
    expect(["unreachable", "service-error"]).toContain((await call).kind);
    await letGo().catch(() => undefined);
    await server.resume();
    expect(await store.readHead(organizationId)).toEqual(head);
  });
});

describe("a server that is frozen", () => {
  it("is a timeout for every call, and the store goes on by itself when it thaws", async () => {
    const store = new PostgresKeyPairStore({ pool, schema, timeout: 50 });
    await server.freeze();
    for (const call of [...readsOf(store), ...writesOf(store).slice(0, 2)])
      expect(await failing(server, call())).toMatchObject({ kind: "timeout" });
    server.thaw();
    const patient = new PostgresKeyPairStore({ pool, schema });
    expect(await patient.readHead(organizationId)).toEqual(head);
    // What the server had been sent before it froze may still happen, or not; both swaps expected another head.
    expect(await patient.swapHead(organizationId, head.revision, document)).toBeDefined();
  });

  it("rejects with the reason of a signal in the middle of a call", async () => {
    const store = new PostgresKeyPairStore({ pool, schema });
    await server.freeze();
    const controller = new AbortController();
    const reason = new Error("the caller has gone");
    const call = expect(store.readHead(organizationId, { signal: controller.signal })).rejects.toBe(reason);
    controller.abort(reason);
    await call;
  });

  it("keeps no connection of a Pool: the next call has another one", async () => {
    const single = server.pool({ max: 1 });
    await new PostgresKeyPairStore({ pool: single, schema }).readHead(organizationId);
    await server.freezeConnections();
    const impatient = new PostgresKeyPairStore({ pool: single, schema, timeout: 50 });
    expect(await failing(server, impatient.readHead(organizationId))).toMatchObject({ kind: "timeout" });
    const patient = new PostgresKeyPairStore({ pool: single, schema });
    expect(await patient.readHead(organizationId)).toEqual(head);
    expect(single.totalCount).toBe(1);
  });

  it("leaves the connection of another client to that client's own limits", async () => {
    const single = server.pool({ max: 1, query_timeout: 500 });
    const store = new PostgresKeyPairStore({ pool: queryOnly(single), schema });
    const read = () => store.readHead(organizationId).catch(() => undefined); // a busy machine may take longer
    await expect.poll(read).toEqual(head);
    await server.freezeConnections();
    expect(await failing(server, store.readHead(organizationId))).toMatchObject({ kind: "timeout" });
    await expect.poll(read).toEqual(head);
  });
});

describe("a connection that breaks", () => {
  const terminate = (which: string) =>
    server.sql(
      `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
       WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND ${which}`,
    );

  it("while it is idle is told to the pool's owner, and costs no call but the one that meets it", async () => {
    const store = new PostgresKeyPairStore({ pool, schema });
    let told = 0;
    pool.on("error", () => (told += 1));
    await Promise.all(readsOf(store).map((read) => read()));
    await terminate("true");
    await expect.poll(() => told).toBeGreaterThan(0);
    await expect.poll(() => pool.totalCount).toBe(0);
    expect(await store.readHead(organizationId)).toEqual(head);
  });

  it("in the middle of a call fails it, and ends neither the process nor the pool", async () => {
    const letGo = await holdHead();
    const store = new PostgresKeyPairStore({ pool, schema });
    const call = failing(server, store.swapHead(organizationId, head.revision, document));
    await expect.poll(waiting).toHaveLength(1);
    await terminate("wait_event_type = 'Lock'");
    expect(await call).toMatchObject({ kind: "service-error", serviceErrorName: "57P01" });
    await letGo();
    expect(await store.swapHead(organizationId, head.revision, document)).toBeDefined();
  });
});

describe("a head that another transaction holds", () => {
  it("is given up at the deadline or with the signal, and the pool has its connections again", async () => {
    const letGo = await holdHead();
    const single = server.pool({ max: 1 });
    const swap = (timeout: number, signal?: AbortSignal) =>
      new PostgresKeyPairStore({ pool: single, schema, timeout }).swapHead(organizationId, head.revision, document, {
        signal,
      });
    expect(await failing(server, swap(50))).toMatchObject({ kind: "timeout" });
    const controller = new AbortController();
    const aborted = expect(swap(60_000, controller.signal)).rejects.toThrow("gone");
    await expect.poll(async () => (await waiting()).length).toBeGreaterThan(0);
    controller.abort(new Error("gone"));
    await aborted;
    expect(await new PostgresKeyPairStore({ pool: single, schema }).readHead(organizationId)).toEqual(head);
    await letGo();
  });

  it("is a timeout too where the server itself gives up", async () => {
    const letGo = await holdHead();
    for (const [limit, serviceErrorName] of [
      ["statement_timeout", "57014"],
      ["lock_timeout", "55P03"],
    ]) {
      const limited = server.pool({ options: `-c ${limit}=50` });
      const store = new PostgresKeyPairStore({ pool: limited, schema });
      expect(await failing(server, store.swapHead(organizationId, head.revision, document))).toMatchObject({
        kind: "timeout",
        serviceErrorName,
      });
    }
    await letGo();
    expect(await new PostgresKeyPairStore({ pool, schema }).readHead(organizationId)).toEqual(head);
  });
});

describe("a replica", () => {
  it("is refused for every call, and the store goes on when it becomes the primary", async () => {
    const store = new PostgresKeyPairStore({ pool, schema });
    await server.becomeReplica();
    await expect.poll(() => pool.totalCount).toBe(0); // the pool has noticed the restart
    for (const read of readsOf(store)) {
      const error = await failing(server, read());
      expect(error).toMatchObject({ kind: "read-only" });
      expect(error.message).toMatch(/a replica has answered/);
    }
    for (const write of writesOf(store)) expect(await failing(server, write())).toMatchObject({ kind: "read-only" });
    await server.becomePrimary();
    await expect.poll(() => pool.totalCount).toBe(0);
    expect(await store.readHead(organizationId)).toEqual(head);
    for (const write of writesOf(store)) await write();
  });
});
