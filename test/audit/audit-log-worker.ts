import { writeSync } from "node:fs";
import pg from "pg";
import { FileAuditLog, PostgresAuditLog, type AuditSink } from "../../src/audit/index.js";
import { opening, secret } from "./logs.js";

/* What the processes of `audit-log-processes.test.ts` do: append for ever, and say each entry once it is written. */
async function append(log: AuditSink): Promise<void> {
  const name = process.pid;
  for (let round = 1; ; round += 1) {
    const ids = Array.from({ length: 1 + (round % 5) }, (_, index) => `${name}-${round}-${index}`);
    await Promise.all(ids.map((id) => log.append(opening(id)).then(() => writeSync(1, `${id}\n`))));
  }
}

const [kind, where = ""] = process.argv.slice(2);
if (kind === "files") void append(new FileAuditLog({ directory: where, secret, maxFileSize: 16_384 }));
if (kind === "postgres") {
  const pool = new pg.Pool({ max: 2, ...(JSON.parse(where) as pg.PoolConfig) });
  pool.on("error", () => undefined);
  void append(new PostgresAuditLog({ pool, secret, timeout: 60_000 }));
}
