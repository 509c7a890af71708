import { boundedStoreCall } from "../../stores/store-call.js";
import { StoreError, type StoreFailureKind } from "../../stores/store-error.js";
import { countWritten } from "../../stores/postgres/answers.js";
import { postgresFailure } from "../../stores/postgres/failures.js";
import { checkedPool, checkedTimeout, runStatement, type PostgresPool } from "../../stores/postgres/pool.js";
import { knownOptions } from "../../util/check-input.js";
import {
  ChainedAuditLog,
  type ChainedAuditLogOptions,
  type ChainMedium,
  type ChainPlace,
} from "../chained-audit-log.js";
import { defaultAuditSchema } from "./schema.js";
import { auditStatements } from "./statements.js";

/** Options of {@link PostgresAuditLog}. */
export interface PostgresAuditLogOptions extends ChainedAuditLogOptions {
  /** Where to send statements, as for a `PostgresKeyPairStore`. It must reach the primary, and stays yours. */
  readonly pool: PostgresPool;
  /** Schema that `migrateAuditLog` has made. Default `recording_keystore_audit`. */
  readonly schema?: string | undefined;
  /**
   * Longest time of one write, in ms, waiting for a connection and trying again included. From 10 to 600,000, default 4,000: less
   * than the `auditTimeout` of a key store, so that it hears why.
   */
  readonly timeout?: number | undefined;
}

/** Lines after which the log goes on in another chain, so that old ones can be removed when their time is over. */
const longestChain = 100_000;
/** How often lines are sent whose answer was lost. */
const maxAttempts = 3;
/** Failures after which the lines may be stored all the same. */
const inDoubt: ReadonlySet<StoreFailureKind> = new Set([
  "unreachable",
  "timeout",
  "service-error",
  "unexpected-answer",
]);

/**
 * Audit log in a table of PostgreSQL 11 or later. Each instance writes a chain of its own, one row a line, so that processes never
 * wait for each other, and the primary key lets no chain fork. An entry counts as written once its transaction is on the primary's
 * disk; entries that come at once share one. Lines whose answer was lost are sent again and known again. After a failure that lasts
 * the log goes on in a new chain, which names the last good entry of the one before. `verifyPostgresAuditLog` says whether anything
 * was changed.
 */
export class PostgresAuditLog extends ChainedAuditLog {
  /**
   * Sends nothing; the first entry does.
   * @throws InvalidInputError
   */
  constructor(options: PostgresAuditLogOptions) {
    const known = knownOptions(options, { pool: true, schema: true, timeout: true, secret: true, anchor: true });
    const { pool, schema = defaultAuditSchema, timeout = 4_000 } = known;
    super(known, rowsIn(checkedPool(pool), schema, checkedTimeout(timeout)));
  }

  /** Node's `util.inspect` shows nothing: a pool holds a password. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "PostgresAuditLog {}";
  }
}

function rowsIn(pool: PostgresPool, schema: string, timeout: number): ChainMedium {
  const { append } = auditStatements(schema);
  return {
    describe: (error) => (error instanceof StoreError ? error.message : "an unexpected failure"),
    async begin(chain) {
      return new ChainRows((first, lines) => {
        const values = [chain, String(first), lines.map(hexOfLine).join(",")];
        const bounds = { operation: "append", timeout, signal: undefined, failureOf: postgresFailure };
        return boundedStoreCall(bounds, (signal) => storeAll(pool, append, values, lines.length, signal));
      });
    },
  };
}

/** Sends lines until all are stored. */
async function storeAll(
  pool: PostgresPool,
  statement: string,
  values: string[],
  count: number,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      // Fewer where a lost statement was still under way, which the next attempt sees, or where the rows are others.
      if (countWritten(await runStatement(pool, statement, values, signal)) === count) return;
      if (attempt === maxAttempts) throw new Error("not the rows that were given");
    } catch (error) {
      if (signal.aborted || attempt === maxAttempts || !inDoubt.has(postgresFailure(error).kind)) throw error;
    }
  }
}

/** A chain as rows of the table. */
class ChainRows implements ChainPlace {
  readonly #store: (first: number, lines: readonly string[]) => Promise<void>;
  #stored = 0;

  constructor(store: (first: number, lines: readonly string[]) => Promise<void>) {
    this.#store = store;
  }

  get full(): boolean {
    return this.#stored >= longestChain;
  }

  async append(lines: readonly string[]): Promise<void> {
    await this.#store(this.#stored + 1, lines);
    this.#stored += lines.length;
  }

  async leave(): Promise<void> {
    // A first line without an event may be left: a writer has no right to remove it.
  }
}

function hexOfLine(line: string): string {
  return Buffer.from(line.replace(/\n$/, "")).toString("hex");
}
