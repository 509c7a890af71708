import diagnosticsChannel from "node:diagnostics_channel";
import { InvalidInputError, type RecordingKeyStoreError } from "./errors.js";
import { callOthers } from "./util/call-others.js";
import { sanitizeCause, textOfThrown } from "./util/safe-cause.js";

/**
 * Events of a `RecordingKeyStore`, for watching it. No event carries plaintext, keys or a recording's name. Times are in ms
 * since the Unix epoch.
 */
export interface RecordingKeyStoreEvents {
  /** A new pair is active, made here or found in the store. */
  keyPairChanged: { keyPairId: string; sequence: number };
  /** KMS vouched for the active pair. */
  keyPairConfirmed: { keyPairId: string; sequence: number };
  /** A pair is used although KMS, which could not be asked, has not vouched for it on this host. */
  keyPairUnconfirmed: { keyPairId: string; sequence: number; error: RecordingKeyStoreError };
  /** The store names a pair that KMS disowns, or a head older than one seen before. Neither is used. */
  keyPairUntrusted: { error: RecordingKeyStoreError };
  /** Encryption goes on with the last known key. Emitted at the start (`days` 0) and after 1, 7 and 30 days. */
  lastKnownKeyInUse: { since: number; days: 0 | 1 | 7 | 30; error: RecordingKeyStoreError };
  /** The last known key is the current one again: KMS answers about it, and no change of key is overdue. */
  lastKnownKeyEnded: { since: number };
  /** The KMS key is disabled, pending deletion or gone: what is encrypted now may never open again. */
  keyAtRisk: { since: number; error: RecordingKeyStoreError };
  /**
   * The alias leads to another KMS key than that of the active pair, or KMS refuses it. Recordings stay with the active pair. Emitted
   * once for each KMS key; `kmsKeyArn` is missing where KMS did not name it.
   */
  aliasDrift: { kmsKeyAliasArn: string; kmsKeyArn?: string; since: number };
  /** The alias leads to the KMS key of the active pair again: it was pointed back, or the key was changed. */
  aliasDriftEnded: { since: number };
  /** A change of key, due or asked for, has failed. The active pair stays in use. */
  keyChangeFailed: { error: RecordingKeyStoreError };
  /** The audit log did not take an entry (`ERR_AUDIT_UNAVAILABLE`). */
  auditFailed: { error: RecordingKeyStoreError };
}

export type EventName = keyof RecordingKeyStoreEvents;

export const eventNames = Object.keys({
  keyPairChanged: 0,
  keyPairConfirmed: 0,
  keyPairUnconfirmed: 0,
  keyPairUntrusted: 0,
  lastKnownKeyInUse: 0,
  lastKnownKeyEnded: 0,
  keyAtRisk: 0,
  aliasDrift: 0,
  aliasDriftEnded: 0,
  keyChangeFailed: 0,
  auditFailed: 0,
} satisfies Record<EventName, 0>) as readonly EventName[];

export type EventListener<N extends EventName> = (event: RecordingKeyStoreEvents[N]) => void;
export type EventSink = <N extends EventName>(name: N, event: RecordingKeyStoreEvents[N]) => void;

/**
 * Name of the `node:diagnostics_channel` that publishes every event as `{ organizationId, name, event }`. What a subscriber
 * throws disturbs no recording; Node itself takes it for an uncaught exception, as it does on every channel.
 */
export const diagnosticsChannelName = "recording-keystore:event";

const channel = diagnosticsChannel.channel(diagnosticsChannelName);

/** Typed listeners. What one throws becomes a process warning, and disturbs neither encryption nor other listeners. */
export class Listeners<Events extends { [N in EventName]: unknown }> {
  readonly #listeners = new Map<EventName, Set<(event: never) => void>>();

  get hasAny(): boolean {
    for (const { size } of this.#listeners.values()) if (size > 0) return true;
    return false;
  }

  /**
   * @returns a function that removes the listener
   * @throws InvalidInputError for an event that there is not, or no function
   */
  on<N extends EventName>(name: N, listener: (event: Events[N]) => void): () => void {
    if (!eventNames.includes(name))
      throw new InvalidInputError("name", `must be one of ${eventNames.join(", ")}`, name);
    if (typeof listener !== "function") throw new InvalidInputError("listener", "must be a function", listener);
    let listeners = this.#listeners.get(name);
    if (!listeners) this.#listeners.set(name, (listeners = new Set()));
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  emit<N extends EventName>(name: N, event: Events[N]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      callOthers(() => (listener as (event: unknown) => unknown)(event), warnOf);
    }
  }
}

/** Tells of a listener that fails. Node shows what it is given, and so must not be given an object of unknown make. */
export function warnOf(error: unknown): void {
  process.emitWarning(sanitizeCause(error) ?? new Error(textOfThrown(error)));
}

/** Delivers the events of a key store to its own listeners, to its registry if it has one, and to the channel. */
export class EventHub {
  readonly #organizationId: string;
  readonly #next: EventSink | undefined;
  readonly listeners = new Listeners<RecordingKeyStoreEvents>();

  constructor(organizationId: string, next?: EventSink) {
    this.#organizationId = organizationId;
    this.#next = next;
  }

  readonly emit: EventSink = (name, event) => {
    this.listeners.emit(name, event);
    this.#next?.(name, event);
    if (channel.hasSubscribers) channel.publish({ organizationId: this.#organizationId, name, event });
  };
}
