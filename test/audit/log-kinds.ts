import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  FileAuditLog,
  migrateAuditLog,
  PostgresAuditLog,
  verifyAuditLog,
  verifyPostgresAuditLog,
  type AuditAnchorOptions,
  type AuditLogReport,
  type VerifyAuditLogOptions,
} from "../../src/audit/index.js";
import { PostgresServer } from "../support/postgres-server.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { secret } from "./logs.js";

/** Where a log of a test lies, which somebody else can write to. */
export interface LogPlace {
  log(options?: {
    secret?: Uint8Array | readonly Uint8Array[];
    anchor?: AuditAnchorOptions;
  }): FileAuditLog | PostgresAuditLog;
  verify(options?: Partial<Omit<VerifyAuditLogOptions, "directory">>): Promise<AuditLogReport>;
  /** Names of the files, or what stands for them. */
  files(): Promise<string[]>;
  /** Lines of a file, each with its line feed. */
  linesOf(file: string): Promise<string[]>;
  /** Puts other lines in the place of those of a file. With none it is gone. */
  rewrite(file: string, lines: readonly string[]): Promise<void>;
  remove(): Promise<void>;
}

/** A kind of log, with the server that it needs. */
export interface LogKind {
  start(): Promise<{ open(): Promise<LogPlace>; stop(): Promise<void> }>;
}

const inFiles: LogKind = {
  start: async () => ({
    open: async () => {
      const { folder: directory, remove } = await temporaryFolder();
      return {
        log: (options) => new FileAuditLog({ directory, secret, ...options }),
        verify: (options) => verifyAuditLog({ directory, secret, ...options }),
        files: async () => (await readdir(directory)).sort(),
        linesOf: async (file) => (await readFile(join(directory, file), "utf8")).split(/(?<=\n)/),
        rewrite: (file, lines) =>
          lines.length === 0 ? rm(join(directory, file)) : writeFile(join(directory, file), lines.join("")),
        remove,
      };
    },
    stop: async () => undefined,
  }),
};

const inPostgres: LogKind = {
  start: async () => {
    const server = await PostgresServer.start();
    const pool = server.pool();
    let made = 0;
    const open = async (): Promise<LogPlace> => {
      made += 1;
      const schema = `audit_${made}`;
      await migrateAuditLog(pool, { schema });
      return {
        log: (options) => new PostgresAuditLog({ pool, schema, secret, timeout: 60_000, ...options }),
        verify: (options) => verifyPostgresAuditLog({ pool, schema, secret, ...options }),
        files: async () =>
          (await server.sql(`SELECT DISTINCT chain::text FROM ${schema}.entries ORDER BY chain`)).map(({ chain }) =>
            String(chain),
          ),
        linesOf: async (file) =>
          (
            await server.sql(
              `SELECT convert_from(line, 'UTF8') AS line FROM ${schema}.entries WHERE chain = '${file}' ORDER BY number`,
            )
          ).map(({ line }) => `${line as string}\n`),
        rewrite: async (file, lines) => {
          const values = lines.map((line, index) => {
            const hex = Buffer.from(line.replace(/\n$/, "")).toString("hex");
            return `('${file}', ${index + 1}, '\\x${hex}')`;
          });
          const insert = `INSERT INTO ${schema}.entries (chain, number, line) VALUES ${values.join(", ")}`;
          await server.sql(
            `DELETE FROM ${schema}.entries WHERE chain = '${file}'; ${values.length === 0 ? "" : insert}`,
          );
        },
        remove: async () => undefined,
      };
    };
    return { open, stop: () => server.close() };
  },
};

export const logKinds: readonly (readonly [name: string, kind: LogKind])[] = [
  ["FileAuditLog", inFiles],
  ["PostgresAuditLog", inPostgres],
];
