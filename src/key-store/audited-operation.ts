import type { AuditedOperation, AuditResource } from "../audit/event.js";
import type { AuditTrail, AuditedBy } from "../audit/trail.js";
import { isName } from "../format/names.js";
import { defined } from "../util/defined.js";
import { member } from "../util/safe-cause.js";
import type { NotPermittedError } from "./administration.js";

/** Longest words of a caller about a call, in bytes of UTF-8. */
export const longestWords = { actor: 256, reason: 512 } as const;

/** A call of an administrator or operator, whose result the audit log tells of. */
export interface OperationToAudit {
  readonly operation: Exclude<
    AuditedOperation,
    | "decryptRecording"
    | "decryptFile"
    | "openRecording"
    | "salvageRecording"
    | "readMetadata"
    | "forgetPrivateKeys"
    | "status"
    | "keyPairs"
    | "keyUsage"
  >;
  readonly by: AuditedBy;
  /** What the call is told to do. */
  readonly data?: Readonly<Record<string, string | number | boolean>>;
}

interface Outcome {
  readonly resources?: readonly AuditResource[];
  readonly data?: Readonly<Record<string, string | number | boolean>>;
}

/**
 * Runs a call between two entries: an attempt, without which nothing is done where the log is required, and how it ended,
 * which can't undo what is done.
 * @throws `ERR_AUDIT_UNAVAILABLE` before anything is done; what the task throws
 */
export async function auditedOperation<T>(
  trail: AuditTrail,
  { operation, by: { actor, reason }, data }: OperationToAudit,
  task: () => Promise<T>,
): Promise<T> {
  const audit = trail.begin({ operation, ...defined({ actor, reason, data }) });
  await audit.attempt();
  let result: T;
  try {
    result = await task();
  } catch (error) {
    await audit.failed(error);
    throw error;
  }
  await audit.succeeded(outcomeOf(result));
  return result;
}

/** Writes that an administrator was refused. */
export async function refusedOperation(
  trail: AuditTrail,
  operation: AuditedOperation,
  options: unknown,
  error: NotPermittedError,
): Promise<void> {
  const by = typeof options === "object" && options !== null ? options : {};
  // Nobody has checked them yet.
  const word = (name: keyof typeof longestWords) => {
    const given = member(by, name);
    return typeof given === "string" && isName(given, longestWords[name]) ? given : undefined;
  };
  const call = { operation, ...defined({ actor: word("actor"), reason: word("reason") }) };
  await trail.begin({ ...call, data: { permission: error.permission } }).failed(error);
}

/** Facts of a result that the log tells: counts, verdicts and the pairs that it names. */
function outcomeOf(result: unknown): Outcome {
  const report = result as Readonly<Record<string, unknown>>;
  const data: Record<string, string | number | boolean> = {};
  for (const name of ["already", "ok", "rotated", "changed", "complete", "rewrapped", "done", "recordings"] as const) {
    const value = report[name];
    if (typeof value === "boolean" || typeof value === "number") data[name] = value;
  }
  for (const name of ["failed", "removed", "kept", "restored", "already", "unusable"] as const) {
    const value = report[name];
    if (Array.isArray(value)) data[name] = value.length;
  }
  return { data, resources: pairsOf(report) };
}

/** Most key pairs that one entry names. */
const mostPairs = 20;

function pairsOf(report: Readonly<Record<string, unknown>>): AuditResource[] {
  const lists = [report["removed"], report["restored"]].filter((list): list is unknown[] => Array.isArray(list));
  const named: unknown[] = [report, report["keyPair"], report["believed"], ...lists.flat()];
  const ids = named.map((pair) => (typeof pair === "object" && pair !== null ? member(pair, "keyPairId") : undefined));
  return ids
    .filter((id) => typeof id === "string")
    .slice(0, mostPairs)
    .map((uid) => ({ type: "key pair", uid }));
}
