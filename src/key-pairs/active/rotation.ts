import { RecordingKeyStoreError } from "../../errors.js";
import type { KeyPairReason } from "../../format/vocabulary.js";
import { type KeyStoreConfiguration } from "../../format/vocabulary.js";
import { KmsError } from "../../kms/kms-error.js";
import type { KeyPairContext } from "../context.js";
import type { ClaimedKeyPair } from "../key-pair.js";
import { markNeverActive } from "../never-active.js";
import type { VouchedKeyPair } from "../trust.js";
import { newestVouched } from "../vouching.js";
import type { ActiveKeyPairs, RotationBase } from "./active-key-pair.js";
import { isRotationDue, nextRotation } from "./schedule.js";

export function configurationOf({ birth }: ClaimedKeyPair): KeyStoreConfiguration {
  const { kmsKeyAliasArn, periodicKeyChange, spec } = birth;
  return { kmsKeyAliasArn, periodicKeyChange, keyPairSpec: spec };
}

/** Whether two configurations are one and the same. */
export function isSameConfiguration(one: KeyStoreConfiguration, other: KeyStoreConfiguration): boolean {
  return (
    one.kmsKeyAliasArn === other.kmsKeyAliasArn &&
    one.periodicKeyChange === other.periodicKeyChange &&
    one.keyPairSpec === other.keyPairSpec
  );
}

/** What a change of key is asked to do. */
export interface RotationRequest {
  /** New settings; without them those of the pair before go on. */
  readonly configuration?: KeyStoreConfiguration;
  /**
   * A scheduled change is content with any worker's new pair; a change on demand takes another's only if it is under the KMS
   * key to which the alias resolves now.
   */
  readonly scheduled?: boolean;
  /** The operator's word that a head which nobody vouches for may be left behind. */
  readonly newHistory?: boolean;
  readonly signal?: AbortSignal;
}

/** How often a change that loses against other workers is tried again. */
const attempts = 8;
/** So much later at most does a worker make a due change by itself, milliseconds: most then find that another has made it. */
const longestPatience = 10_000;
const firstBackOff = 60_000;
const longestBackOff = 3_600_000;

/** Changes the active pair: put the new pair's records, have KMS unwrap it, swing the head by compare-and-swap. */
export class KeyRotation {
  readonly #context: KeyPairContext;
  readonly #active: ActiveKeyPairs;
  #running: Promise<void> | undefined;
  /** A fleet meets a due change at once; each of its workers would make a pair, and all but one for nothing. */
  readonly #patience = Math.floor(Math.random() * longestPatience);
  #backOff = 0;
  #nextAttemptAt = 0;

