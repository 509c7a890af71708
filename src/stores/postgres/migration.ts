import { RecordingKeyStoreError } from "../../errors.js";
import { knownOptions } from "../../util/check-input.js";
import { member } from "../../util/safe-cause.js";
import { boundedStoreCall } from "../store-call.js";
import { postgresFailure } from "./failures.js";
import { defaultSchema, quotedName, quotedText } from "./names.js";
import { checkedPool, checkedTimeout, runStatement, type PostgresPool } from "./pool.js";

/** Options of {@link postgresSchema}. */
export interface PostgresSchemaOptions {
  /** Default `recording_keystore`. */
  readonly schema?: string | undefined;
}

/** Options of {@link migrate}. */
export interface MigrateOptions extends PostgresSchemaOptions {
  /** Longest time, in ms, waiting for other migrations included. From 10 to 600,000, default 60,000. */
  readonly timeout?: number | undefined;
  /** Aborts, which then rejects with `signal.reason`. The schema may have been made or not. */
  readonly signal?: AbortSignal | undefined;
}

const version = 1;
/** SQLSTATE of a class that is left to programs. */
const tooNew = "RKS01";
/** Chosen at random, once: every migration of every version takes this lock. */
const lock = "4832918310276618527";

/**
 * The schema as one SQL statement, for those who use a migration tool of their own. It may run any number of times, also at
 * once: each run waits for the one before, and brings what it finds to this version. Later versions only ever add, so that
 * workers of the version before go on.
 * @throws InvalidInputError for a name that PostgreSQL would not keep as it is
 */
export function postgresSchema(options: PostgresSchemaOptions = {}): string {
  const { schema = defaultSchema } = knownOptions(options, { schema: true });
  const place = quotedName("schema", schema);
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
    INSERT INTO ${place}.schema_version VALUES (1);
    CREATE TABLE ${place}.heads (
      organization_id bytea PRIMARY KEY CHECK (octet_length(organization_id) BETWEEN 1 AND 512),
      revision uuid NOT NULL,
      document bytea NOT NULL CHECK (octet_length(document) <= 65536)
    );
    CREATE TABLE ${place}.key_pairs (
      organization_id bytea NOT NULL CHECK (octet_length(organization_id) BETWEEN 1 AND 512),
      key_pair_id text COLLATE "C" NOT NULL CHECK (key_pair_id ~ '^[A-Za-z0-9_-]{1,64}$'),
      sequence bigint NOT NULL CHECK (sequence BETWEEN 1 AND 9007199254740991),
      document bytea NOT NULL CHECK (octet_length(document) <= 65536),
      PRIMARY KEY (organization_id, key_pair_id)
    );
    CREATE INDEX key_pairs_by_sequence ON ${place}.key_pairs (organization_id, sequence DESC, key_pair_id);
    CREATE TABLE ${place}.wrappings (
      organization_id bytea NOT NULL CHECK (octet_length(organization_id) BETWEEN 1 AND 512),
      key_pair_id text COLLATE "C" NOT NULL CHECK (key_pair_id ~ '^[A-Za-z0-9_-]{1,64}$'),
      wrapping_id text COLLATE "C" NOT NULL CHECK (wrapping_id ~ '^[A-Za-z0-9_-]{1,64}$'),
      document bytea NOT NULL CHECK (octet_length(document) <= 65536),
      PRIMARY KEY (organization_id, key_pair_id, wrapping_id)
    );
    CREATE TABLE ${place}.statuses (
      organization_id bytea PRIMARY KEY CHECK (octet_length(organization_id) BETWEEN 1 AND 512),
      document bytea NOT NULL CHECK (octet_length(document) <= 65536)
    );
  END IF;
END
`;
  // One statement, not a script: drivers of the extended protocol take no other, and it is a transaction of its own anyway.
  let quote = "$migration$";
  while (body.includes(quote)) quote = quote.replace("n", "nn");
  return `DO ${quote}${body}${quote};\n`;
}

/**
 * Makes the schema, or brings it to this version: {@link postgresSchema}. For deployment, not for every start of a worker. It
 * needs the right to create a schema in the database, or in a schema that is there the right to create tables, and none if
 * nothing is to do. Whoever runs it owns the tables; {@link postgresGrants} gives the workers their rights.
 * @throws StoreError `ERR_STORE_UNAVAILABLE`; RecordingKeyStoreError `ERR_FORMAT_TOO_NEW` where a newer version made the schema;
 * InvalidInputError
 */
export async function migrate(pool: PostgresPool, options: MigrateOptions = {}): Promise<void> {
  const known = knownOptions(options, { schema: true, timeout: true, signal: true });
  const { schema, timeout = 60_000, signal } = known;
  const text = postgresSchema({ schema });
  checkedPool(pool);
  const bounds = { operation: "migrate", timeout: checkedTimeout(timeout), signal, failureOf: postgresFailure };
  await boundedStoreCall(bounds, async (inner) => {
    try {
      await runStatement(pool, text, undefined, inner);
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
