import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InvalidInputError } from "../../../src/errors.js";
import { migrate, PostgresKeyPairStore, postgresSchema } from "../../../src/stores/postgres.js";
import { PostgresServer } from "../../support/postgres-server.js";
import { bytes, fillOrganization } from "../records.js";

const atOnce = 80;

let server: PostgresServer;
beforeAll(async () => (server = await PostgresServer.start({ max_connections: atOnce + 20 })));
afterAll(() => server.close());

/** Everything that the catalog knows of a schema, with the transactions that last changed it. */
const catalogOf = (schema: string) =>
  server.sql(
    `SELECT relname, pg_class.oid, pg_class.xmin::text AS changed, relkind,
            (SELECT json_agg(row_to_json(a)) FROM pg_attribute AS a WHERE attrelid = pg_class.oid) AS columns,
            (SELECT json_agg(row_to_json(c)) FROM pg_constraint AS c WHERE conrelid = pg_class.oid) AS constraints
     FROM pg_class WHERE relnamespace = '${schema}'::regnamespace ORDER BY relname`,
  );

describe("migrate", () => {
  it(`lets ${atOnce} at once, each on a connection of its own, all succeed`, async () => {
    const pool = server.pool({ max: atOnce });
    const connections = await Promise.all(Array.from({ length: atOnce }, () => pool.connect()));
    try {
      const results = await Promise.allSettled(connections.map((client) => migrate(client, { schema: "at_once" })));
      expect(results.filter(({ status }) => status === "rejected")).toEqual([]);
    } finally {
      for (const client of connections) client.release();
    }
    const versions = await server.sql("SELECT version FROM at_once.schema_version ORDER BY version");
    expect(versions).toEqual([{ version: 1 }, { version: 2 }]);
    await fillOrganization(new PostgresKeyPairStore({ pool, schema: "at_once" }), "org");
    await pool.end();
  });

  it("changes nothing when it runs again", async () => {
    const pool = server.pool();
    await migrate(pool, { schema: "again" });
    const store = new PostgresKeyPairStore({ pool, schema: "again" });
    const head = await fillOrganization(store, "org");
    const before = await catalogOf("again");
    expect(before.length).toBeGreaterThan(5);
    await migrate(pool, { schema: "again" });
    await pool.query(postgresSchema({ schema: "again" }));
    expect(await catalogOf("again")).toEqual(before);
    expect(await store.readHead("org")).toEqual(head);
  });

  it("adds what the schema of the first version lacks, without which no head moves, and the rest goes on", async () => {
    const pool = server.pool();
    await migrate(pool, { schema: "first" });
    const store = new PostgresKeyPairStore({ pool, schema: "first" });
    const head = await fillOrganization(store, "org");
    await server.sql("DROP TABLE first.head_changes; DELETE FROM first.schema_version WHERE version = 2");
    await expect(store.swapHead("org", head.revision, bytes("next"))).rejects.toMatchObject({ kind: "not-set-up" });
    await expect(store.headChanges!({})).rejects.toMatchObject({ kind: "not-set-up" });
    expect(await store.readHead("org")).toEqual(head);
    await migrate(pool, { schema: "first" });
    const { cursor } = await store.headChanges!({});
    expect(await store.swapHead("org", head.revision, bytes("next"))).toBeDefined();
    expect((await store.headChanges!({ after: cursor })).organizationIds).toEqual(["org"]);
  });

  it("is never run by the store itself", async () => {
    const store = new PostgresKeyPairStore({ pool: server.pool(), schema: "never_made" });
    await expect(store.readHead("org")).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE", kind: "not-set-up" });
    await expect(store.writeStatus("org", bytes(""))).rejects.toMatchObject({ kind: "not-set-up" });
    expect(await server.sql("SELECT FROM pg_namespace WHERE nspname = 'never_made'")).toEqual([]);
  });

  it("refuses a schema of a later version, and leaves it alone", async () => {
    const pool = server.pool();
    await migrate(pool, { schema: "later" });
    await server.sql("UPDATE later.schema_version SET version = 3 WHERE version = 2");
    const before = await catalogOf("later");
    const refusal = expect.objectContaining({ code: "ERR_FORMAT_TOO_NEW", retryable: false });
    await expect(migrate(pool, { schema: "later" })).rejects.toEqual(refusal);
    expect(await catalogOf("later")).toEqual(before);
    expect(await server.sql("SELECT max(version) AS version FROM later.schema_version")).toEqual([{ version: 3 }]);
  });

  it("does not take over tables of somebody else's", async () => {
    await server.sql("CREATE SCHEMA theirs; CREATE TABLE theirs.heads (size integer)");
    await expect(migrate(server.pool(), { schema: "theirs" })).rejects.toMatchObject({
      kind: "not-set-up",
      serviceErrorName: "42P07",
    });
    expect(await server.sql("SELECT FROM pg_class WHERE relnamespace = 'theirs'::regnamespace")).toHaveLength(1);
  });

  it("works where one statement is all that a driver sends, and under repeatable reads", async () => {
    const pool = server.pool({ options: "-c default_transaction_isolation=serializable" });
    const connection = await pool.connect();
    try {
      const config = { queryMode: "extended" };
      const extended = { query: (text: string) => connection.query<object>({ text, ...config }) };
      await migrate(extended, { schema: "one_statement" });
    } finally {
      connection.release();
    }
    const migrations = Array.from({ length: 4 }, () => migrate(pool, { schema: "repeatable" }));
    await Promise.all(migrations);
    for (const schema of ["one_statement", "repeatable"])
      await fillOrganization(new PostgresKeyPairStore({ pool, schema }), "org");
  });

  it.each([`we"ird`, "it's", "$migration$", "Üpper", "x".repeat(63), "a.b", "; DROP SCHEMA public"])(
    "takes the schema name %s as it is",
    async (schema) => {
      const pool = server.pool();
      await migrate(pool, { schema });
      await migrate(pool, { schema });
      await fillOrganization(new PostgresKeyPairStore({ pool, schema }), "org");
      const names = (await server.sql("SELECT nspname FROM pg_namespace")).map(({ nspname }) => nspname);
      expect(names).toEqual(expect.arrayContaining([schema, "public"]));
    },
  );

  it.each(["", "x".repeat(64), "é".repeat(32), "a\0b", "a\nb", "a\\b", 7 as unknown as string])(
    "refuses the schema name %j, which PostgreSQL would not keep",
    async (schema) => {
      const pool = server.pool();
      expect(() => postgresSchema({ schema })).toThrow(InvalidInputError);
      expect(() => new PostgresKeyPairStore({ pool, schema })).toThrow(InvalidInputError);
      await expect(migrate(pool, { schema })).rejects.toThrow(InvalidInputError);
    },
  );

  it("needs no right to the database in a schema that is there, and none where nothing is to do", async () => {
    await server.sql(
      `CREATE ROLE deployer LOGIN PASSWORD 'deployer'; CREATE SCHEMA theirs_to_fill AUTHORIZATION deployer;
       CREATE ROLE bystander LOGIN PASSWORD 'bystander'`,
    );
    const [deployer, bystander] = ["deployer", "bystander"].map((user) => server.pool({ user, password: user }));
    await expect(migrate(deployer!, { schema: "not_theirs" })).rejects.toMatchObject({ kind: "access-denied" });
    await migrate(deployer!, { schema: "theirs_to_fill" });
    await expect(migrate(bystander!, { schema: "theirs_to_fill" })).rejects.toMatchObject({ kind: "access-denied" });
    await server.sql(
      "GRANT USAGE ON SCHEMA theirs_to_fill TO bystander; GRANT SELECT ON theirs_to_fill.schema_version TO bystander",
    );
    await migrate(bystander!, { schema: "theirs_to_fill" });
  });

  it("ends with its signal or its time while another migration holds the lock, and gives up its place", async () => {
    const pool = server.pool({ max: 2 });
    const other = await pool.connect();
    try {
      await other.query("BEGIN");
      await other.query(postgresSchema({ schema: "waited_for" }));
      const controller = new AbortController();
      const reason = new Error("the deployment was called off");
      const aborted = expect(migrate(pool, { schema: "waited_for", signal: controller.signal })).rejects.toBe(reason);
      const waiting = () => server.sql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
      await expect.poll(waiting).toHaveLength(1);
      controller.abort(reason);
      await aborted;
      await expect(migrate(pool, { schema: "waited_for", timeout: 50 })).rejects.toMatchObject({ kind: "timeout" });
    } finally {
      await other.query("COMMIT");
      other.release();
    }
    await migrate(pool, { schema: "waited_for" });
  });

  it("refuses unknown options and what is no pool", async () => {
    const wrong = [
      migrate(server.pool(), { scheme: "typo" } as object),
      migrate(server.pool(), { timeout: 0 }),
      migrate({} as never),
      migrate(undefined as never),
    ];
    for (const call of wrong) await expect(call).rejects.toThrow(InvalidInputError);
    const options = { password: "secret" };
    expect(() => new PostgresKeyPairStore({ pool: options as never })).toThrow(
      /^pool: must have a method query\(text, values\)$/,
    );
    for (const timeout of [0, 9, 600_001, NaN, "5000" as never])
      expect(() => new PostgresKeyPairStore({ pool: server.pool(), timeout })).toThrow(InvalidInputError);
  });
});