  constructor(context: KeyPairContext, active: ActiveKeyPairs) {
    this.#context = context;
    this.#active = active;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** In how many milliseconds a change is due, or may be tried again. */
  get rotationIn(): number {
    const birth = this.#active.vouched?.pair.birth;
    const at = birth && nextRotation(birth);
    return at === undefined ? Infinity : Math.max(at + this.#patience, this.#nextAttemptAt) - this.#context.clock.now();
  }

  /** Whether a change is due by the schedule of the active pair, and has been for `since` milliseconds. */
  isDue(since = 0): boolean {
    const { vouched } = this.#active;
    return vouched !== undefined && isRotationDue(vouched.pair.birth, this.#context.clock.now() - since);
  }

  /** Starts a due change in the background, unless one runs or the last one failed a short while ago. */
  startWhenDue(): void {
    if (this.#running || !this.isDue(this.#patience) || this.#context.clock.now() < this.#nextAttemptAt) return;
    this.#running = this.rotate({ scheduled: true })
      .then(
        () => undefined,
        () => undefined, // in health and events already
      )
      .finally(() => (this.#running = undefined));
  }

  /** Resolves when no background change runs. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /**
   * Makes a new pair active, under the same configuration or a new one. What it builds upon, settings, number and digest,
   * comes from a vouched pair.
   * @throws KmsError, RecordingKeyStoreError; the pair before stays active
   */
  async rotate(request: RotationRequest): Promise<VouchedKeyPair> {
    const { health, emit, clock } = this.#context;
    try {
      const pair = await this.#rotate(request);
      this.#backOff = 0;
      this.#nextAttemptAt = 0;
      health.succeeded("rotate");
      return pair;
    } catch (error) {
      if (!(error instanceof RecordingKeyStoreError)) throw error;
      this.#backOff = Math.min(longestBackOff, this.#backOff === 0 ? firstBackOff : this.#backOff * 2);
      this.#nextAttemptAt = clock.now() + this.#backOff;
      emit("keyChangeFailed", { error });
      if (this.#active.current && (error instanceof KmsError || this.isDue())) health.failed("rotate", error);
      throw error;
    }
  }

  async #rotate(request: RotationRequest): Promise<VouchedKeyPair> {
    const { configuration, scheduled = false, signal } = request;
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const known = this.#active.vouched?.pair.digest;
      const base = await this.#base(request);
      // Another worker was first.
      if (scheduled && base.pair && known && !base.pair.digest.equals(known) && !this.isDue()) return base.pair;
      const settings = configuration ?? (base.pair && configurationOf(base.pair));
      if (!settings)
        throw new RecordingKeyStoreError(
          "ERR_NOT_CONFIGURED",
          "no KMS key is configured for this organization: call configure() first",
        );
      const pair = await this.#make(settings, base, reasonOf(request), signal);
      if (await this.#swing(pair, base, signal)) {
        if (configuration) this.#context.trust.adopt(configuration.kmsKeyAliasArn);
        const vouched = { pair, vouchedBy: "kms" as const, confirmedAt: this.#context.clock.now() };
        await this.#active.adopt(vouched);
        await this.#context.fleet.tellNew(pair, vouched);
        return pair;
      }
      const { pair: winner } = await this.#base(request);
      if (winner?.digest.equals(pair.digest)) return pair;
      // The head was rewritten and names the pair before all the same: nobody has won.
      if (!winner || (base.pair && winner.digest.equals(base.pair.digest))) continue;
      await markNeverActive(this.#context, pair, winner);
      if (configuration) continue; // a losing configure() tries again: its settings must win
      if (scheduled || winner.wrapping.kmsKeyArn === pair.wrapping.kmsKeyArn) return winner;
    }
    throw new RecordingKeyStoreError(
      "ERR_STORE_CONFLICT",
      `other workers changed the key ${attempts} times in a row while this one tried`,
      { retryable: true },
    );
  }

  /** What is built upon: the head's pair, or (`newHistory`) the best that is vouched for where nobody vouches for that. */
  async #base({ newHistory = false, signal }: RotationRequest): Promise<RotationBase> {
    try {
      return await this.#active.rotationBase(signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!newHistory || !(error instanceof RecordingKeyStoreError) || isOutage(error)) throw error;
      const { records } = this.#context;
      const pair = this.#active.vouched?.pair ?? (await newestVouched(this.#context, { bounded: false }, signal))?.pair;
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
    const { organizationId, contextKeyName, calls, clock, trust } = this.#context;
    const createdAt = clock.now();
    const configured = reason === "configure";
    const made = await calls.make(
      {
        organizationId,
        sequence: (previous?.birth.sequence ?? 0) + 1,
        spec: settings.keyPairSpec,
        createdAt,
        ...(previous ? { previousDigest: previous.digest } : {}),
        kmsKeyAliasArn: settings.kmsKeyAliasArn,
        periodicKeyChange: settings.periodicKeyChange,
        scheduleAnchor: configured || !previous ? createdAt : previous.birth.scheduleAnchor,
        contextKeyName,
        purpose: "key-pair",
        reason,
      },
      signal,
    );
    return trust.vouchForNew(made, { named: configured }, signal);
  }

  /** Stores the pair and swings the head to it. An answer that got lost is settled by reading the head again. */
  async #swing(pair: VouchedKeyPair, { revision }: RotationBase, signal: AbortSignal | undefined): Promise<boolean> {
    const { records } = this.#context;
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

/** What passes by itself, and says nothing of the head. */
function isOutage({ code }: RecordingKeyStoreError): boolean {
  return code === "ERR_KMS_UNAVAILABLE" || code === "ERR_STORE_UNAVAILABLE";
}

function reasonOf({ configuration, scheduled }: RotationRequest): KeyPairReason {
  if (configuration) return "configure";
  return scheduled ? "schedule" : "on-demand";
}
