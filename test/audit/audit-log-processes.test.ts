import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  migrateAuditLog,
  verifyAuditLog,
  verifyPostgresAuditLog,
  type AuditLogReport,
  type VerifyAuditLogOptions,
} from "../../src/audit/index.js";
import { atLength } from "../support/effort.js";
import { PostgresServer } from "../support/postgres-server.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { compileWorker, WorkerProcess } from "../support/worker-process.js";
import { secret } from "./logs.js";

const kills = atLength(200, 8);

/** A log for processes: what they are told of it, and how it is verified. */
interface SharedLog {
  readonly args: readonly string[];
  verify(options: Pick<VerifyAuditLogOptions, "secret" | "onEvent">): Promise<AuditLogReport>;
  remove(): Promise<void>;
}

async function inFiles(): Promise<SharedLog> {
  const { folder, remove } = await temporaryFolder();
  return {
    args: ["files", folder],
    verify: (options) => verifyAuditLog({ directory: folder, ...options }),
    remove,
  };
}

async function inPostgres(): Promise<SharedLog> {
  const server = await PostgresServer.start();
  const { host, port, password } = server;
  const pool = server.pool();
  await migrateAuditLog(pool);
  return {
    args: ["postgres", JSON.stringify({ host, port, password, user: "postgres", database: "postgres" })],
    verify: (options) => verifyPostgresAuditLog({ pool, ...options }),
    remove: () => server.close(),
  };
}

describe("an audit log of several processes", () => {
  let worker: string;
  let removeWorker: () => Promise<void>;
  beforeAll(async () => {
    const { folder, remove } = await temporaryFolder();
    removeWorker = remove;
    worker = await compileWorker(new URL("./audit-log-worker.ts", import.meta.url), folder);
  });
  afterAll(() => removeWorker());

  it.each([
    ["in files", inFiles],
    ["in PostgreSQL", inPostgres],
  ])(
    `%s has every entry that was said to be written, and verifies, over ${kills} kill -9`,
    { timeout: 240_000 },
    async (_, start) => {
      const log = await start();
      const acknowledged: string[] = [];
      for (let kill = 0; kill < kills; kill += 2) {
        const both = [0, 1].map(() => new WorkerProcess(worker, log.args));
        await Promise.all(both.map((process) => process.line(5 + ((kill * 7) % 40))));
        await Promise.all(both.map((process) => process.kill()));
        acknowledged.push(...both.flatMap(({ lines }) => lines.filter((line) => /^\d+-\d+-\d+$/.test(line))));
      }
      const found = new Set<string | undefined>();
      const { ok, problems, files } = await log.verify({
        secret,
        onEvent: ({ resources }) => found.add(resources?.[0]?.uid),
      });
      expect({ ok, problems }).toEqual({ ok: true, problems: [] });
      expect(files.length).toBeGreaterThanOrEqual(kills);
      expect(acknowledged.filter((id) => !found.has(id))).toEqual([]);
      expect(acknowledged.length).toBeGreaterThanOrEqual(kills * 5);
      await log.remove();
    },
  );
});
