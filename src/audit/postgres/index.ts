export { PostgresAuditLog, type PostgresAuditLogOptions } from "./postgres-audit-log.js";
export {
  migrateAuditLog,
  postgresAuditGrants,
  postgresAuditSchema,
  type PostgresAuditGrantsOptions,
  type PostgresAuditRole,
} from "./schema.js";
export { verifyPostgresAuditLog, type VerifyPostgresAuditLogOptions } from "./verify.js";
