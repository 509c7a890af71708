import { RecordingKeyStoreError } from "../../errors.js";
import { member } from "../../util/safe-cause.js";
import { boundedStoreCall } from "../store-call.js";
import { postgresFailure } from "./failures.js";
import { quotedText } from "./names.js";
import { checkedPool, checkedTimeout, runStatement, type PostgresPool } from "./pool.js";

/** SQLSTATE of a class that is left to programs. */
const tooNew = "RKS01";
/** Chosen at random, once: every migration of every version takes this lock. */
const lock = "4832918310276618527";

/**
 * One statement that makes a schema, any number of times and also at once.
 * @param place - name of the schema, quoted
 * @param steps - statements that make what version 1 holds, what version 2 adds to it, and so on
 */
export function schemaStatement(place: string, steps: readonly [string, ...string[]]): string {
  const version = steps.length;
  const [tables, ...later] = steps;
  const additions = later.map(
    (statements, index) => `
  IF installed < ${index + 2} THEN
    INSERT INTO ${place}.schema_version VALUES (${index + 2});${statements.trimEnd()}
  END IF;`,
  );
  const body = `
DECLARE
  installed integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(${lock});
  IF to_regclass(${quotedText(`${place}.schema_version`)}) IS NOT NULL THEN
    SELECT max(version) INTO installed FROM ${place}.schema_version;
    IF installed IS NULL THEN
      -- Under REPEATABLE READ what was made while this one waited is not seen yet.
      RAISE EXCEPTION 'another migration has come first; run it again' USING ERRCODE = 'serialization_failure';
    END IF;
  END IF;
  IF installed > ${version} THEN
    RAISE EXCEPTION 'the schema was made by a newer version of recording-keystore' USING ERRCODE = '${tooNew}';
  END IF;
  IF installed < 1 THEN
    -- Not CREATE SCHEMA IF NOT EXISTS, for which one needs rights to the database also where the schema exists.
    IF to_regnamespace(${quotedText(place)}) IS NULL THEN
      CREATE SCHEMA ${place};
    END IF;
    CREATE TABLE ${place}.schema_version (version integer NOT NULL);
    INSERT INTO ${place}.schema_version VALUES (1);${tables.trimEnd()}
  END IF;${additions.join("")}
END
`;
  // One statement, not a script: drivers of the extended protocol take no other, and it is a transaction of its own anyway.
  let quote = "$migration$";
  while (body.includes(quote)) quote = quote.replace("n", "nn");
  return `DO ${quote}${body}${quote};\n`;
}

/** @throws StoreError; RecordingKeyStoreError `ERR_FORMAT_TOO_NEW` where a newer version made the schema; InvalidInputError */
export async function runMigration(
  pool: PostgresPool,
  statement: string,
  { timeout = 60_000, signal }: { readonly timeout?: number | undefined; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  checkedPool(pool);
  const bounds = { operation: "migrate", timeout: checkedTimeout(timeout), signal, failureOf: postgresFailure };
  await boundedStoreCall(bounds, async (inner) => {
    try {
      await runStatement(pool, statement, undefined, inner);
    } catch (error) {
      if (!isTooNew(error)) throw error;
      throw new RecordingKeyStoreError(
        "ERR_FORMAT_TOO_NEW",
        "the schema was made by a newer version of recording-keystore; run a version that is as new",
      );
    }
  });
}

function isTooNew(error: unknown): boolean {
  return typeof error === "object" && error !== null && member(error, "code") === tooNew;
}
