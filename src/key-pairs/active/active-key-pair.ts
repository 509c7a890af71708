import { RecordingKeyStoreError, type ErrorCode } from "../../errors.js";
import { abortable, settledWithin, within } from "../../util/abort.js";
import type { KeyPairContext } from "../context.js";
import { HeldKeyPair, rolledBack, type ActiveKeyPair } from "./held-key-pair.js";
import type { ClaimedKeyPair } from "../key-pair.js";
import { takeUpUnasked } from "../never-active.js";
import { unconfirmed, type VouchedKeyPair } from "../trust.js";
import { askAgain, newestVouched, vouchForActive, type ActivationVerdict, type Vouched } from "../vouching.js";
import { KmsError } from "../../kms/kms-error.js";
import { elapsedSince, hasPassed, momentOf, type Moment } from "../../clock.js";

/** What a change of key builds upon: the pair that the store's head names, and the head's revision. Neither before the first. */
export interface RotationBase {
  readonly revision: string | undefined;
  readonly pair: VouchedKeyPair | undefined;
}

/**
 * Finds the active pair, has it vouched for, and holds on to the last confirmed one whatever KMS, the store or somebody
 * who can write to the store does.
 */
export class ActiveKeyPairs {
  readonly #context: KeyPairContext;
  readonly #held: HeldKeyPair;
  #headReadAt: Moment | undefined;
  /** When a search of the store has found nothing. */
  #searchedAt: Moment | undefined;
  #refreshing: Promise<void> | undefined;
  #confirming: Promise<void> | undefined;
  #inBackground: Promise<void> | undefined;
  /** Why the pair that the store names now is not the one in use. */
  #refusal: RecordingKeyStoreError | undefined;

  constructor(context: KeyPairContext) {
    this.#context = context;
    this.#held = new HeldKeyPair(context);
  }

  get current(): ActiveKeyPair | undefined {
    return this.#held.current;
  }

  /** The pair in use, if somebody has vouched for it. */
  get vouched(): Vouched | undefined {
    return this.#held.vouched;
  }

  /** True while something other than the head's confirmed pair is in use, or KMS trouble is unresolved. */
  get usesLastKnownKey(): boolean {
    return this.#refusal !== undefined || this.#context.health.trouble !== undefined;
  }

  get refusal(): RecordingKeyStoreError | undefined {
    return this.#refusal;
  }

