import { hasPassed, isAhead, knownElapsed, momentOf, type Moment } from "../../clock.js";
import { RecordingKeyStoreError } from "../../errors.js";
import { kmsError, kmsFailureKinds, type KmsFailureKind } from "../../kms/kms-error.js";
import type { KeyPairContext } from "../context.js";
import { rolledBack } from "../failures.js";
import { attestedDigest } from "../key-pair.js";
import type { ClaimedHead } from "../records.js";
import type { UnconfirmedKeyPair } from "../trust.js";
import type { Vouched } from "../vouching.js";
import { confirmedAtOf, type FleetWord } from "./fleet-word.js";

/** The pair that encrypts now, and who has vouched for it. */
export type ActiveKeyPair =
  | ({ readonly confirmation: "confirmed" } & Vouched)
  | { readonly confirmation: "unconfirmed"; readonly pair: UnconfirmedKeyPair };

/** The newest pair that was vouched for. A head behind it has been rolled back. */
interface Floor {
  readonly sequence: number;
  readonly digest: Buffer;
}

/** Longest time until KMS is asked again about a pair that is unconfirmed or in trouble, in ms. */
const retryConfirmAfter = 30_000;

export type HeldParts = Pick<
  KeyPairContext,
  "records" | "trust" | "lastConfirmedPair" | "fleet" | "alias" | "health" | "clock" | "emit" | "times"
>;

/** The pair that this process encrypts with, the newest one it has seen, and when KMS was asked about it. */
export class HeldKeyPair {
  readonly #parts: HeldParts;
  #held: ActiveKeyPair | undefined;
  #floor: Floor | undefined;
  /** When somebody last vouched for the pair in use. */
  #confirmedAt: Moment | undefined;
  /** When KMS was last asked about the pair, by this worker or for the fleet. */
  #askedAt: Moment | undefined;

  constructor(parts: HeldParts) {
    this.#parts = parts;
  }

  get current(): ActiveKeyPair | undefined {
    return this.#held;
  }

  get vouched(): Vouched | undefined {
    return this.#held?.confirmation === "confirmed" ? this.#held : undefined;
  }

  get hasFloor(): boolean {
    return this.#floor !== undefined;
  }

  /** Time since somebody last vouched for the pair in use, in ms; `Infinity` where nobody knows. */
  get confirmedAge(): number {
    return this.#confirmedAt ? knownElapsed(this.#confirmedAt, this.#parts.clock) : Infinity;
  }

  get askedAt(): Moment | undefined {
    return this.#askedAt;
  }

  /** Takes note that KMS has been asked about the pair now. */
  asked(): void {
    this.#askedAt = momentOf(this.#parts.clock);
  }

  /** Time for which KMS's answer about the pair counts, in ms. */
  get confirmInterval(): number {
    const { health, times } = this.#parts;
    return health.trouble || !this.vouched ? Math.min(retryConfirmAfter, times.confirmEvery) : times.confirmEvery;
  }

  /** @param share - part of the interval, up to 1 */
  isConfirmDue(share = 1): boolean {
    return !this.#askedAt || hasPassed(this.#askedAt, this.confirmInterval * share, this.#parts.clock);
  }

  /** Encrypts with this pair from now on. The store's head may name another. */
  async hold(vouched: Vouched): Promise<void> {
    const { pair, confirmedAt } = vouched;
    this.#floor = { sequence: pair.birth.sequence, digest: pair.digest };
    this.holdProvisionally(vouched);
    await this.#parts.lastConfirmedPair.save(pair, confirmedAt);
  }

  /** Encrypts with a pair until the head names a vouched one, be it an earlier one: this may never have been active. */
  holdProvisionally({ pair, vouchedBy, confirmedAt }: Vouched): void {
    const { alias, clock, emit, health } = this.#parts;
    const { keyPairId, sequence } = pair.birth;
    const changed = !this.#held?.pair.digest.equals(pair.digest);
    this.#held = { pair, vouchedBy, confirmedAt, confirmation: "confirmed" };
    this.#confirmedAt = this.#momentOf(confirmedAt);
    this.#askedAt = vouchedBy === "kms" ? momentOf(clock) : this.#confirmedAt;
    alias.takeUp(pair);
    if (changed) emit("keyPairChanged", { keyPairId, sequence });
    if (vouchedBy === "kms") health.answered(pair.birth);
    emit("keyPairConfirmed", { keyPairId, sequence });
  }

  /** Encrypts with a pair that nobody has vouched for. */
  holdUnconfirmed(pair: UnconfirmedKeyPair): void {
    this.#held = { pair, confirmation: "unconfirmed" };
  }

