import { InvalidInputError } from "../../errors.js";
import { grantStatements } from "../../stores/postgres/grants.js";
import type { MigrateOptions, PostgresSchemaOptions } from "../../stores/postgres/migration.js";
import { quotedName, quotedRole } from "../../stores/postgres/names.js";
import type { PostgresPool } from "../../stores/postgres/pool.js";
import { runMigration, schemaStatement } from "../../stores/postgres/schema-statement.js";
import { knownOptions } from "../../util/check-input.js";

/** A schema of its own, so that the roles of the key pairs have no right to the log, and its roles none to them. */
export const defaultAuditSchema = "recording_keystore_audit";

const rights = { writer: ["SELECT, INSERT ON entries"], reader: ["SELECT ON entries"] } as const;

/**
 * What a process does with the log: a `writer` adds entries, a `reader` verifies. Neither changes or removes one; only whoever owns
 * the table can.
 */
export type PostgresAuditRole = keyof typeof rights;

/** Options of {@link postgresAuditGrants}. */
export interface PostgresAuditGrantsOptions {
  /** What the process does. */
  readonly role: PostgresAuditRole;
  /** Name of the database role with which the process connects. It is quoted: upper and lower case count. */
  readonly grantee: string;
  /** Default `recording_keystore_audit`. */
  readonly schema?: string | undefined;
}

/**
 * The log's schema as one SQL statement, for those who use a migration tool of their own. It may run any number of times, also at
 * once.
 * @param options - `schema` is `recording_keystore_audit` by default
 * @throws InvalidInputError for a name that PostgreSQL would not keep as it is
 */
export function postgresAuditSchema(options: PostgresSchemaOptions = {}): string {
  const { schema = defaultAuditSchema } = knownOptions(options, { schema: true });
  const place = quotedName("schema", schema);
  return schemaStatement(place, [
    `
    CREATE TABLE ${place}.entries (
      chain uuid NOT NULL,
      number bigint NOT NULL CHECK (number BETWEEN 1 AND 9007199254740991),
      line bytea NOT NULL CHECK (octet_length(line) BETWEEN 1 AND 65536),
      written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (chain, number)
    );`,
  ]);
}

/**
 * Makes the log's schema: {@link postgresAuditSchema}. For deployment, not for every start of a worker. Whoever runs it owns the
 * table, and alone can change or remove entries, which a verification then shows; {@link postgresAuditGrants} gives the others
 * their rights.
 * @throws StoreError `ERR_STORE_UNAVAILABLE`; RecordingKeyStoreError `ERR_FORMAT_TOO_NEW` where a newer version made the schema;
 * InvalidInputError
 */
export async function migrateAuditLog(pool: PostgresPool, options: MigrateOptions = {}): Promise<void> {
  const known = knownOptions(options, { schema: true, timeout: true, signal: true });
  await runMigration(pool, postgresAuditSchema({ schema: known.schema }), known);
}

/**
 * SQL statements that give a database role exactly the rights of a writer or a reader: what it had in the schema before is revoked.
 * For whoever owns the schema to run, after `migrateAuditLog`.
 * @throws InvalidInputError for another role, or for a name that PostgreSQL would not keep as it is
 */
export function postgresAuditGrants(options: PostgresAuditGrantsOptions): string {
  const known = knownOptions(options, { role: true, grantee: true, schema: true });
  const { role, grantee, schema = defaultAuditSchema } = known;
  if (!Object.hasOwn(rights, role))
    throw new InvalidInputError("role", `must be one of ${Object.keys(rights).join(", ")}`, role);
  return grantStatements(quotedName("schema", schema), quotedRole("grantee", grantee), rights[role]);
}