  /** Nothing is under way, and nothing is known that another key store would not learn from host, store and KMS. */
  get isIdle(): boolean {
    if (this.#refreshing || this.#confirming || this.#inBackground || this.#refusal) return false;
    return this.current?.confirmation !== "unconfirmed";
  }

  /** In how many milliseconds KMS is to be asked about the pair in use, or the store whether there is one. */
  get confirmIn(): number {
    const { times, clock } = this.#context;
    const [interval, since] = this.current
      ? [this.#held.confirmInterval, this.#held.askedAt]
      : [times.confirmEvery, this.#headReadAt];
    return since ? interval - elapsedSince(since, clock) : 0;
  }

  /** Resolves when nothing of it is under way in the background. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#refreshing, this.#inBackground]);
  }

  /**
   * The pair to encrypt with. A process's first use waits for store and KMS: with `background`, at most `confirmTimeout`
   * where host or fleet remember a vouched pair, otherwise for as long as KMS's own deadline lets it. Later on the head is
   * read again when it is older than `headTtl`.
   * @throws RecordingKeyStoreError `ERR_NOT_CONFIGURED`, `ERR_KEY_UNCONFIRMED`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_STORE_*`
   */
  async acquire(background: boolean, signal?: AbortSignal): Promise<ActiveKeyPair> {
    const { times, clock } = this.#context;
    if (!this.current) await abortable(this.#held.loadLastConfirmed(), signal);
    const readAt = this.#headReadAt;
    if (!this.current) {
      await this.refresh(signal);
    } else if (!this.vouched && this.#held.isConfirmDue()) {
      await this.#reconsider(signal);
    } else if (!readAt || hasPassed(readAt, times.headTtl, clock)) {
      const refreshing = this.refresh(background ? undefined : signal);
      refreshing.catch(() => undefined); // remembered as refusal or trouble
      const idle = !readAt || hasPassed(readAt, 2 * times.headTtl, clock);
      if (!background) await refreshing.catch(() => signal?.throwIfAborted());
      else if (idle) await abortable(settledWithin(refreshing, times.confirmTimeout), signal);
    }
    if (background) this.#confirmWhenDue();
    if (!this.current) throw this.#refusal ?? notConfigured();
    return this.current;
  }

  /** A pair that nobody has vouched for serves only for as long as KMS, asked again and again, can't be reached. */
  async #reconsider(signal: AbortSignal | undefined): Promise<void> {
    await this.refresh(signal).catch(() => signal?.throwIfAborted());
    if (this.#held.isConfirmDue()) await this.confirm(signal); // the store is away, and KMS may not be
  }

  /** A vouched pair, after a look at the store. @throws as {@link acquire} */
  async acquireVouched(signal?: AbortSignal): Promise<Vouched> {
    await this.refresh(signal);
    if (this.vouched) return this.vouched;
    throw this.#refusal ?? unconfirmed(this.#context.health.trouble?.error ?? notConfigured());
  }

  /** What host and fleet remember; asks neither KMS nor for the head. */
  async loadLastConfirmed(signal?: AbortSignal): Promise<void> {
    await abortable(this.#held.loadLastConfirmed(), signal);
    // The fleet may have seen a newer pair than this host.
    if (!this.#headReadAt || !this.vouched) await abortable(this.#held.followFleet(), signal);
  }

  /** Reads the head, and takes up the pair it names if that may be used. One at a time. */
  refresh(signal?: AbortSignal): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
    return abortable(this.#refreshing, signal);
  }

  /**
   * What a change of key may build upon: nothing of it is the store's own word.
   * @throws RecordingKeyStoreError `ERR_STORE_ROLLED_BACK`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_KEY_UNCONFIRMED`, `ERR_STORE_*`; KmsError
   */
  async rotationBase(signal?: AbortSignal): Promise<RotationBase> {
    await this.loadLastConfirmed(signal);
    const head = await this.#context.records.readHead(signal);
    if (!head) {
      if (this.#held.hasFloor) throw noHead();
      return { revision: undefined, pair: undefined };
    }
    const { revision } = head;
    this.#held.checkFloor(head);
    if (this.vouched?.pair.digest.equals(head.digest)) return { revision, pair: this.vouched.pair };
    const verdict = await vouchForActive(this.#context, await this.#context.records.readHeadPair(head, signal), signal);
    if (verdict.status === "confirmed") {
      await this.adopt(verdict);
      return { revision, pair: verdict.pair };
    }
    throw verdict.status === "refused" ? unconfirmed(verdict.error) : verdict.error;
  }

  /** Makes the head's pair the active one. */
  async adopt(vouched: Vouched): Promise<void> {
    const { clock, health } = this.#context;
    // A slow answer about an earlier pair must not undo a change that was quicker.
    if (this.#held.isBehind(vouched.pair.birth.sequence)) return;
    this.#headReadAt = momentOf(clock);
    this.#refusal = undefined;
    health.succeeded("read-store");
    await this.#held.hold(vouched);
  }

  /** Takes up an earlier pair than the one that was seen last, by the operator's word. */
  async goBackTo(vouched: Vouched): Promise<void> {
    this.#held.forgetFloor();
    await this.adopt(vouched);
    await this.#context.fleet.tell(vouched.pair, vouched, { force: true });
  }

  /** Asks KMS about the active pair now. Used by the background and by explicit confirmation; never rejects for KMS. */
  confirm(signal?: AbortSignal): Promise<void> {
    this.#confirming ??= this.#confirm().finally(() => (this.#confirming = undefined));
    return abortable(this.#confirming, signal);
  }

  async #refresh(): Promise<void> {
    const { clock, health } = this.#context;
    await this.#held.loadLastConfirmed();
    try {
      if (!this.#headReadAt || !this.vouched) await this.#held.followFleet();
      await this.#followHead();
      this.#headReadAt = momentOf(clock);
      health.succeeded("read-store");
    } catch (error) {
      if (!(error instanceof RecordingKeyStoreError)) throw error;
      this.#headReadAt = momentOf(clock);
      if (error.code === "ERR_STORE_UNAVAILABLE") health.failed("read-store", error);
      else if (error.code !== "ERR_NOT_CONFIGURED") this.#refuse(error);
      if (!this.current && mayBeForged(error)) await this.#search();
      if (!this.current) throw error;
    }
  }

  #refuse(error: RecordingKeyStoreError): void {
    // Once, not at every look.
    if (error.code !== "ERR_KEY_UNCONFIRMED" && this.#refusal?.message !== error.message)
      this.#context.emit("keyPairUntrusted", { error });
    this.#refusal = error;
  }

  /** Where the head can't be right and nobody remembers better, the newest pair that KMS vouches for keeps recordings going. */
  async #search(): Promise<void> {
    const { clock } = this.#context;
    if (this.#searchedAt && !hasPassed(this.#searchedAt, searchAtMostEvery, clock)) return;
    try {
      const found = await newestVouched(this.#context, { bounded: true });
      if (found) this.#held.holdForNow(found);
      else this.#searchedAt = momentOf(clock);
    } catch (error) {
      if (!(error instanceof RecordingKeyStoreError)) throw error; // store or KMS is away: the next use searches again
    }
  }

  async #followHead(): Promise<void> {
    const { records, times } = this.#context;
    const head = await records.readHead();
    if (!head) throw this.#held.hasFloor ? noHead() : notConfigured();
    this.#held.checkFloor(head);
    const held = this.current?.pair.digest.equals(head.digest) ? this.current : undefined;
    if (held) this.#refusal = undefined;
    // What is held on a memory's word is asked about once by each process, and on nobody's word before it serves on.
    const asks = held?.confirmation === "unconfirmed" || !this.#headReadAt;
    if (held && !(asks && this.#held.isConfirmDue())) return;
    const claim = held?.pair ?? (await records.readHeadPair(head));
    const asking =
      held?.confirmation === "confirmed" ? askAgain(this.#context, held.pair) : vouchForActive(this.#context, claim);
    const verdict = this.vouched ? await within(asking, times.confirmTimeout) : await asking;
    if (verdict) await this.#settle(claim, verdict);
    else this.#settleLate(claim, asking);
  }

  /** KMS is slow: what it says counts once it comes. */
  #settleLate(claim: ClaimedKeyPair, asking: Promise<ActivationVerdict>): void {
    const { times, clock, health } = this.#context;
    const message = `KMS did not answer within ${times.confirmTimeout} ms`;
    health.failed("confirm", new RecordingKeyStoreError("ERR_KMS_UNAVAILABLE", message, { retryable: true }));
    this.#held.askedAt = momentOf(clock);
    const settling = asking
      .then((verdict) => this.#settleIfNamed(claim, verdict))
      .catch((error: unknown) => (error instanceof RecordingKeyStoreError ? this.#refuse(error) : undefined));
    this.#runInBackground(Promise.allSettled([this.#inBackground, settling]));
  }

  /** What the head named for a moment must not undo what has become of it since. */
  async #settleIfNamed(claim: ClaimedKeyPair, verdict: ActivationVerdict): Promise<void> {
    const head = await this.#context.records.readHead().catch(() => undefined); // the next look says what is wrong with it
    if (head?.digest.equals(claim.digest)) await this.#settle(claim, verdict);
  }

  /** Decides what a verdict on the head's pair means. */
  async #settle(claim: ClaimedKeyPair, verdict: ActivationVerdict): Promise<void> {
    if (verdict.status === "confirmed") {
      await this.adopt(verdict);
      if (verdict.vouchedBy === "kms") void this.#context.fleet.tellNew(verdict.pair, verdict); // spares the others their question
      return;
    }
    if (verdict.status === "disowned") {
      if (this.current?.pair.digest.equals(claim.digest)) this.#held.disowned();
      throw verdict.error;
    }
    const { health, emit, clock, trust } = this.#context;
    health.failed("confirm", verdict.error);
    this.#held.askedAt = momentOf(clock);
    this.#refusal = undefined;
    if (this.vouched) return; // goes before one that nobody has vouched for
    const pair = trust.tolerate(claim, verdict);
    if (!pair || !(await takeUpUnasked(this.#context.records, pair))) {
      this.#held.letGo();
      throw unconfirmed(verdict.error);
    }
    const { keyPairId, sequence } = pair.birth;
    const isNews = !this.current?.pair.digest.equals(pair.digest); // once, not at every look
    this.#held.holdUnconfirmed(pair);
    if (isNews) emit("keyPairUnconfirmed", { keyPairId, sequence, error: verdict.error });
  }

  #confirmWhenDue(): void {
    // Jittered by up to a tenth, so that workers started together do not ask together.
    if (this.#inBackground || !this.#held.isConfirmDue(earliest + (1 - earliest) * Math.random())) return;
    this.#runInBackground(this.#confirmInBackground());
  }

  /** Waits until KMS has been asked about the pair in use, if that is due. Never rejects for KMS. */
  async confirmDue(signal?: AbortSignal): Promise<void> {
    if (!this.#inBackground && this.#held.isConfirmDue()) this.#runInBackground(this.#confirmInBackground());
    await abortable(this.settled(), signal);
  }

  async #confirmInBackground(): Promise<void> {
    await this.#held.followFleet();
    if (!this.#held.isConfirmDue(earliest)) return; // another worker has asked for all
    await this.confirm();
  }

  #runInBackground(work: Promise<unknown>): void {
    const running = work.then(
      () => undefined,
      () => undefined,
    );
    this.#inBackground = running;
    void running.then(() => {
      if (this.#inBackground === running) this.#inBackground = undefined;
    });
  }

  async #confirm(): Promise<void> {
    const { clock, health, custody, organizationId, fleet, emit } = this.#context;
    const held = this.current;
    if (!held) return;
    this.#held.askedAt = momentOf(clock);
    const verdict = await (held.confirmation === "confirmed"
      ? askAgain(this.#context, held.pair)
      : vouchForActive(this.#context, held.pair));
    if (this.current?.pair !== held.pair) return;
    if (verdict.status === "confirmed") {
      await this.#held.hold(verdict);
      // What the fleet has said is not said again, as if KMS had been asked anew.
      return verdict.vouchedBy === "kms" ? fleet.tell(verdict.pair, verdict) : undefined;
    }
    health.failed("confirm", verdict.error);
    if (verdict.status === "disowned") {
      emit("keyPairUntrusted", { error: verdict.error });
      this.#held.disowned();
      if (!this.current) this.#refusal = verdict.error;
      return;
    }
    if (held.confirmation === "confirmed")
      void fleet.tell(held.pair, { confirmedAt: held.confirmedAt, error: verdict.error });
    if (verdict.status !== "refused") return;
    custody.drop({ organizationId, digest: held.pair.digest });
    if (held.confirmation === "confirmed") return;
    this.#held.letGo();
    this.#refusal = unconfirmed(verdict.error);
  }
}

/** Shortest time between two searches of the store that find nothing, milliseconds. */
const searchAtMostEvery = 20_000;
/** Share of `confirmEvery` after which a worker may ask KMS again. */
const earliest = 0.9;

/** Codes of a head that can't be right, or says that it is of a later version, which anybody may write. */
const suspicious: ReadonlySet<ErrorCode> = new Set([
  "ERR_KEY_PAIR_UNTRUSTED",
  "ERR_STORE_CORRUPT",
  "ERR_FORMAT_INVALID",
  "ERR_FORMAT_TOO_NEW",
]);

/** Whether what the head names may be a forgery; KMS refuses for a key of one's invention too. */
function mayBeForged({ code, cause }: RecordingKeyStoreError): boolean {
  if (code === "ERR_KEY_UNCONFIRMED") return cause instanceof KmsError && cause.code === "ERR_KMS_REFUSED";
  return suspicious.has(code);
}

function noHead(): RecordingKeyStoreError {
  return rolledBack("the store has no configuration any more");
}

function notConfigured(): RecordingKeyStoreError {
  return new RecordingKeyStoreError(
    "ERR_NOT_CONFIGURED",
    "no KMS key is configured for this organization: call configure() first",
  );
}
