import { inspect } from "node:util";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  migrateAuditLog,
  PostgresAuditLog,
  postgresAuditGrants,
  postgresAuditSchema,
  verifyPostgresAuditLog,
  type PostgresAuditRole,
  type PostgresPool,
} from "../../src/audit/index.js";
import { createTestKeyStore } from "../../src/testing/index.js";
import { PostgresServer } from "../support/postgres-server.js";
import { opening, secret } from "./logs.js";

let server: PostgresServer;
let pool: pg.Pool;
let schema: string;
let count = 0;
// A role's own wish for speed must not reach the log.
beforeAll(async () => {
  server = await PostgresServer.start({ synchronous_commit: "off", wal_writer_delay: "10s" });
  pool = server.pool();
});
afterAll(() => server.close());
beforeEach(async () => {
  count += 1;
  schema = `audit_${count}`;
  await migrateAuditLog(pool, { schema });
});

const logOver = (given: PostgresPool, timeout = 60_000) =>
  new PostgresAuditLog({ pool: given, schema, secret, timeout });

/** Ids of the recordings in the log, and what is wrong with it. */
async function logged() {
  const ids: (string | undefined)[] = [];
  const { problems, files } = await verifyPostgresAuditLog({
    pool,
    schema,
    secret,
    onEvent: ({ resources }) => ids.push(resources?.[0]?.uid),
  });
  return { ids, problems: problems.map(({ problem, line }) => `${problem} ${line ?? ""}`.trim()), files };
}

const reset = () => Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });

describe("an answer that is lost", () => {
  it("of lines that are stored: they are sent again, known again, and stored once", async () => {
    let lost = 0;
    const log = logOver({
      query: async (text, values) => {
        const answer = await pool.query<object>(text, values);
        lost += 1;
        if (lost % 2 === 1) throw reset();
        return answer;
      },
    });
    for (const id of ["r1", "r2", "r3"]) await log.append(opening(id));
    await log.close();
    expect(lost).toBe(10);
    expect(await logged()).toMatchObject({ ids: ["r1", "r2", "r3"], problems: [], files: [{ entries: 5 }] });
  });

  it("while the statement is still under way: the next one waits for it, and the one after knows the lines", async () => {
    let sent = 0;
    let ended: Promise<unknown> | undefined;
    const log = logOver({
      query: async (text, values) => {
        sent += 1;
        if (sent !== 2) return pool.query<object>(text, values);
        const lost = await pool.connect();
        await lost.query("BEGIN");
        await lost.query(text, values);
        const waits = () => server.sql("SELECT FROM pg_locks WHERE NOT granted");
        ended = expect
          .poll(waits, { timeout: 60_000 })
          .not.toEqual([])
          .then(() => lost.query("COMMIT"))
          .finally(() => lost.release());
        throw reset();
      },
    });
    await log.append(opening("r1"));
    await ended;
    expect(sent).toBe(4);
    await log.close();
    expect(await logged()).toMatchObject({ ids: ["r1"], problems: [], files: [{ entries: 3 }] });
  });
});

