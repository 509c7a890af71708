import { knownElapsed, momentOf, type Clock, type Moment } from "../../clock.js";
import type { RecordingKeyStoreError } from "../../errors.js";
import type { EventSink } from "../../events.js";
import type { BirthRecord } from "../../format/birth-record.js";
import { KmsError } from "../../kms/kms-error.js";
import { isRotationDue } from "./schedule.js";

/** Why encryption goes on with the last known key, and since when. */
export interface Trouble {
  /** Time of the first failure, in ms since the Unix epoch. */
  readonly since: number;
  /** Time of the latest failure, in ms since the Unix epoch. */
  readonly at: number;
  readonly error: RecordingKeyStoreError;
  /** What has failed. */
  readonly task: "confirm" | "rotate" | "unwrap" | "read-store";
}

const dayMs = 86_400_000;
const reminderDays = [1, 7, 30] as const;
/** Failures after which recordings encrypted now may never open again. */
const fatalKinds = new Set(["key-disabled", "key-pending-deletion", "key-not-found"]);

/**
 * Health of the active pair, with KMS and the store. In trouble from the first failure of a task until the task succeeds, or
 * until KMS answers about the pair again ({@link KeyHealth.answered}).
 */
export class KeyHealth {
  readonly #clock: Clock;
  readonly #emit: EventSink;
  readonly #troubles = new Map<Trouble["task"], Trouble>();
  #reminded = 0;
  #started: Moment | undefined;
  #lastKmsError: { readonly at: number; readonly error: KmsError } | undefined;

  constructor(clock: Clock, emit: EventSink) {
    this.#clock = clock;
    this.#emit = emit;
  }

  /** The oldest trouble, if there is any. */
  get trouble(): Trouble | undefined {
    const [oldest] = this.#troubles.values(); // whatever the clock has done since
    return oldest;
  }

  isInTrouble(task: Trouble["task"]): boolean {
    return this.#troubles.has(task);
  }

  get lastKmsError(): { readonly at: number; readonly error: KmsError } | undefined {
    return this.#lastKmsError;
  }

  get keyAtRisk(): boolean {
    for (const { error } of this.#troubles.values())
      if (error instanceof KmsError && fatalKinds.has(error.kind)) return true;
    return false;
  }

  failed(task: Trouble["task"], error: RecordingKeyStoreError): void {
    const at = this.#clock.now();
    if (error instanceof KmsError) this.#lastKmsError = { at, error };
    const atRiskBefore = this.keyAtRisk;
    const since = this.#troubles.get(task)?.since ?? at;
    this.#troubles.set(task, { since, at, error, task });
    if (!this.#started) {
      this.#started = momentOf(this.#clock);
      this.#reminded = 0;
      this.#emit("lastKnownKeyInUse", { since: at, days: 0, error });
    }
    if (!atRiskBefore && this.keyAtRisk) this.#emit("keyAtRisk", { since: at, error });
  }

  succeeded(...tasks: Trouble["task"][]): void {
    for (const task of tasks) this.#troubles.delete(task);
    if (!this.#started || this.#troubles.size > 0) return;
    this.#emit("lastKnownKeyEnded", { since: this.#started.wall });
    this.#started = undefined;
  }

  /** Ends the troubles with KMS, which has just answered about the active pair. A due rotation stays a trouble. */
  answered(birth: BirthRecord): void {
    this.succeeded("confirm", "unwrap", ...(isRotationDue(birth, this.#clock.now()) ? [] : (["rotate"] as const)));
  }

  /** Emits the reminders that are due. Called on the way of an encryption, since there is no timer. */
  remind(): void {
    const started = this.#started;
    if (!started) return; // as nearly always
    const [trouble, days] = [this.trouble, reminderDays[this.#reminded]];
    if (!trouble || days === undefined || knownElapsed(started, this.#clock) < days * dayMs) return;
    this.#reminded += 1;
    this.#emit("lastKnownKeyInUse", { since: started.wall, days, error: trouble.error });
    this.remind();
  }
}
