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
export { FileAuditLog, type FileAuditLogOptions, type FileAuditLogStatus } from "./file-audit-log.js";
export type { AuditSink } from "./sink.js";
export {
  verifyAuditLog,
  type AuditLogFile,
  type AuditLogProblem,
  type AuditLogReport,
  type VerifyAuditLogOptions,
} from "./verify.js";