describe("an outage of the server", () => {
  it("fails openings closed and no recording; the log goes on in a new chain that names the old one", async () => {
    const auditSink = logOver(pool);
    const { keyStore } = await createTestKeyStore({ auditSink, auditTimeout: 60_000 });
    const { body } = await keyStore.encryptRecording(Buffer.from("audio"), { recordingId: "r" });
    await keyStore.decryptRecording(body, { recordingId: "r" });
    await server.stop("immediate");
    await expect(keyStore.decryptRecording(body, { recordingId: "r" })).rejects.toMatchObject({
      code: "ERR_AUDIT_UNAVAILABLE",
      retryable: true,
    });
    await keyStore.encryptRecording(Buffer.from("audio"), { recordingId: "r2" });
    await server.resume();
    await keyStore.decryptRecording(body, { recordingId: "r" });
    await keyStore.close();
    await auditSink.close();
    const { files, problems } = await logged();
    expect({ problems, ends: files.map(({ end }) => end).sort() }).toEqual({ problems: [], ends: ["closed", "open"] });
    // What was cut off before the process went on shows without an anchor.
    const { file = "", entries = 0 } = files.find(({ end }) => end === "open") ?? {};
    await server.sql(`DELETE FROM ${schema}.entries WHERE chain = '${file}' AND number = ${entries}`);
    expect((await logged()).problems).toEqual(["cut-off"]);
    await server.sql(`DELETE FROM ${schema}.entries WHERE chain = '${file}'`); // its time was over
    expect((await logged()).problems).toEqual([]);
  });

  it("leaves what was acknowledged, though the server does not wait for the disk by itself", async () => {
    const log = logOver(pool);
    await log.append(opening("r1"));
    await server.stop("immediate");
    await server.resume();
    expect((await logged()).ids).toEqual(["r1"]);
  });

  it("is told without a word of the connection", async () => {
    const log = logOver(server.pool({ password: "wrong-password" }));
    const error: unknown = await log.append(opening("r1")).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "ERR_AUDIT_UNAVAILABLE", message: expect.stringContaining("credentials") });
    const shown = `${inspect(error, { depth: 9, showHidden: true })}${inspect(log, { depth: 9, showHidden: true })}`;
    for (const secretText of ["wrong-password", server.host, String(server.port), "INSERT"])
      expect(shown).not.toContain(secretText);
  });
});

describe("rows that somebody else has changed", () => {
  const chainOf = async () =>
    String((await server.sql(`SELECT chain::text FROM ${schema}.entries LIMIT 1`))[0]!["chain"]);

  it.each<[string, string, string]>([
    ["another number", "UPDATE entries SET number = number + 1 WHERE number = 5", "altered 5"],
    ["all numbers, in order", "UPDATE entries SET number = number + 10", "altered 1"],
    ["a byte", String.raw`UPDATE entries SET line = set_byte(line, 20, 65) WHERE number = 2`, "altered 2"],
    ["a row gone", "DELETE FROM entries WHERE number = 3", "altered 3"],
    ["no beginning", "DELETE FROM entries WHERE number = 1", "altered 1"],
    ["a row behind the end", "INSERT INTO entries SELECT chain, 6, line FROM entries WHERE number = 5", "altered 6"],
    ["the chain's name", "UPDATE entries SET chain = gen_random_uuid_once()", "misplaced 1"],
  ])("are found: %s", async (_, change, problem) => {
    const log = logOver(pool);
    for (const id of ["r1", "r2", "r3"]) await log.append(opening(id));
    await log.close();
    const other = "00000000-0000-4000-8000-000000000000";
    await server.sql(change.replaceAll("entries", `${schema}.entries`).replace("gen_random_uuid_once()", `'${other}'`));
    expect((await logged()).problems).toEqual([problem]);
  });

  it("in advance of the log: the entry fails, the log goes on in another chain, and the row shows", async () => {
    const log = logOver(pool);
    await log.append(opening("r1"));
    const chain = await chainOf();
    await server.sql(`INSERT INTO ${schema}.entries (chain, number, line) VALUES ('${chain}', 3, 'x')`);
    await expect(log.append(opening("r2"))).rejects.toMatchObject({ code: "ERR_AUDIT_UNAVAILABLE" });
    await log.append(opening("r3"));
    await log.close();
    const { ids, problems } = await logged();
    expect({ ids: ids.sort(), problems }).toEqual({ ids: ["r1", "r3"], problems: ["altered 3"] });
  });
});

