import type { AuditEvent } from "./event.js";

/**
 * Where audit events go. Implement it for a log service or a queue; `FileAuditLog` and `PostgresAuditLog` are two.
 *
 * Contract: `append` resolves once the event is safe, and rejects where it is not known to be. Each call is bounded by
 * `auditTimeout`. Events may come from many calls at once, and each is complete in itself.
 */
export interface AuditSink {
  append(event: AuditEvent): Promise<void>;
}
