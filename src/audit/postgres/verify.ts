import { storedRows, type Row } from "../../stores/postgres/answers.js";
import { postgresFailure } from "../../stores/postgres/failures.js";
import { checkedPool, checkedTimeout, runStatement, type PostgresPool } from "../../stores/postgres/pool.js";
import { boundedStoreCall } from "../../stores/store-call.js";
import { knownOptions } from "../../util/check-input.js";
import { Verification, type AuditLogReport, type ReadChain, type VerificationOptions } from "../verification.js";
import { defaultAuditSchema } from "./schema.js";
import { auditStatements } from "./statements.js";

/** What {@link verifyPostgresAuditLog} is given. */
export interface VerifyPostgresAuditLogOptions extends VerificationOptions {
  /** Where to send statements. It must reach the primary: a replica may not have the newest entries yet. */
  readonly pool: PostgresPool;
  /** Schema of the log. Default `recording_keystore_audit`. */
  readonly schema?: string | undefined;
  /** Longest time of reading a page of rows, in ms. From 10 to 600,000, default 30,000. */
  readonly timeout?: number | undefined;
}

/** Rows read at once: at most 8 MiB. */
const pageSize = 64;

/**
 * Reads a log of a `PostgresAuditLog` as `verifyAuditLog` reads a folder. In its report a `file` is a chain, by its id, and a `line` the
 * `number` of a row.
 * @throws InvalidInputError; StoreError; RecordingKeyStoreError `ERR_STORE_CORRUPT` for rows that the schema does not allow
 */
export async function verifyPostgresAuditLog(options: VerifyPostgresAuditLogOptions): Promise<AuditLogReport> {
  const known = knownOptions(options, {
    pool: true,
    schema: true,
    timeout: true,
    secret: true,
    anchors: true,
    onEvent: true,
  });
  const { pool, schema = defaultAuditSchema, timeout = 30_000 } = known;
  const read = pagesOf(checkedPool(pool), schema, checkedTimeout(timeout));
  const verification = new Verification(known, (chain) => chain);
  let [id, chain]: [string, ReadChain | undefined] = ["", undefined];
  for await (const row of read) {
    if (!chain || row.id() !== id) {
      id = row.id();
      chain = verification.chain(id);
    }
    if (chain.problem) continue;
    if (row.sequence("an audit entry") === chain.entries + 1)
      await chain.line(Buffer.from(row.document("an audit entry")));
    else chain.alteredHere();
  }
  return verification.report();
}

/** All rows, chain by chain and in order. */
async function* pagesOf(pool: PostgresPool, schema: string, timeout: number): AsyncGenerator<Row> {
  const { readFirst, readBehind } = auditStatements(schema);
  const bounds = { operation: "verify", timeout, signal: undefined, failureOf: postgresFailure };
  let last: Row | undefined;
  do {
    const values = [String(pageSize), ...(last ? [last.id(), String(last.sequence("an audit entry"))] : [])];
    const statement = last ? readBehind : readFirst;
    const before = last;
    const page = await boundedStoreCall(bounds, async (signal) => {
      const rows = storedRows(await runStatement(pool, statement, values, signal), "entries", "verify");
      checkAscending(rows, before);
      return rows;
    });
    yield* page;
    last = page.length < pageSize ? undefined : page.at(-1);
  } while (last);
}

/** What answers with the same rows again and again would never end. */
function checkAscending(rows: readonly Row[], before: Row | undefined): void {
  let last = before;
  for (const row of rows) {
    const isBehind =
      !last ||
      row.id() > last.id() ||
      (row.id() === last.id() && row.sequence("an audit entry") > last.sequence("an audit entry"));
    if (!isBehind) throw new TypeError("the rows of an answer do not ascend");
    last = row;
  }
}
