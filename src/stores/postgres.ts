export { postgresGrants, type PostgresGrantsOptions, type PostgresRole } from "./postgres/grants.js";
export { migrate, postgresSchema, type MigrateOptions, type PostgresSchemaOptions } from "./postgres/migration.js";
export type { PostgresPool } from "./postgres/pool.js";
export { PostgresKeyPairStore, type PostgresKeyPairStoreOptions } from "./postgres/postgres-key-pair-store.js";
