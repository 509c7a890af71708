import { InvalidInputError } from "../../errors.js";
import { knownOptions } from "../../util/check-input.js";
import { defaultSchema, quotedName, quotedRole } from "./names.js";

const rights = {
  worker: [
    "SELECT, INSERT ON heads, head_changes, key_pairs, wrappings, statuses",
    "UPDATE (revision, document) ON heads",
    "UPDATE (document) ON statuses",
  ],
  "encrypt-only": ["SELECT ON heads, head_changes, key_pairs, statuses", "INSERT, UPDATE (document) ON statuses"],
  "orphan-job": [
    "SELECT ON heads, head_changes, key_pairs, wrappings, statuses",
    "INSERT, UPDATE (document) ON statuses",
    "INSERT ON wrappings",
    "DELETE ON key_pairs, wrappings",
  ],
} as const;

/**
 * What a process does with the store:
 * - `worker`: everything but removing key pairs.
 * - `encrypt-only`: encrypts, confirms and shows `status()` and `keyPairs()`; changes nothing but the status item, and can't read
 *   the private halves that were wrapped later under other KMS keys.
 * - `orphan-job`: calls `removeOrphanedKeyPairs()`, and alone may remove.
 *
 * No role may change a key pair or a wrapping.
 */
export type PostgresRole = keyof typeof rights;

/** Options of {@link postgresGrants}. */
export interface PostgresGrantsOptions {
  /** What the process does. */
  readonly role: PostgresRole;
  /** Name of the database role with which the process connects. It is quoted: upper and lower case count. */
  readonly grantee: string;
  /** Default `recording_keystore`. */
  readonly schema?: string | undefined;
}

/**
 * SQL statements that give a database role exactly the rights of one of three roles: what it had in the schema before is
 * revoked. For whoever owns the schema to run, after `migrate`. One database role for each: they take rights from each other.
 * @throws InvalidInputError for another role, or for a name that PostgreSQL would not keep as it is
 */
export function postgresGrants(options: PostgresGrantsOptions): string {
  const { role, grantee, schema = defaultSchema } = knownOptions(options, { role: true, grantee: true, schema: true });
  if (!Object.hasOwn(rights, role))
    throw new InvalidInputError("role", `must be one of ${Object.keys(rights).join(", ")}`, role);
  return grantStatements(quotedName("schema", schema), quotedRole("grantee", grantee), rights[role]);
}

/**
 * Statements that leave a database role the given rights in a schema, and no others.
 * @param rights - each as `INSERT ON table, table`
 */
export function grantStatements(place: string, to: string, rights: readonly string[]): string {
  const statements = [
    `REVOKE ALL ON ALL TABLES IN SCHEMA ${place} FROM ${to}`,
    `REVOKE ALL ON SCHEMA ${place} FROM ${to}`,
    `GRANT USAGE ON SCHEMA ${place} TO ${to}`,
    `GRANT SELECT ON ${place}.schema_version TO ${to}`,
    ...rights.map((right) => {
      const [what, tables = ""] = right.split(" ON ");
      const places = tables.split(", ").map((table) => `${place}.${table}`);
      return `GRANT ${what} ON ${places.join(", ")} TO ${to}`;
    }),
  ];
  return statements.map((statement) => `${statement};\n`).join("");
}
