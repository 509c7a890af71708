import { elapsedSince, hasPassed, momentOf, type Moment } from "../../clock.js";
import { RecordingKeyStoreError } from "../../errors.js";
import type { BirthRecord } from "../../format/birth-record.js";
import type { KeyPairReason, KeyStoreConfiguration } from "../../format/vocabulary.js";
import { KmsError } from "../../kms/kms-error.js";
import { defined } from "../../util/defined.js";
import type { KeyPairContext } from "../context.js";
import { isOutage, notConfigured } from "../failures.js";
import type { ClaimedKeyPair } from "../key-pair.js";
import { markNeverActive } from "../never-active.js";
import type { VouchedKeyPair } from "../trust.js";
import { newestVouched, type VouchingParts } from "../vouching.js";
import type { ActiveKeyPairs, RotationBase } from "./active-key-pair.js";
import { DueChangeTurn } from "./due-change-turn.js";
import { isDueForScheduler, isFromFuture, isRotationDue, nextRotation } from "./schedule.js";

export function configurationOf({ birth }: ClaimedKeyPair): KeyStoreConfiguration {
  const { kmsKeyAliasArn, periodicKeyChange, spec } = birth;
  return { kmsKeyAliasArn, periodicKeyChange, keyPairSpec: spec };
}

export function isSameConfiguration(one: KeyStoreConfiguration, other: KeyStoreConfiguration): boolean {
  return (
    one.kmsKeyAliasArn === other.kmsKeyAliasArn &&
    one.periodicKeyChange === other.periodicKeyChange &&
    one.keyPairSpec === other.keyPairSpec
  );
}

/** What a rotation is to do. */
export interface RotationRequest {
  /** New settings. Default: those of the pair before. */
  readonly configuration?: KeyStoreConfiguration;
  /**
   * A scheduled rotation takes any worker's new pair for its own; one on demand only a pair under the KMS key to which the
   * alias resolves now.
   */
  readonly scheduled?: boolean;
  /** The pair whose change is due by the schedule. Default: the one in use when an attempt begins. */
  readonly due?: VouchedKeyPair;
  /** The operator allows to leave behind a head that nobody vouches for. */
  readonly newHistory?: boolean;
  readonly signal?: AbortSignal;
}

/** Most attempts of a rotation that loses to other workers. */
const attempts = 8;
/** Longest delay of a worker before a due rotation, in ms. Most then find that another worker has made it. */
const longestDelay = 10_000;
/** Pauses after failed rotations, in ms. */
const firstBackOff = 60_000;
const longestBackOff = 3_600_000;
const dayMs = 86_400_000;

export type RotationParts = VouchingParts &
  Pick<KeyPairContext, "organizationId" | "contextKeyName" | "fleet" | "health" | "emit" | "operations">;

/** Rotates the active pair: puts the new pair's records, has KMS unwrap it, swings the head by compare-and-swap. */
export class KeyRotation {
  readonly #parts: RotationParts;
  readonly #active: ActiveKeyPairs;
  #running: Promise<void> | undefined;
  /** Without it all workers of a fleet would make a pair at once, and all but one in vain. */
  readonly #delay = Math.floor(Math.random() * longestDelay);
  #backOff = 0;
  #failedAt: Moment | undefined;
  /** When this worker last replaced a pair from the future: a fleet whose clocks differ by days must not do so in turns. */
  #cameBackAt: Moment | undefined;
  readonly #turn: DueChangeTurn;