  /** Drops a pair that nobody has vouched for. */
  dropUnconfirmed(): void {
    if (!this.vouched) this.#held = undefined;
  }

  /** Drops the pair in use, which KMS disowns, unless KMS itself had confirmed it. */
  disowned(): void {
    if (this.vouched?.vouchedBy === "kms") return;
    this.#held = undefined;
    this.#floor = undefined;
  }

  forgetFloor(): void {
    this.#floor = undefined;
  }

  /** Takes up the last confirmed pair of this host. */
  async loadLastConfirmed(): Promise<void> {
    const { alias, lastConfirmedPair } = this.#parts;
    if (this.vouched) return; // a place that hangs holds up nobody who needs nothing of it
    const loaded = await lastConfirmedPair.load();
    if (!loaded || this.vouched) return; // goes before a pair that nobody has vouched for
    const { pair, confirmedAt } = loaded;
    this.#held = { pair, confirmation: "confirmed", vouchedBy: "host", confirmedAt };
    this.#floor = { sequence: pair.birth.sequence, digest: pair.digest };
    this.#confirmedAt = this.#momentOf(confirmedAt, lastConfirmedPair.confirmedAt);
    this.#askedAt ??= lastConfirmedPair.confirmedAt;
    alias.takeUp(pair);
  }

  /** Takes up the fleet's pair, where that is newer than the one in use. Asks the store alone. */
  async followFleet(): Promise<void> {
    const { fleet, records, trust, clock } = this.#parts;
    const word = await fleet.word();
    if (!word || this.applyWord(word) || word.sequence <= (this.#floor?.sequence ?? 0)) return;
    try {
      const claim = await records.readPair(word.keyPairId);
      if (!claim) return;
      await this.hold({
        pair: trust.vouchByFleet(claim, word),
        vouchedBy: "fleet",
        confirmedAt: confirmedAtOf(word, clock),
      });
      this.applyWord(word);
    } catch (error) {
      if (!(error instanceof RecordingKeyStoreError)) throw error; // otherwise goes on as before
    }
  }

  /**
   * Applies the fleet's word about the pair in use. On health it counts for `confirmEvery`, so that an old one brought back
   * hides nothing, and not over what this worker has asked since.
   * @returns whether the word is about the pair in use
   */
  applyWord(word: FleetWord): boolean {
    const held = this.vouched;
    if (!held || !word.attested.equals(attestedDigest(held.pair))) return false;
    const { alias, clock, times, health } = this.#parts;
    alias.learn(held.pair, word);
    const now = clock.now();
    const confirmedAt = confirmedAtOf(word, clock);
    if (!isAhead(confirmedAt, clock) && now - confirmedAt < this.confirmedAge) {
      this.#held = { ...held, confirmation: "confirmed", confirmedAt };
      this.#confirmedAt = this.#momentOf(confirmedAt);
    }
    const age = now - word.at;
    const isNew = age >= 0 && age < times.confirmEvery && !(this.#askedAt && this.#askedAt.wall > word.at);
    if (!isNew) return true;
    this.#askedAt = this.#momentOf(word.at);
    if (!word.failure) health.succeeded("confirm");
    else if (isKnownKind(word.failure.kind)) {
      health.failed(
        "confirm",
        kmsError(word.failure.kind, { ...word.failure, keyId: held.pair.attestation.kmsKeyArn }),
      );
    }
    return true;
  }

  /** @throws RecordingKeyStoreError `ERR_STORE_ROLLED_BACK` for a head behind the newest vouched pair */
  checkFloor(head: ClaimedHead): void {
    const floor = this.#floor;
    if (
      !floor ||
      head.sequence > floor.sequence ||
      (head.sequence === floor.sequence && head.digest.equals(floor.digest))
    )
      return;
    throw rolledBack(`the store's head is at key pair ${head.sequence}, and this host has seen ${floor.sequence}`);
  }

  /** Whether a pair is behind the newest vouched one. */
  isBehind(sequence: number): boolean {
    return this.#floor !== undefined && sequence < this.#floor.sequence;
  }

  /** A time on both clocks, by what this process remembers of it. One that lies ahead is taken to be long ago. */
  #momentOf(wall: number, known: Moment = momentOf(this.#parts.clock)): Moment {
    const { clock } = this.#parts;
    const isUnknown = isAhead(wall, clock) && wall > known.wall;
    return { wall, monotonic: isUnknown ? -Infinity : known.monotonic - Math.max(0, known.wall - wall) };
  }
}

function isKnownKind(kind: string): kind is KmsFailureKind {
  return (kmsFailureKinds as readonly string[]).includes(kind);
}
