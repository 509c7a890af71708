import { randomUUID } from "node:crypto";
import type { Clock } from "../clock.js";
import { errorCodeOf, RecordingKeyStoreError, type ErrorCode } from "../errors.js";
import type { EventName, EventSink, RecordingKeyStoreEvents } from "../events.js";
import { boundedCall, isDeadline } from "../util/abort.js";
import { defined } from "../util/defined.js";
import { typesOnly } from "../util/safe-cause.js";
import {
  auditEvent,
  isAuditedEvent,
  statusOfEvent,
  type AuditEvent,
  type AuditFacts,
  type AuditedEventName,
  type AuditedOperation,
  type AuditResource,
} from "./event.js";
import type { AuditSink } from "./sink.js";

/** Who does something, and why: the caller's words. */
export interface AuditedBy {
  readonly actor?: string | undefined;
  readonly reason?: string | undefined;
}

/** A call as the trail names it. */
export interface AuditedCall extends AuditedBy {
  readonly operation: AuditedOperation;
  readonly resources?: readonly AuditResource[];
  /** What the call was told to do, in short scalars. */
  readonly data?: Readonly<Record<string, string | number | boolean>>;
}

export interface AuditTrailOptions {
  readonly organizationId: string;
  readonly sink: AuditSink;
  readonly required: boolean;
  /** In ms. */
  readonly timeout: number;
  readonly clock: Clock;
  readonly emit: EventSink;
}

/** Most entries about happenings that wait for the sink; further ones are told as lost. */
const mostWaiting = 1_000;

/** Writes one organization's audit events. The only caller of the sink. */
export class AuditTrail {
  readonly #options: AuditTrailOptions;
  readonly #waiting = new Set<Promise<void>>();

  constructor(options: AuditTrailOptions) {
    this.#options = options;
  }

  /** One call's entries. */
  begin(call: AuditedCall): CallAudit {
    return new CallAudit(call, {
      attempt: (facts) => this.#mustAppend(facts),
      tell: (facts) => this.#tryAppend(facts),
      tellLater: (facts) => this.#appendLater(facts),
    });
  }

  /** Writes an event of the key store, if it is one that is audited. Nobody waits for it. */
  happened<N extends EventName>(name: N, event: RecordingKeyStoreEvents[N]): void {
    if (!isAuditedEvent(name)) return;
    this.#appendLater(factsOf(name, event));
  }

  /** Resolves when nothing waits for the sink. */
  async settled(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.all(this.#waiting);
  }

  /** @throws `ERR_AUDIT_UNAVAILABLE` where the log is required */
  async #mustAppend(facts: CallFacts): Promise<void> {
    const failure = await this.#append(facts);
    if (failure && this.#options.required) throw failure;
  }

  async #tryAppend(facts: CallFacts): Promise<void> {
    await this.#append(facts);
  }

  #appendLater(facts: CallFacts): void {
    if (this.#waiting.size >= mostWaiting) {
      this.#failed(unavailable(`${mostWaiting} entries wait for the sink`));
      return;
    }
    const writing = this.#append(facts).then(() => void this.#waiting.delete(writing));
    this.#waiting.add(writing);
  }

  /** @returns why the event is not known to be written */
  async #append(facts: CallFacts): Promise<RecordingKeyStoreError | undefined> {
    const { organizationId, sink, timeout, clock } = this.#options;
    const event: AuditEvent = auditEvent({ ...facts, organizationId, time: clock.now() });
    try {
      await boundedCall(async () => sink.append(event), { deadline: timeout });
      return undefined;
    } catch (error) {
      const why = isDeadline(error) ? `no answer within ${timeout} ms` : "it failed";
      return this.#failed(unavailable(why, typesOnly(error)));
    }
  }

  #failed(error: RecordingKeyStoreError): RecordingKeyStoreError {
    this.#options.emit("auditFailed", { error });
    return error;
  }
}

type CallFacts = Omit<AuditFacts, "organizationId" | "time">;

interface Writers {
  readonly attempt: (facts: CallFacts) => Promise<void>;
  readonly tell: (facts: CallFacts) => Promise<void>;
  readonly tellLater: (facts: CallFacts) => void;
}

/** The entries of one call. */
export class CallAudit {
  readonly #call: AuditedCall;
  readonly #write: Writers;
  readonly #callId = randomUUID();

  constructor(call: AuditedCall, write: Writers) {
    this.#call = call;
    this.#write = write;
  }

  /** Before something is changed. @throws `ERR_AUDIT_UNAVAILABLE` where the log is required */
  attempt(): Promise<void> {
    return this.#write.attempt(this.#facts("Attempt"));
  }

  /** A recording's key is open, and nothing of the recording is released yet. @throws as {@link CallAudit.attempt} */
  opened(keyPairId: string): Promise<void> {
    return this.#write.attempt(this.#facts("Success", { resources: [{ type: "key pair", uid: keyPairId }] }));
  }

  /** What was attempted is done, and can't be undone for want of an entry. */
  succeeded(more: Pick<AuditedCall, "resources" | "data"> = {}): Promise<void> {
    return this.#write.tell(this.#facts("Success", more));
  }

  failed(error: unknown): Promise<void> {
    return this.#write.tell({ ...this.#facts("Failure"), code: codeOf(error) });
  }

  /** A recording that was opened failed while it was read. */
  failedLater(error: unknown): void {
    this.#write.tellLater({ ...this.#facts("Failure"), code: codeOf(error) });
  }

  /** For what nobody waits for. */
  succeededLater(): void {
    this.#write.tellLater(this.#facts("Success"));
  }

  #facts(status: AuditFacts["status"], more: Pick<AuditedCall, "resources" | "data"> = {}): CallFacts {
    const { operation, actor, reason, resources = [], data = {} } = this.#call;
    return {
      operation,
      status,
      callId: this.#callId,
      actor,
      data: { ...defined({ reason }), ...data, ...more.data },
      resources: [...resources, ...(more.resources ?? [])],
    };
  }
}

function factsOf<N extends AuditedEventName>(name: N, event: RecordingKeyStoreEvents[N]): CallFacts {
  const { keyPairId, kmsKeyArn, sequence, error, since, days } = event as Partial<
    Record<"keyPairId" | "kmsKeyArn", string> & Record<"sequence" | "since" | "days", number> & Record<"error", unknown>
  >;
  return {
    operation: name,
    status: statusOfEvent(name),
    callId: randomUUID(),
    code: error === undefined ? undefined : codeOf(error),
    data: defined({ sequence, since, days }),
    resources: [
      ...(keyPairId === undefined ? [] : [{ type: "key pair" as const, uid: keyPairId }]),
      ...(kmsKeyArn === undefined ? [] : [{ type: "KMS key" as const, uid: kmsKeyArn }]),
    ],
  };
}

function codeOf(error: unknown): ErrorCode | "OTHER" {
  return errorCodeOf(error) ?? "OTHER";
}

function unavailable(why: string, cause?: unknown): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_AUDIT_UNAVAILABLE", `the audit log did not take an entry: ${why}`, {
    retryable: true,
    ...(cause === undefined ? {} : { cause }),
  });
}
