import { RecordingKeyStoreError } from "../errors.js";
import { confirmKeyPair } from "./confirmation.js";
import type { KeyPairContext } from "./context.js";
import type { HeadDocument } from "./documents.js";
import { readHead, readHeadPair } from "./head.js";
import { HostMemory } from "./host-memory.js";
import type { KeyPair } from "./key-pair.js";
import { abortable, settledWithin, withDeadline } from "../kms/waiting.js";
import { elapsedSince, hasPassed, momentOf, type Moment } from "./private-key-custody.js";
import { SharedHealth } from "./shared-health.js";
import type { Confirmation } from "./vocabulary.js";

/** The pair with which recordings are encrypted now, and how far KMS has vouched for it. */
export interface ActiveKeyPair {
  readonly pair: KeyPair;
  readonly confirmation: Confirmation;
  /** When KMS last vouched for it, wall clock; absent while unconfirmed. */
  readonly confirmedAt?: number;
}

/** The newest pair this host has seen confirmed; a head behind it has been rolled back. */
interface Floor {
  readonly sequence: number;
  readonly digest: Buffer;
}

/**
 * Finds the active pair, has KMS confirm it, and holds on to the last confirmed one whatever KMS, the store or somebody
 * who can write to the store does.
 */
export class ActiveKeyPairs {
  readonly shared: SharedHealth;
  readonly #context: KeyPairContext;
  readonly #memory: HostMemory;
  #held: ActiveKeyPair | undefined;
  #floor: Floor | undefined;
  #headReadAt: Moment | undefined;
  #confirmTriedAt: Moment | undefined;
  #refreshing: Promise<void> | undefined;
  #confirming: Promise<void> | undefined;
  #inBackground: Promise<void> | undefined;
  /** Why the pair that the store names now is not the one in use. */
  #refusal: RecordingKeyStoreError | undefined;

  constructor(context: KeyPairContext) {
    this.#context = context;
    this.shared = new SharedHealth(context);
    this.#memory = new HostMemory(context);
  }

  get current(): ActiveKeyPair | undefined {
    return this.#held;
  }