  constructor(parts: RotationParts, active: ActiveKeyPairs) {
    this.#parts = parts;
    this.#active = active;
    this.#turn = new DueChangeTurn(parts);
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Time until a rotation is due or may be tried again, in ms. */
  get rotationIn(): number {
    const birth = this.#active.vouched?.pair.birth;
    const now = this.#parts.clock.now();
    const at = birth && nextRotation(birth, now);
    return at === undefined ? Infinity : Math.max(at + this.#delay - now, this.#pauseLeft);
  }

  /** Whether a rotation has been due for `since` ms, by the schedule of the active pair. */
  isDue(since = 0): boolean {
    return this.#isDue((birth, now) => isRotationDue(birth, now - since));
  }

  /** Whether a rotation is due for a scheduler, which may call a few minutes early. */
  get isDueForScheduler(): boolean {
    return this.#isDue(isDueForScheduler);
  }

  #isDue(isDueBy: (birth: BirthRecord, now: number) => boolean): boolean {
    const { clock } = this.#parts;
    const birth = this.#active.vouched?.pair.birth;
    if (!birth || !isDueBy(birth, clock.now())) return false;
    return !isFromFuture(birth, clock.now()) || !this.#cameBackAt || hasPassed(this.#cameBackAt, dayMs, clock);
  }

  /** What is left of the pause after a failed rotation, or of another worker's claim on it, in ms. */
  get #pauseLeft(): number {
    const left = this.#failedAt ? this.#backOff - elapsedSince(this.#failedAt, this.#parts.clock) : -Infinity;
    return Math.max(left, this.#turn.left);
  }

  /** Starts a due rotation in the background, unless one runs or the pause after a failed one is not over. */
  startWhenDue(): void {
    if (this.#running || !this.isDue(this.#delay) || this.#pauseLeft > 0) return;
    this.#running = this.#rotateInBackground()
      .then(
        () => undefined,
        () => undefined, // told by health and events
      )
      .finally(() => (this.#running = undefined));
  }

  async #rotateInBackground(): Promise<void> {
    // The worker whose claim was respected has made the change, most probably.
    if (this.#turn.wasAnothers) await this.#active.refresh();
    const due = this.isDue(this.#delay) ? this.#active.vouched : undefined;
    if (due && (await this.#turn.take(due.pair))) await this.#rotateInTurn(due.pair, undefined);
  }

  /**
   * Makes a due rotation for a scheduler, or waits while another worker has claimed it: in most cases for a moment.
   * @param due - the pair that is to be replaced
   * @throws as {@link KeyRotation.rotate}
   */
  async rotateDue(due: VouchedKeyPair, signal?: AbortSignal): Promise<VouchedKeyPair> {
    await this.#turn.wait(due, signal);
    return this.#rotateInTurn(due, signal);
  }

  async #rotateInTurn(due: VouchedKeyPair, signal: AbortSignal | undefined): Promise<VouchedKeyPair> {
    try {
      return await this.rotate({ scheduled: true, due, ...defined({ signal }) });
    } catch (error) {
      await this.#turn.giveUp();
      throw error;
    }
  }

  /** Resolves when no rotation runs in the background. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /**
   * Makes a new pair active, under the same configuration or a new one. Settings, sequence and previous digest come from a
   * vouched pair.
   * @throws KmsError, RecordingKeyStoreError; the pair before stays active then
   */
  async rotate(request: RotationRequest): Promise<VouchedKeyPair> {
    const { health, emit, clock, operations } = this.#parts;
    try {
      const pair = await operations.run({ operation: "changeKey" }, () => this.#rotate(request));
      this.#backOff = 0;
      this.#failedAt = undefined;
      health.succeeded("rotate");
      return pair;
    } catch (error) {
      if (request.signal?.aborted && error === request.signal.reason) throw error;
      this.#backOff = Math.min(longestBackOff, this.#backOff === 0 ? firstBackOff : this.#backOff * 2);
      this.#failedAt = momentOf(clock);
      if (!(error instanceof RecordingKeyStoreError)) throw error;
      emit("keyChangeFailed", { error });
      if (this.#active.current && (error instanceof KmsError || this.isDue())) health.failed("rotate", error);
      throw error;
    }
  }

  async #rotate(request: RotationRequest): Promise<VouchedKeyPair> {
    const { configuration, scheduled = false, signal } = request;
    const { clock } = this.#parts;
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const due = (request.due ?? this.#active.vouched?.pair)?.digest;
      const base = await this.#base(request);
      // Another worker was first, or this one in the background.
      if (scheduled && base.pair && due && !base.pair.digest.equals(due) && !this.isDue()) return base.pair;
      const settings = configuration ?? (base.pair && configurationOf(base.pair));
      if (!settings) throw notConfigured();
      const pair = await this.#make(settings, base, reasonOf(request), signal);
      if (await this.#swing(pair, base, signal)) {
        if (configuration) this.#parts.trust.adopt(configuration.kmsKeyAliasArn);
        const vouched = { pair, vouchedBy: "kms" as const, confirmedAt: clock.now() };
        if (base.pair && isFromFuture(base.pair.birth, vouched.confirmedAt)) this.#cameBackAt = momentOf(clock);
        await this.#active.adopt(vouched);
        await this.#parts.fleet.tellNew(pair, vouched);
        return pair;
      }
      const { pair: winner } = await this.#base(request);
      if (winner?.digest.equals(pair.digest)) return pair;
      // The head was rewritten, and still names the pair before: nobody has won.
      if (!winner || (base.pair && winner.digest.equals(base.pair.digest))) continue;
      await markNeverActive(this.#parts, pair, winner);
      if (configuration) continue; // its settings must win
      if (scheduled || winner.wrapping.kmsKeyArn === pair.wrapping.kmsKeyArn) return winner;
    }
    throw new RecordingKeyStoreError(
      "ERR_STORE_CONFLICT",
      `other workers changed the key ${attempts} times in a row while this one tried`,
      { retryable: true },
    );
  }

  /** The base: the head's pair or, with `newHistory`, the newest vouched one where nobody vouches for the head's. */
  async #base({ newHistory = false, signal }: RotationRequest): Promise<RotationBase> {
    try {
      return await this.#active.rotationBase(signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!newHistory || !(error instanceof RecordingKeyStoreError) || isOutage(error)) throw error;
      const { records } = this.#parts;
      const pair = this.#active.vouched?.pair ?? (await newestVouched(this.#parts, { bounded: false }, signal))?.pair;
      if (pair) await records.putPair(pair, signal); // the store may have lost it
      return { revision: (await records.readRawHead(signal))?.revision, pair };
    }
  }

  async #make(
    settings: KeyStoreConfiguration,
    { pair: previous }: RotationBase,
    reason: KeyPairReason,
    signal: AbortSignal | undefined,
  ): Promise<VouchedKeyPair> {
    const { organizationId, contextKeyName, calls, clock, trust } = this.#parts;
    const createdAt = clock.now();
    const configured = reason === "configure";
    const made = await calls.make(
      {
        organizationId,
        sequence: (previous?.birth.sequence ?? 0) + 1,
        spec: settings.keyPairSpec,
        createdAt,
        ...defined({ previousDigest: previous?.digest }),
        kmsKeyAliasArn: settings.kmsKeyAliasArn,
        periodicKeyChange: settings.periodicKeyChange,
        scheduleAnchor: configured || !previous ? createdAt : Math.min(createdAt, previous.birth.scheduleAnchor),
        contextKeyName,
        purpose: "key-pair",
        reason,
      },
      signal,
    );
    return trust.vouchForNew(made, { named: configured }, signal);
  }

  /** Stores the pair and swings the head to it. Reads the head again after an ambiguous answer. */
  async #swing(pair: VouchedKeyPair, { revision }: RotationBase, signal: AbortSignal | undefined): Promise<boolean> {
    const { records } = this.#parts;
    await records.putPair(pair, signal);
    try {
      if (await records.swapHead(pair, revision)) return true;
    } catch (error) {
      const now = await records.readHead().catch(() => undefined);
      if (now?.digest.equals(pair.digest)) return true;
      throw error;
    }
    const now = await records.readHead(signal);
    if (!now)
      throw new RecordingKeyStoreError("ERR_STORE_CORRUPT", "the store refused to swap a head that it does not have");
    return now.digest.equals(pair.digest);
  }
}

function reasonOf({ configuration, scheduled }: RotationRequest): KeyPairReason {
  if (configuration) return "configure";
  return scheduled ? "schedule" : "on-demand";
}