describe("postgresAuditGrants", () => {
  async function as(role: PostgresAuditRole): Promise<pg.Pool> {
    const user = `${role} of ${schema}`;
    await server.sql(`CREATE ROLE "${user}" LOGIN PASSWORD 'password'`);
    await server.sql(postgresAuditGrants({ role, grantee: user, schema }));
    return server.pool({ user, password: "password" });
  }

  it("lets a writer add and nobody change or remove; a reader verifies", async () => {
    const [writer, reader] = [await as("writer"), await as("reader")];
    const log = logOver(writer);
    await log.append(opening("r1"));
    await log.close();
    for (const role of [writer, reader])
      for (const change of ["DELETE FROM", "UPDATE", "TRUNCATE"])
        await expect(
          role.query(`${change} ${schema}.entries${change === "UPDATE" ? " SET line = 'x'" : ""}`),
        ).rejects.toMatchObject({ code: "42501" });
    await expect(logOver(reader).append(opening("r2"))).rejects.toThrow("access-denied");
    expect(await verifyPostgresAuditLog({ pool: reader, schema, secret })).toMatchObject({ ok: true });
    expect((await logged()).ids).toEqual(["r1"]);
  });

  it("refuses another role, and names that PostgreSQL would cut short", () => {
    expect(() => postgresAuditGrants({ role: "worker" as never, grantee: "x" })).toThrow("writer, reader");
    expect(() => postgresAuditGrants({ role: "writer", grantee: "x".repeat(64) })).toThrow("at most 63 bytes");
    expect(() => postgresAuditGrants({ role: "writer", grantee: "public" })).toThrow("the name of one role");
  });
});

describe("what is not as it should be", () => {
  it("a schema that nobody made, and a server that only reads", async () => {
    const log = new PostgresAuditLog({ pool, schema: "never_made", secret });
    await expect(log.append(opening("r1"))).rejects.toThrow("not-set-up");
    await expect(verifyPostgresAuditLog({ pool, schema: "never_made", secret })).rejects.toMatchObject({
      kind: "not-set-up",
    });
    await server.becomeReplica();
    await expect(logOver(pool).append(opening("r1"))).rejects.toThrow("read-only");
    await expect(verifyPostgresAuditLog({ pool, schema, secret })).rejects.toMatchObject({ kind: "read-only" });
    await server.becomePrimary();
  });

  it("a driver that answers oddly, or not in time", async () => {
    for (const answer of [undefined, "text", { rows: [] }, { rows: [{ written: 1 }] }, { rows: [{ written: "2" }] }])
      await expect(logOver({ query: async () => answer as never }).append(opening("r1"))).rejects.toMatchObject({
        code: "ERR_AUDIT_UNAVAILABLE",
      });
    const hanging = logOver({ query: () => new Promise<never>(() => undefined) }, 10);
    await expect(hanging.append(opening("r1"))).rejects.toThrow("no answer within 10 ms");
  });

  it("a driver that gives the same rows again and again, which would never end", async () => {
    let queries = 0;
    const row = (index: number) => ({
      ...{ replica: "false", stored: "true", sequence: "1", document: "00" },
      id: `0e0c7b5f-2f0f-4ad8-a5c5-${String(index).padStart(12, "0")}`,
    });
    const query = async () => {
      queries += 1;
      return queries > 100 ? { rows: [] } : { rows: Array.from({ length: 64 }, (_, index) => row(index)) };
    };
    await expect(verifyPostgresAuditLog({ pool: { query }, secret })).rejects.toMatchObject({
      kind: "unexpected-answer",
    });
    expect(queries).toBe(2);
  });

  it("options", async () => {
    for (const [options, field] of [
      [{ pool: {} }, "pool"],
      [{ schema: "" }, "schema"],
      [{ timeout: 1 }, "timeout"],
      [{ secret: Buffer.alloc(31) }, "secret"],
      [{ table: "x" }, "table"],
    ] as const) {
      const wrong = { pool, secret, ...options } as never;
      expect(() => new PostgresAuditLog(wrong), field).toThrow(expect.objectContaining({ field }));
      await expect(verifyPostgresAuditLog(wrong)).rejects.toMatchObject({ field });
    }
  });

  it("nothing: the schema can be made by another tool, any number of times", async () => {
    await pool.query(postgresAuditSchema({ schema }));
    await logOver(pool).append(opening("r1"));
    await pool.query(postgresAuditSchema({ schema }));
    expect((await logged()).ids).toEqual(["r1"]);
  });
});
