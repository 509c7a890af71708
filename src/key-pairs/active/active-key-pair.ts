import { elapsedSince, hasPassed, momentOf, type Moment } from "../../clock.js";
import { RecordingKeyStoreError } from "../../errors.js";
import { abortable, settledWithin, within } from "../../util/abort.js";
import type { KeyPairContext } from "../context.js";
import { headMissing, notConfigured, unconfirmed } from "../failures.js";
import type { ClaimedKeyPair } from "../key-pair.js";
import { takeUpPending, takeUpUnasked } from "../never-active.js";
import type { VouchedKeyPair } from "../trust.js";
import { askAgain, vouchForActive, type ActivationVerdict, type Vouched } from "../vouching.js";
import { BackgroundWork } from "./background-work.js";
import { confirmHeld, type ConfirmationOptions, type ConfirmationParts } from "./confirmation.js";
import { HeadFreshness } from "./head-freshness.js";
import { HeadSearch, mayBeForged } from "./head-search.js";
import { StoreWatch } from "./store-watch.js";
import { HeldKeyPair, type ActiveKeyPair, type HeldParts } from "./held-key-pair.js";

/** The pair that a rotation builds upon and the revision of the head that names it. Neither exists before the first pair. */
export interface RotationBase {
  readonly revision: string | undefined;
  readonly pair: VouchedKeyPair | undefined;
}

export type ActiveParts = HeldParts &
  ConfirmationParts &
  Pick<KeyPairContext, "organizationId" | "records" | "feed" | "trust" | "times">;

/**
 * Finds the active pair, has it vouched for, and holds on to the last confirmed one whatever KMS, the store or somebody
 * who can write to the store does.
 */
export class ActiveKeyPairs {
  readonly #parts: ActiveParts;
  readonly #held: HeldKeyPair;
  readonly #search: HeadSearch;
  readonly #store: StoreWatch;
  readonly #head: HeadFreshness;
  readonly #background = new BackgroundWork();
  /** When a pair was last asked for. */
  #usedAt: Moment | undefined;
  #refreshing: Promise<void> | undefined;
  /** A refresh that the store's feed of changes may save. */
  #following: Promise<void> | undefined;
  /** The one wait of all recordings for a refresh: those that come after it do not wait again. */
  #waiting: Promise<void> | undefined;
  #confirming: Promise<void> | undefined;
  /** Why the pair in use is not the one that the store names. */
  #refusal: RecordingKeyStoreError | undefined;

  constructor(parts: ActiveParts) {
    this.#parts = parts;
    this.#held = new HeldKeyPair(parts);
    this.#search = new HeadSearch(parts);
    this.#store = new StoreWatch(parts);
    this.#head = new HeadFreshness(parts);
  }

  get current(): ActiveKeyPair | undefined {
    return this.#held.current;
  }

  /** The pair in use, if somebody has vouched for it. */
  get vouched(): Vouched | undefined {
    return this.#held.vouched;
  }

  /** Time since somebody last vouched for the pair in use, in ms; `Infinity` where nobody knows. */
  get confirmedAge(): number {
    return this.#held.confirmedAge;
  }

  /** True while the pair in use is not the head's, or is in trouble. */
  get usesLastKnownKey(): boolean {
    return this.#refusal !== undefined || this.#parts.health.trouble !== undefined;
  }

  get refusal(): RecordingKeyStoreError | undefined {
    return this.#refusal;
  }

