import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PostgresKeyPairStore } from "../../../src/stores/postgres.js";
import { PostgresServer } from "../../support/postgres-server.js";
import { bytes } from "../records.js";
import { freshSchema } from "./schemas.js";

let server: PostgresServer;
beforeAll(async () => (server = await PostgresServer.start()));
afterAll(() => server.close());

describe("PostgresKeyPairStore where the database orders texts by language", () => {
  it("lists ids in ASCII order, page by page", async () => {
    const pool = server.pool();
    const [{ order } = {}] = await server.sql(
      "SELECT string_agg(id, '' ORDER BY id) AS order FROM unnest(ARRAY['a', 'B', '_']) AS id",
    );
    expect(order).toBe("_aB"); // in ASCII: B_a
    const store = new PostgresKeyPairStore({ pool, schema: await freshSchema(pool) });
    const ids = ["B", "_", "a", "-", "Z9", "z0", "0", "b"];
    for (const keyPairId of ids) {
      await store.createKeyPair({ organizationId: "org", keyPairId, sequence: 7, document: bytes("") });
      await store.createWrapping("org", "pair", { wrappingId: keyPairId, document: bytes("") });
    }
    const listed: string[] = [];
    for (;;) {
      const last = listed.at(-1);
      const after = last === undefined ? undefined : { sequence: 7, keyPairId: last };
      const page = await store.listKeyPairs("org", { limit: 3, after });
      if (page.length === 0) break;
      listed.push(...page.map(({ keyPairId }) => keyPairId));
    }
    expect(listed).toEqual([...ids].sort());
    expect((await store.listWrappings("org", "pair")).map(({ wrappingId }) => wrappingId)).toEqual([...ids].sort());
  });

  it("enters a long history by its index, wherever the page lies", async () => {
    const pool = server.pool();
    const schema = await freshSchema(pool);
    await server.sql(
      `INSERT INTO ${schema}.key_pairs SELECT '\\x6f7267', 'pair-' || n, n, '' FROM generate_series(1, 20000) AS n;
       ANALYZE ${schema}.key_pairs`,
    );
    const store = new PostgresKeyPairStore({ pool, schema });
    const read = async () => {
      await server.sql("SELECT pg_stat_force_next_flush()");
      const [row] = await server.sql(
        `SELECT pg_stat_get_tuples_returned('${schema}.key_pairs_by_sequence'::regclass)::int AS entries,
                pg_stat_get_tuples_returned('${schema}.key_pairs'::regclass)::int AS scanned`,
      );
      return row;
    };
    const page = await store.listKeyPairs("org", { limit: 10, after: { sequence: 10_000, keyPairId: "pair-10000" } });
    expect(page.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 10 }, (_, index) => 9_999 - index));
    await pool.end(); // a connection tells its counts when it ends
    // The page, and the one behind which it lies.
    await expect.poll(read).toMatchObject({ entries: 11, scanned: 0 });
  });
});