  get #current(): ActiveKeyPair | undefined {
    return this.#held;
  }

  set #current(next: ActiveKeyPair | undefined) {
    this.#held = next;
    this.#context.health.activeDigest = next?.pair.digest;
  }

  /** True while something other than the head's confirmed pair is in use, or KMS trouble is unresolved. */
  get usesLastKnownKey(): boolean {
    return this.#refusal !== undefined || this.#context.health.trouble !== undefined;
  }

  get refusal(): RecordingKeyStoreError | undefined {
    return this.#refusal;
  }

  /** Nothing is under way, and nothing is known that another key store would not learn from host, store and KMS. */
  get isQuiet(): boolean {
    if (this.#refreshing || this.#confirming || this.#inBackground || this.#refusal) return false;
    return this.#current?.confirmation !== "unconfirmed";
  }

  /** In how many milliseconds KMS is to be asked about the pair in use, or the store whether there is one. */
  get confirmIn(): number {
    const { times, clock } = this.#context;
    const [interval, triedAt] = this.#current ? [this.#confirmInterval, this.#confirmTriedAt] : [times.confirmEvery, this.#headReadAt];
    return triedAt ? interval - elapsedSince(triedAt, clock) : 0;
  }

  get #confirmInterval(): number {
    const { health, times } = this.#context;
    return health.trouble || this.#current?.confirmation !== "confirmed" ? Math.min(retryConfirmAfter, times.confirmEvery) : times.confirmEvery;
  }

  /** Resolves when nothing of it is under way in the background. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#refreshing, this.#inBackground]);
  }

  /**
   * The pair to encrypt with. With `background`, waits for store and KMS only on first use (at most `confirmTimeout` for
   * KMS) or after a long pause; otherwise reads the head again when it is older than `headTtl`.
   * @throws RecordingKeyStoreError `ERR_NOT_CONFIGURED`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_STORE_*`
   */
  async acquire(background: boolean, signal?: AbortSignal): Promise<ActiveKeyPair> {
    const { times, clock } = this.#context;
    const readAt = this.#headReadAt;
    if (!this.#current) {
      await this.refresh(signal);
    } else if (!readAt || hasPassed(readAt, times.headTtl, clock)) {
      const refreshing = this.refresh(background ? undefined : signal);
      refreshing.catch(() => undefined); // remembered as refusal or trouble
      const idle = !readAt || hasPassed(readAt, 2 * times.headTtl, clock);
      if (!background) await refreshing.catch(() => signal?.throwIfAborted());
      else if (idle) await abortable(settledWithin(refreshing, times.confirmTimeout), signal);
    }
    if (background) this.#confirmWhenDue();
    if (!this.#current) throw this.#refusal ?? notConfigured();
    return this.#current;
  }

  /** Reads the head, and adopts the pair it names if that may be used. One at a time. */
  refresh(signal?: AbortSignal): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
    return abortable(this.#refreshing, signal);
  }

  /** Makes the head's pair the active one: KMS has just vouched for it, or has unwrapped it for this host's own change. */
  async adoptConfirmed(pair: KeyPair): Promise<void> {
    const { clock, health } = this.#context;
    // A slow answer about an earlier pair must not undo a change that was quicker.
    if (this.#floor && pair.birth.sequence < this.#floor.sequence) return;
    this.#headReadAt = momentOf(clock);
    this.#refusal = undefined;
    health.succeeded("read-store");
    await this.#confirmed(pair);
  }

  /** KMS vouches for the pair in use. Says nothing of the store's head, which may name another. */
  async #confirmed(pair: KeyPair): Promise<void> {
    const { clock, emit, health } = this.#context;
    const { keyPairId, sequence } = pair.birth;
    const confirmedAt = clock.now();
    const changed = !this.#current?.pair.digest.equals(pair.digest);
    this.#current = { pair, confirmation: "confirmed", confirmedAt };
    this.#floor = { sequence, digest: pair.digest };
    this.#confirmTriedAt = momentOf(clock);
    if (changed) emit("keyPairChanged", { keyPairId, sequence });
    health.answered(pair.birth);
    emit("keyPairConfirmed", { keyPairId, sequence });
    await this.#memory.remember(pair, confirmedAt);
  }

  /** @throws RecordingKeyStoreError `ERR_STORE_ROLLED_BACK` for a head behind what this host has seen confirmed */
  checkFloor(head: HeadDocument): void {
    const floor = this.#floor;
    if (!floor || head.sequence > floor.sequence || (head.sequence === floor.sequence && head.digest.equals(floor.digest))) return;
    throw rolledBack(`the store's head is at key pair ${head.sequence}, and this host has seen ${floor.sequence}`);
  }

  /** Asks KMS about the active pair now. Used by the background and by explicit confirmation; never rejects for KMS. */
  confirm(signal?: AbortSignal): Promise<void> {
    this.#confirming ??= this.#confirm().finally(() => (this.#confirming = undefined));
    return abortable(this.#confirming, signal);
  }

  /** Forgets that a newer head was ever seen. The operator's word after a genuine restore of the store. */
  async acceptRestored(signal?: AbortSignal): Promise<void> {
    await this.#recall();
    this.#floor = undefined;
    this.#refusal = undefined;
    const previous = this.#current;
    this.#current = undefined;
    try {
      await this.refresh(signal);
    } catch (error) {
      this.#current ??= previous;
      if (previous) this.#floor = { sequence: previous.pair.birth.sequence, digest: previous.pair.digest };
      throw error;
    }
  }

  async #refresh(): Promise<void> {
    const { clock, health, emit } = this.#context;
    await this.#recall();
    try {
      await this.#followHead();
      this.#headReadAt = momentOf(clock);
      health.succeeded("read-store");
    } catch (error) {
      if (!(error instanceof RecordingKeyStoreError)) throw error;
      this.#headReadAt = momentOf(clock);
      if (error.code === "ERR_STORE_UNAVAILABLE") health.failed("read-store", error);
      else if (error.code !== "ERR_NOT_CONFIGURED") {
        if (this.#refusal?.message !== error.message) emit("keyPairUntrusted", { error }); // once, not at every look
        this.#refusal = error;
      }
      if (!this.#current) throw error;
    }
  }

  async #followHead(): Promise<void> {
    const head = await readHead(this.#context);
    const floor = this.#floor;
    if (!head) {
      if (floor) throw rolledBack("the store has no configuration any more");
      throw notConfigured();
    }
    this.checkFloor(head);
    if (this.#current?.pair.digest.equals(head.digest)) {
      this.#refusal = undefined;
      // Recalled from this host's earlier life, and not yet asked about in this one.
      if (this.#confirmTriedAt === undefined) await this.#judge(this.#current.pair);
      return;
    }
    const pair = await readHeadPair(this.#context, head);
    this.#context.trust.checkActive(pair);
    await this.#judge(pair);
  }

  /** Confirms a pair met in the store, waiting a bounded time, and decides whether it is used. */
  async #judge(pair: KeyPair): Promise<void> {
    const { health, times, emit, clock, trust } = this.#context;
    const verdict = await withDeadline(times.confirmTimeout, (signal) => confirmKeyPair(pair, this.#context.decryptionUnder, signal));
    if (verdict?.status === "confirmed") {
      trust.adoptIfFirst(pair.birth.kmsKeyAliasArn);
      return this.adoptConfirmed(pair);
    }
    if (verdict?.status === "untrusted") throw verdict.error;
    const error = verdict?.error ?? new RecordingKeyStoreError("ERR_KMS_UNAVAILABLE", `KMS did not answer within ${times.confirmTimeout} ms`, { retryable: true });
    health.failed("confirm", error);
    this.#confirmTriedAt = momentOf(clock);
    // A pair confirmed earlier goes before one that nobody has vouched for.
    if (this.#current?.confirmation === "confirmed") {
      this.#refusal = undefined;
      return;
    }
    trust.adoptIfFirst(pair.birth.kmsKeyAliasArn);
    this.#current = { pair, confirmation: "unconfirmed" };
    this.#refusal = undefined;
    emit("keyPairUnconfirmed", { keyPairId: pair.birth.keyPairId, sequence: pair.birth.sequence, error });
  }

  #confirmWhenDue(): void {
    // Jittered by up to a tenth, so that workers started together do not ask together.
    if (this.#confirmTriedAt && !hasPassed(this.#confirmTriedAt, this.#confirmInterval * (0.9 + 0.1 * Math.random()), this.#context.clock)) return;
    this.#inBackground = this.#confirmInBackground()
      .catch(() => undefined)
      .finally(() => (this.#inBackground = undefined));
  }

  async #confirmInBackground(): Promise<void> {
    const { clock, health } = this.#context;
    const current = this.#current;
    this.#confirmTriedAt = momentOf(clock);
    // Only for what this host has had confirmed itself; and one in trouble asks for itself.
    if (current?.confirmation === "confirmed" && !health.trouble && (await this.shared.isFresh(current.pair.digest))) return;
    await this.confirm();
  }

  async #confirm(): Promise<void> {
    const { clock, health, custody, organizationId } = this.#context;
    const current = this.#current;
    if (!current) return;
    this.#confirmTriedAt = momentOf(clock);
    const verdict = await confirmKeyPair(current.pair, this.#context.decryptionUnder);
    if (this.#current?.pair !== current.pair) return;
    if (verdict.status === "confirmed") {
      await this.#confirmed(current.pair);
      return this.shared.write(current.pair.digest);
    }
    if (verdict.status === "unavailable") void this.shared.write(current.pair.digest, verdict.error);
    if (verdict.error.code === "ERR_KMS_REFUSED") custody.drop({ organizationId, digest: current.pair.digest });
    health.failed("confirm", verdict.error);
    if (verdict.status === "untrusted") {
      this.#context.emit("keyPairUntrusted", { error: verdict.error });
      if (current.confirmation === "unconfirmed") {
        this.#current = undefined;
        this.#refusal = verdict.error;
      }
    }
  }

  /** Brings back what this host confirmed in an earlier life. */
  async #recall(): Promise<void> {
    const recalled = await this.#memory.recall();
    if (!recalled) return;
    const { pair, confirmedAt } = recalled;
    this.#current = { pair, confirmation: "confirmed", confirmedAt };
    this.#floor = { sequence: pair.birth.sequence, digest: pair.digest };
    this.#confirmTriedAt ??= this.#context.lastConfirmed.confirmedAt?.(this.#context.organizationId);
  }
}

/** How soon an unconfirmed or troubled pair is asked about again, milliseconds. */
const retryConfirmAfter = 30_000;

function notConfigured(): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_NOT_CONFIGURED", "no KMS key is configured for this organization: call configure() first");
}

function rolledBack(what: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_STORE_ROLLED_BACK", `${what}; if the store was restored on purpose, call acceptRestoredStore()`);
}