  /** True while nothing is under way, and nothing is known that another key store would not learn from host, store and KMS. */
  get isIdle(): boolean {
    if (this.#refreshing || this.#following || this.#confirming || this.#background.running || this.#refusal)
      return false;
    return this.current?.confirmation !== "unconfirmed";
  }

  /** Time until KMS is to be asked about the pair in use, or the store whether there is one, in ms. */
  get confirmIn(): number {
    const { times, clock } = this.#parts;
    const [interval, since] = this.current
      ? [this.#held.confirmInterval, this.#held.askedAt]
      : [times.confirmEvery, this.#head.readAt];
    return since ? interval - elapsedSince(since, clock) : 0;
  }

  /** Resolves when nothing is under way in the background. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#refreshing, this.#following, this.#background.running]);
  }

  /**
   * The pair to encrypt with. The first use in a process waits for store and KMS: with `background`, at most `confirmTimeout`
   * where host or fleet have a last confirmed pair, otherwise for the call's own deadline. Once the head was read more than
   * `headTtl` ago, later uses ask the store's feed, or read it again; they wait for that, as long at most, only after a pause of
   * twice `headTtl` in which nobody asked.
   * @throws RecordingKeyStoreError `ERR_NOT_CONFIGURED`, `ERR_KEY_UNCONFIRMED`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_STORE_*`
   */
  async acquire(background: boolean, signal?: AbortSignal): Promise<ActiveKeyPair> {
    const { times, clock } = this.#parts;
    if (!this.current) await abortable(this.#held.loadLastConfirmed(), signal);
    const usedAt = this.#usedAt;
    this.#usedAt = momentOf(clock);
    if (!this.current) {
      await this.refresh(signal);
    } else if (!this.vouched && this.#held.isConfirmDue()) {
      await this.#reconsider(signal);
    } else if (this.#head.isStale(this.#relied)) {
      const refreshing = this.#follow(background ? undefined : signal);
      refreshing.catch(() => undefined); // kept as refusal or trouble
      // After a pause the key may have been changed. Whoever records all the time waits for no store, nor for one known to be away.
      const isIdle = !this.#head.readAt || !usedAt || hasPassed(usedAt, 2 * times.headTtl, clock);
      const waits = this.#waiting !== undefined || (isIdle && !this.#parts.health.isInTrouble("read-store"));
      if (!background) await refreshing.catch(() => signal?.throwIfAborted());
      else if (waits) await abortable((this.#waiting ??= settledWithin(refreshing, times.confirmTimeout)), signal);
    }
    if (background) this.#confirmWhenDue();
    if (!this.current) throw this.#refusal ?? notConfigured();
    return this.current;
  }

  /** Asks again about a pair that nobody has vouched for: it serves only while KMS can't be reached. */
  async #reconsider(signal: AbortSignal | undefined): Promise<void> {
    await this.refresh(signal).catch(() => signal?.throwIfAborted());
    if (this.#held.isConfirmDue()) await this.confirm(signal); // the store is away, and KMS may not be
  }

  /** The vouched pair, after the head was read. @throws as {@link ActiveKeyPairs.acquire} */
  async acquireVouched(signal?: AbortSignal): Promise<Vouched> {
    await this.refresh(signal);
    if (this.vouched) return this.vouched;
    throw this.#refusal ?? unconfirmed(this.#parts.health.trouble?.error ?? notConfigured());
  }

  /** Takes up the last confirmed pair of host or fleet. Neither asks KMS nor reads the head. */
  async loadLastConfirmed(signal?: AbortSignal): Promise<void> {
    await abortable(this.#held.loadLastConfirmed(), signal);
    // The fleet may have seen a newer pair than this host.
    if (!this.#head.readAt || !this.vouched) await abortable(this.#held.followFleet(), signal);
  }

  /** Reads the head and takes up the pair that it names, if that may be used. One at a time. */
  refresh(signal?: AbortSignal): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = this.#waiting = undefined));
    return abortable(this.#refreshing, signal);
  }

  /**
   * The base of a rotation. Nothing of it is the store's own word.
   * @throws RecordingKeyStoreError `ERR_STORE_ROLLED_BACK`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_KEY_UNCONFIRMED`, `ERR_STORE_*`; KmsError
   */
  async rotationBase(signal?: AbortSignal): Promise<RotationBase> {
    await this.loadLastConfirmed(signal);
    const head = await this.#parts.records.readHead(signal);
    if (!head) {
      if (this.#held.hasFloor) throw headMissing();
      return { revision: undefined, pair: undefined };
    }
    const { revision } = head;
    this.#held.checkFloor(head);
    if (this.vouched?.pair.digest.equals(head.digest)) return { revision, pair: this.vouched.pair };
    const verdict = await vouchForActive(this.#parts, await this.#parts.records.readHeadPair(head, signal), signal);
    if (verdict.status === "confirmed") {
      await this.adopt(verdict);
      return { revision, pair: verdict.pair };
    }
    throw verdict.status === "refused" ? unconfirmed(verdict.error) : verdict.error;
  }

  /** Makes the pair that the head names the active one. */
  async adopt(vouched: Vouched): Promise<void> {
    // A slow answer about an earlier pair must not undo a rotation that was quicker.
    if (this.#held.isBehind(vouched.pair.birth.sequence)) return;
    this.#head.noteRead();
    this.#refusal = undefined;
    this.#parts.health.succeeded("read-store");
    await this.#held.hold(vouched);
  }

  /** Takes up an earlier pair than the last one, by the operator's word. */
  async goBackTo(vouched: Vouched): Promise<void> {
    this.#held.forgetFloor();
    await this.adopt(vouched);
    await this.#parts.fleet.tell(vouched.pair, vouched, { force: true });
  }

  /** Asks KMS about the active pair now. Never rejects for KMS. @param options.look - looks where the alias leads, due or not */
  confirm(signal?: AbortSignal, { look = false } = {}): Promise<void> {
    this.#confirming ??= this.#confirm({ look }).finally(() => (this.#confirming = undefined));
    return abortable(this.#confirming, signal);
  }

  /** Waits until KMS has been asked about the pair in use, if that is due. Never rejects for KMS. */
  async confirmDue(signal?: AbortSignal): Promise<void> {
    if (!this.#background.running && this.#held.isConfirmDue()) this.#background.add(this.#confirmInBackground());
    await abortable(this.settled(), signal);
  }

  /** The pair in use, where nothing but a change of the head asks for reading the head again. */
  get #relied(): VouchedKeyPair | undefined {
    const { health, pendingTakeUps } = this.#parts;
    if (this.#refusal || pendingTakeUps.size > 0 || health.isInTrouble("read-store")) return undefined;
    return this.vouched?.pair;
  }

  /** Reads the head again, unless it still names the pair in use by the store's feed of changes. One at a time. */
  #follow(signal?: AbortSignal): Promise<void> {
    if (!this.#parts.feed) return this.refresh(signal);
    this.#following ??= this.#followChanges().finally(() => (this.#following = this.#waiting = undefined));
    return abortable(this.#following, signal);
  }

  async #followChanges(): Promise<void> {
    if (!(await this.#head.isUnchanged(this.#relied))) await this.refresh();
  }

  async #refresh(): Promise<void> {
    await this.#held.loadLastConfirmed();
    try {
      if (!this.#head.readAt || !this.vouched) await this.#held.followFleet();
      await this.#followHead();
      this.#head.noteRead();
      if (this.#parts.pendingTakeUps.size > 0) this.#background.add(takeUpPending(this.#parts));
      this.#parts.health.succeeded("read-store");
    } catch (error) {
      if (!(error instanceof RecordingKeyStoreError)) throw error;
      this.#head.noteRead();
      this.#store.note(error);
      if (error.code !== "ERR_STORE_UNAVAILABLE" && error.code !== "ERR_NOT_CONFIGURED") await this.#refuse(error);
      const found = !this.current && mayBeForged(error) ? await this.#search.run() : undefined;
      if (found) this.#held.holdProvisionally(found);
      if (!this.current) throw error;
    }
  }

  async #refuse(error: RecordingKeyStoreError): Promise<void> {
    const isNew = this.#refusal?.message !== error.message; // once, not at every read
    this.#refusal = error;
    if (isNew && error.code !== "ERR_KEY_UNCONFIRMED") this.#parts.emit("keyPairUntrusted", { error });
    if (isNew && error.code === "ERR_STORE_ROLLED_BACK") await this.putBack();
  }

  /** Puts the vouched pair in use back into a store that has lost it, so that others open what is encrypted with it. Never rejects. */
  async putBack(): Promise<void> {
    if (this.vouched) await this.#parts.records.putPair(this.vouched.pair).catch(() => undefined);
  }

  /** Takes note of what came of a read of the store by others. */
  noteStore(error: RecordingKeyStoreError | undefined): void {
    if (this.current) this.#store.note(error);
  }

  async #followHead(): Promise<void> {
    const { records, times, clock } = this.#parts;
    const began = momentOf(clock);
    const head = await (this.current ? this.#store.readHead() : records.readHead());
    this.#head.noteFound(head, began);
    if (!head) throw this.#held.hasFloor ? headMissing() : notConfigured();
    this.#held.checkFloor(head);
    const held = this.current?.pair.digest.equals(head.digest) ? this.current : undefined;
    if (held) this.#refusal = undefined;
    // Each process asks once about a pair of host or fleet, and again and again about one that nobody has vouched for.
    const asks = held?.confirmation === "unconfirmed" || !this.#head.readAt;
    if (held && !(asks && this.#held.isConfirmDue())) return;
    const claim = held?.pair ?? (await records.readHeadPair(head));
    const asking =
      held?.confirmation === "confirmed" ? askAgain(this.#parts, held.pair) : vouchForActive(this.#parts, claim);
    const verdict = this.vouched ? await within(asking, times.confirmTimeout) : await asking;
    if (verdict) await this.#settle(claim, verdict);
    else this.#settleLate(claim, asking);
  }

  /** Leaves a slow answer of KMS to count once it comes. */
  #settleLate(claim: ClaimedKeyPair, asking: Promise<ActivationVerdict>): void {
    const { times, health } = this.#parts;
    const message = `KMS did not answer within ${times.confirmTimeout} ms`;
    health.failed("confirm", new RecordingKeyStoreError("ERR_KMS_UNAVAILABLE", message, { retryable: true }));
    this.#held.asked();
    const settling = asking
      .then((verdict) => this.#settleIfNamed(claim, verdict))
      .catch((error: unknown) => (error instanceof RecordingKeyStoreError ? this.#refuse(error) : undefined));
    this.#background.add(settling);
  }

  /** Settles a late verdict, unless the head has moved on meanwhile. */
  async #settleIfNamed(claim: ClaimedKeyPair, verdict: ActivationVerdict): Promise<void> {
    const head = await this.#parts.records.readHead().catch(() => undefined); // the next read says what is wrong with it
    if (head?.digest.equals(claim.digest)) await this.#settle(claim, verdict);
  }

  /** Acts on a verdict about the head's pair. */
  async #settle(claim: ClaimedKeyPair, verdict: ActivationVerdict): Promise<void> {
    if (verdict.status === "confirmed") {
      await this.adopt(verdict);
      if (verdict.vouchedBy === "kms") void this.#parts.fleet.tellNew(verdict.pair, verdict);
      return;
    }
    if (verdict.status === "disowned") {
      if (this.current?.pair.digest.equals(claim.digest)) this.#held.disowned();
      throw verdict.error;
    }
    const { health, emit, trust } = this.#parts;
    health.failed("confirm", verdict.error);
    this.#held.asked();
    this.#refusal = undefined;
    if (this.vouched) return; // goes before a pair that nobody has vouched for
    const pair = trust.tolerate(claim, verdict);
    if (!pair || !(await takeUpUnasked(this.#parts, pair))) {
      this.#held.dropUnconfirmed();
      throw unconfirmed(verdict.error);
    }
    const { keyPairId, sequence } = pair.birth;
    const isNew = !this.current?.pair.digest.equals(pair.digest); // told once, not at every read
    this.#held.holdUnconfirmed(pair);
    if (isNew) emit("keyPairUnconfirmed", { keyPairId, sequence, error: verdict.error });
  }

  #confirmWhenDue(): void {
    // Jittered, so that workers started together do not ask together.
    if (this.#background.running || !this.#held.isConfirmDue(earliestShare + (1 - earliestShare) * Math.random()))
      return;
    this.#background.add(this.#confirmInBackground());
  }

  async #confirmInBackground(): Promise<void> {
    await this.#held.followFleet();
    if (this.#held.isConfirmDue(earliestShare)) await this.confirm(); // otherwise another worker has asked for all
  }

  async #confirm(options: ConfirmationOptions): Promise<void> {
    const refusal = await confirmHeld(this.#parts, this.#held, options);
    if (refusal) this.#refusal = refusal;
  }
}

/** Share of `confirmEvery` after which a worker may ask KMS again. */
const earliestShare = 0.9;
