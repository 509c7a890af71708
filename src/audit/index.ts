export type { AuditAnchorOptions } from "./anchoring.js";
export type { ChainHead as AuditLogHead } from "./chain.js";
export { auditAnchorsFromCloudTrail } from "./cloudtrail.js";
export type {
  AuditActivity,
  AuditedEventName,
  AuditedOperation,
  AuditEvent,
  AuditResource,
  AuditStatus,
} from "./event.js";
export type { AuditLogStatus } from "./chained-audit-log.js";
export { FileAuditLog, type FileAuditLogOptions } from "./file-audit-log.js";
export type { PostgresPool } from "../stores/postgres/pool.js";
export {
  migrateAuditLog,
  PostgresAuditLog,
  postgresAuditGrants,
  postgresAuditSchema,
  verifyPostgresAuditLog,
  type PostgresAuditGrantsOptions,
  type PostgresAuditLogOptions,
  type PostgresAuditRole,
  type VerifyPostgresAuditLogOptions,
} from "./postgres/index.js";
export type { AuditSink } from "./sink.js";
export type { AuditLogFile, AuditLogProblem, AuditLogReport } from "./verification.js";
export { verifyAuditLog, type VerifyAuditLogOptions } from "./verify.js";
