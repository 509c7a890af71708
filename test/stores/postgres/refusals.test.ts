import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type pg from "pg";
import { PostgresKeyPairStore, type PostgresPool } from "../../../src/stores/postgres.js";
import type { StoredHead } from "../../../src/stores/key-pair-store.js";
import { PostgresServer } from "../../support/postgres-server.js";
import { bytes, fillOrganization } from "../records.js";
import { document, failing, organizationId, readsOf, writesOf } from "./failing.js";
import { freshSchema } from "./schemas.js";

let server: PostgresServer;
let pool: pg.Pool;
let schema: string;
let store: PostgresKeyPairStore;
let head: StoredHead;
beforeAll(async () => (server = await PostgresServer.start()));
afterAll(() => server.close());
beforeEach(async () => {
  pool = server.pool();
  schema = await freshSchema(pool);
  store = new PostgresKeyPairStore({ pool, schema });
  head = await fillOrganization(store, organizationId);
});

const over = (options: pg.PoolConfig) => new PostgresKeyPairStore({ pool: server.pool(options), schema });

describe("a server that lets the process in, or not", () => {
  it("does not accept a wrong password, or none", async () => {
    const wrong = over({ password: "wrong-password" }).readHead(organizationId);
    expect(await failing(server, wrong)).toMatchObject({ kind: "credentials", serviceErrorName: "28P01" });
    const none = over({ password: () => undefined as unknown as string }).readHead(organizationId);
    expect(["credentials", "unexpected-answer"]).toContain((await failing(server, none)).kind);
    expect(await failing(server, over({ user: "nobody_known" }).readHead(organizationId))).toMatchObject({
      kind: "credentials",
    });
  });

  it("has no such database", async () => {
    const call = over({ database: "missing" }).readHead(organizationId);
    expect(await failing(server, call)).toMatchObject({ kind: "not-set-up", serviceErrorName: "3D000" });
  });

  it("has no TLS where the pool wants it", async () => {
    expect(await failing(server, over({ ssl: true }).readHead(organizationId))).toMatchObject({ kind: "unreachable" });
  });

  it("has no connection left for the role, until one is closed", async () => {
    await server.sql("CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 1");
    await server.sql(`GRANT USAGE ON SCHEMA ${schema} TO few; GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO few`);
    const first = await server.pool({ user: "few", password: "few" }).connect();
    const crowded = over({ user: "few", password: "few" });
    expect(await failing(server, crowded.readHead(organizationId))).toMatchObject({
      kind: "throttled",
      serviceErrorName: "53300",
    });
    first.release(true);
    await expect.poll(() => crowded.readHead(organizationId).catch(() => undefined)).toEqual(head);
  });

  it("is out of connections in the pool itself", async () => {
    const single = server.pool({ max: 1 });
    const held = await single.connect();
    single.options.connectionTimeoutMillis = 50; // from now on: a busy machine may connect slower
    const waiting = new PostgresKeyPairStore({ pool: single, schema });
    expect(await failing(server, waiting.readHead(organizationId))).toMatchObject({ kind: "timeout" });
    single.options.connectionTimeoutMillis = 0;
    held.release();
    expect(await waiting.readHead(organizationId)).toEqual(head);
  });

  it("is asked through a pool that its owner has ended", async () => {
    await pool.end();
    expect(await failing(server, store.readHead(organizationId))).toMatchObject({ kind: "unreachable" });
  });
});

