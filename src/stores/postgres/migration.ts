import { knownOptions } from "../../util/check-input.js";
import { defaultSchema, quotedName } from "./names.js";
import type { PostgresPool } from "./pool.js";
import { runMigration, schemaStatement } from "./schema-statement.js";

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

/**
 * The schema as one SQL statement, for those who use a migration tool of their own. It may run any number of times, also at
 * once: each run waits for the one before, and brings what it finds to this version. Later versions only ever add, so that
 * workers of the version before go on.
 * @throws InvalidInputError for a name that PostgreSQL would not keep as it is
 */
export function postgresSchema(options: PostgresSchemaOptions = {}): string {
  const { schema = defaultSchema } = knownOptions(options, { schema: true });
  const place = quotedName("schema", schema);
  return schemaStatement(place, [
    `
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
`,
    `
    CREATE TABLE ${place}.head_changes (
      number bigint PRIMARY KEY CHECK (number BETWEEN 1 AND 9007199254740990),
      mark text COLLATE "C" NOT NULL CHECK (mark ~ '^[A-Za-z0-9_-]{22}$'),
      organizations bytea NOT NULL CHECK (octet_length(organizations) <= 131072)
    );
`,
  ]);
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
  await runMigration(pool, postgresSchema({ schema: known.schema }), known);
}
