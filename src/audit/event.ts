import { randomUUID } from "node:crypto";
import type { ErrorCode } from "../errors.js";
import type { EventName } from "../events.js";
import { defined } from "../util/defined.js";

/**
 * Calls that are audited: whatever opens a recording, and what administrators and operators do. `status`, `keyPairs` and `keyUsage` only
 * where an administrator without the permission is refused.
 */
export type AuditedOperation =
  | "decryptRecording"
  | "decryptFile"
  | "openRecording"
  | "salvageRecording"
  | "readMetadata"
  | "test"
  | "configure"
  | "rotate"
  | "rotateIfDue"
  | "rewrapKeyPairs"
  | "restoreKeyPairs"
  | "removeOrphanedKeyPairs"
  | "acceptRestoredStore"
  | "replaceUntrustedHead"
  | "forgetPrivateKeys"
  | "status"
  | "keyPairs"
  | "keyUsage";

/** `Attempt` is written before a call that changes something; `Success` of an opening, before a byte of the recording is released. */
export type AuditStatus = "Attempt" | "Success" | "Failure";

/** OCSF's activities of an API call. */
export type AuditActivity = "Create" | "Read" | "Update" | "Delete" | "Other";

const activityIds: Readonly<Record<AuditActivity, number>> = { Create: 1, Read: 2, Update: 3, Delete: 4, Other: 99 };

const activityOf = {
  decryptRecording: "Read",
  decryptFile: "Read",
  openRecording: "Read",
  salvageRecording: "Read",
  readMetadata: "Read",
  test: "Other",
  configure: "Update",
  rotate: "Create",
  rotateIfDue: "Create",
  rewrapKeyPairs: "Update",
  restoreKeyPairs: "Create",
  removeOrphanedKeyPairs: "Delete",
  acceptRestoredStore: "Update",
  replaceUntrustedHead: "Update",
  forgetPrivateKeys: "Other",
  status: "Read",
  keyPairs: "Read",
  keyUsage: "Read",
} as const satisfies Record<AuditedOperation, AuditActivity>;

/** Events of a key store that are audited. */
export type AuditedEventName = Exclude<EventName, "keyPairConfirmed" | "auditFailed">;

/** How each is told, and how grave it is by OCSF (1 informational, 3 medium, 4 high). */
const auditedEvents = {
  keyPairChanged: { activity: "Create", severity: 1, status: "Success" },
  keyPairUnconfirmed: { activity: "Other", severity: 3, status: "Failure" },
  keyPairUntrusted: { activity: "Other", severity: 4, status: "Failure" },
  lastKnownKeyInUse: { activity: "Other", severity: 3, status: "Failure" },
  lastKnownKeyEnded: { activity: "Other", severity: 1, status: "Success" },
  keyAtRisk: { activity: "Other", severity: 4, status: "Failure" },
  aliasDrift: { activity: "Other", severity: 3, status: "Success" },
  aliasDriftEnded: { activity: "Other", severity: 1, status: "Success" },
  keyChangeFailed: { activity: "Create", severity: 3, status: "Failure" },
} as const satisfies Record<AuditedEventName, object>;

export function isAuditedEvent(name: EventName): name is AuditedEventName {
  return Object.hasOwn(auditedEvents, name);
}

/** A thing that a call was about. */
export interface AuditResource {
  readonly type: "recording" | "key pair" | "KMS key";
  readonly uid: string;
  /** Of a recording, its asset. */
  readonly name?: string;
}

/**
 * One entry of the audit log: an API Activity of OCSF (class 6003). Holds names, ids and codes; no content, no key, no message of
 * another party. Its size is at most some 8 KiB.
 */
export interface AuditEvent {
  readonly class_uid: 6003;
  readonly category_uid: 6;
  readonly activity_id: number;
  readonly activity_name: AuditActivity;
  /** 600300 and the activity. */
  readonly type_uid: number;
  /** In ms since the Unix epoch. */
  readonly time: number;
  readonly severity_id: 1 | 3 | 4;
  /** 1 success, 2 failure, 99 attempt. */
  readonly status_id: 1 | 2 | 99;
  readonly status: AuditStatus;
  /** Code of the library's error; `OTHER` for an error of another party, an abort included. */
  readonly status_code?: ErrorCode | "OTHER";
  /** `user.uid` is the caller's `actor`. */
  readonly actor: { readonly user?: { readonly uid: string }; readonly app_name: "recording-keystore" };
  readonly api: {
    /** Method of the key store, or name of its event. */
    readonly operation: string;
    readonly service: { readonly name: "recording-keystore" };
    readonly request: {
      /** The same for all entries of one call. */
      readonly uid: string;
      /** The caller's `reason`, and what the call was told to do. */
      readonly data?: Readonly<Record<string, string | number | boolean>>;
    };
  };
  readonly resources?: readonly AuditResource[];
  /** The process, by a random id of its own. */
  readonly src_endpoint: { readonly svc_name: "recording-keystore"; readonly instance_uid: string };
  readonly metadata: {
    readonly version: "1.3.0";
    readonly product: { readonly name: "recording-keystore"; readonly vendor_name: "recording-keystore" };
    readonly uid: string;
    /** The organization's id. */
    readonly tenant_uid: string;
  };
}

/** What an entry says, besides who writes it. */
export interface AuditFacts {
  readonly organizationId: string;
  readonly time: number;
  readonly operation: AuditedOperation | AuditedEventName;
  readonly status: AuditStatus;
  readonly callId: string;
  readonly code?: ErrorCode | "OTHER" | undefined;
  readonly actor?: string | undefined;
  readonly data?: Readonly<Record<string, string | number | boolean>> | undefined;
  readonly resources?: readonly AuditResource[] | undefined;
}

const instanceId = randomUUID();
const statusIds = { Success: 1, Failure: 2, Attempt: 99 } as const;

export function auditEvent(facts: AuditFacts): AuditEvent {
  const { organizationId, time, operation, status, callId, code, actor, data, resources } = facts;
  const happening = Object.hasOwn(auditedEvents, operation) ? auditedEvents[operation as AuditedEventName] : undefined;
  const activity = happening?.activity ?? activityOf[operation as AuditedOperation];
  return {
    class_uid: 6003,
    category_uid: 6,
    activity_id: activityIds[activity],
    activity_name: activity,
    type_uid: 600_300 + activityIds[activity],
    time,
    severity_id: happening?.severity ?? (status === "Failure" ? 3 : 1),
    status_id: statusIds[status],
    status,
    ...defined({ status_code: code }),
    actor: { ...defined({ user: actor === undefined ? undefined : { uid: actor } }), app_name: "recording-keystore" },
    api: {
      operation,
      service: { name: "recording-keystore" },
      request: { uid: callId, ...defined({ data: data && Object.keys(data).length > 0 ? data : undefined }) },
    },
    ...defined({ resources: resources && resources.length > 0 ? resources : undefined }),
    src_endpoint: { svc_name: "recording-keystore", instance_uid: instanceId },
    metadata: {
      version: "1.3.0",
      product: { name: "recording-keystore", vendor_name: "recording-keystore" },
      uid: randomUUID(),
      tenant_uid: organizationId,
    },
  };
}

export function statusOfEvent(name: AuditedEventName): AuditStatus {
  return auditedEvents[name].status;
}