describe("a database that is not as it should be", () => {
  it("takes no writes in a session that only reads", async () => {
    const reading = over({ options: "-c default_transaction_read_only=on" });
    for (const read of readsOf(reading)) await read();
    for (const write of writesOf(reading))
      expect(await failing(server, write())).toMatchObject({ kind: "read-only", serviceErrorName: "25006" });
    expect(await store.readHead(organizationId)).toEqual(head);
  });

  it("has no such schema, or lacks a table or a column", async () => {
    const elsewhere = new PostgresKeyPairStore({ pool, schema: "nowhere" });
    for (const call of [...readsOf(elsewhere), ...writesOf(elsewhere)])
      expect(await failing(server, call())).toMatchObject({ kind: "not-set-up" });
    await server.sql(`ALTER TABLE ${schema}.heads DROP COLUMN document; DROP TABLE ${schema}.key_pairs`);
    expect(await failing(server, store.readHead(organizationId))).toMatchObject({
      kind: "not-set-up",
      serviceErrorName: "42703",
    });
    expect(await failing(server, store.readKeyPair(organizationId, "pair"))).toMatchObject({
      kind: "not-set-up",
      serviceErrorName: "42P01",
    });
  });

  it("holds rows that the store never writes, each reported by its name, and the others are read", async () => {
    const id = `'\\x${Buffer.from(organizationId).toString("hex")}'`;
    const junk = [
      `INSERT INTO ${schema}.key_pairs VALUES (${id}, 'too-long', 3, decode(repeat('00', 65537), 'hex'))`,
      `INSERT INTO ${schema}.key_pairs VALUES (${id}, 'sequence-0', 0, '')`,
      `INSERT INTO ${schema}.key_pairs VALUES (${id}, '../../etc', 4, '')`,
      `UPDATE ${schema}.heads SET document = decode(repeat('00', 65537), 'hex')`,
      `INSERT INTO ${schema}.wrappings VALUES (${id}, 'pair', 'a b', '')`,
      `INSERT INTO ${schema}.head_changes VALUES (7, 'no mark', '[]')`,
    ];
    // The tables' own rules keep them out, whoever writes.
    for (const statement of junk) await expect(server.sql(statement)).rejects.toMatchObject({ code: "23514" });
    const rules = await server.sql(
      `SELECT conrelid::regclass::text AS table, conname AS name FROM pg_constraint
       WHERE connamespace = '${schema}'::regnamespace AND contype = 'c'`,
    );
    expect(rules).toHaveLength(15);
    for (const { table, name } of rules)
      await server.sql(`ALTER TABLE ${String(table)} DROP CONSTRAINT ${String(name)}`);
    for (const statement of junk) await server.sql(statement);
    const corrupt = (what: string) => ({
      code: "ERR_STORE_CORRUPT",
      message: `${what} is not as it was written; restore it from a backup`,
    });
    await expect(store.readKeyPair(organizationId, "too-long")).rejects.toMatchObject(corrupt("key pair too-long"));
    await expect(store.readKeyPair(organizationId, "sequence-0")).rejects.toMatchObject(corrupt("key pair sequence-0"));
    await expect(store.listKeyPairs(organizationId, { limit: 9 })).rejects.toMatchObject(corrupt("a row of key_pairs"));
    await expect(store.readHead(organizationId)).rejects.toMatchObject(corrupt("the head"));
    await expect(store.listWrappings(organizationId, "pair")).rejects.toMatchObject(corrupt("a row of wrappings"));
    await expect(store.headChanges!({})).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
    expect((await store.readKeyPair(organizationId, "pair"))?.document).toEqual(bytes("a key pair"));
    expect(await store.readStatus(organizationId)).toEqual(bytes("a status"));
  });
});

describe("swapHead", () => {
  it("has one winner and no failure at any isolation level", async () => {
    for (const level of ["read committed", "repeatable read", "serializable"]) {
      const options = `-c default_transaction_isolation=${level.replace(" ", "\\ ")}`;
      const connections = server.pool({ max: 8, options });
      const shown = await connections.query<object>("SHOW transaction_isolation");
      expect(shown.rows).toEqual([{ transaction_isolation: level }]);
      const isolated = new PostgresKeyPairStore({ pool: connections, schema });
      let revision = (await store.readHead(organizationId))!.revision;
      for (let round = 1; round <= 5; round += 1) {
        const swaps = Array.from({ length: 8 }, (_, racer) =>
          isolated.swapHead(organizationId, revision, bytes(`${level} ${round} ${racer}`)),
        );
        const won = (await Promise.all(swaps)).filter((swapped) => swapped !== undefined);
        expect(won).toHaveLength(1);
        expect(await store.readHead(organizationId)).toEqual(won[0]);
        revision = won[0]!.revision;
      }
      const first = await Promise.all(
        Array.from({ length: 8 }, (_, racer) => isolated.swapHead(level, undefined, bytes(`${racer}`))),
      );
      expect(first.filter((swapped) => swapped !== undefined)).toHaveLength(1);
    }
  });

  it("is won by the caller whose statement a proxy has sent twice", async () => {
    const twice: PostgresPool = {
      query: async (text, values) => {
        await pool.query<object>(text, values);
        return pool.query<object>(text, values);
      },
    };
    const behindProxy = new PostgresKeyPairStore({ pool: twice, schema });
    const second = await behindProxy.swapHead(organizationId, head.revision, document);
    expect(second).toEqual(await store.readHead(organizationId));
    const first = await behindProxy.swapHead("another", undefined, document);
    expect(first).toEqual(await store.readHead("another"));
    expect(await behindProxy.swapHead(organizationId, head.revision, bytes("too late"))).toBeUndefined();
  });

  it("knows no revision of another kind of store, whatever it holds", async () => {
    for (const revision of ["", "1", "\0", head.revision.toUpperCase(), `${head.revision} `, "' OR true --"])
      expect(await store.swapHead(organizationId, revision, document)).toBeUndefined();
    expect(await store.readHead(organizationId)).toEqual(head);
  });

  it("makes revisions that do not come again when the database is restored", async () => {
    await server.sql(`CREATE TABLE ${schema}.backup AS SELECT * FROM ${schema}.heads`);
    const later = await store.swapHead(organizationId, head.revision, document);
    await server.sql(`TRUNCATE ${schema}.heads; INSERT INTO ${schema}.heads SELECT * FROM ${schema}.backup`);
    const again = await store.swapHead(organizationId, head.revision, document);
    expect(again!.revision).not.toBe(later!.revision);
    expect(await store.swapHead(organizationId, later!.revision, document)).toBeUndefined();
  });
});
