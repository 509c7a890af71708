import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { auditEvent, type AuditEvent, type AuditFacts } from "../../src/audit/event.js";

export const secret = Buffer.alloc(32, 7);

/** An event of an opening. */
export function opening(recordingId: string, more: Partial<AuditFacts> = {}): AuditEvent {
  return auditEvent({
    organizationId: "org-1",
    time: Date.UTC(2026, 0, 1),
    operation: "decryptRecording",
    status: "Success",
    callId: "call",
    actor: "agent-7",
    data: { reason: "complaint 12" },
    resources: [{ type: "recording", uid: recordingId, name: "main" }],
    ...more,
  });
}

/** Paths of the log's files. */
export async function filesOf(directory: string): Promise<string[]> {
  return (await readdir(directory)).sort().map((name) => join(directory, name));
}

/** Lines of a file, each with its line feed. */
export async function linesOf(file: string): Promise<string[]> {
  return (await readFile(file, "utf8")).split(/(?<=\n)/);
}
