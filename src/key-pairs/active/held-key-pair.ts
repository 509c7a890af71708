import { RecordingKeyStoreError } from "../../errors.js";
import { kmsError, kmsFailureKinds, type KmsFailureKind } from "../../kms/kms-error.js";
import type { KeyPairContext } from "../context.js";
import type { FleetWord } from "./fleet-word.js";
import { attestedDigest } from "../key-pair.js";
import type { ClaimedHead } from "../records.js";
import type { UnconfirmedKeyPair } from "../trust.js";
import type { Vouched } from "../vouching.js";
import { hasPassed, momentOf, type Moment } from "../../clock.js";

/** The pair with which recordings are encrypted now, and who has vouched for it. */
export type ActiveKeyPair =
  | ({ readonly confirmation: "confirmed" } & Vouched)
  | { readonly confirmation: "unconfirmed"; readonly pair: UnconfirmedKeyPair };

/** The newest pair that was vouched for; a head behind it has been rolled back. */
interface Floor {
  readonly sequence: number;
  readonly digest: Buffer;
}

/** How soon a pair is asked about again that is unconfirmed or in trouble, milliseconds. */
const retryConfirmAfter = 30_000;

/** What this process encrypts with, what it remembers having seen, and when KMS was asked about it. */
export class HeldKeyPair {
  readonly #context: KeyPairContext;
  #held: ActiveKeyPair | undefined;
  #floor: Floor | undefined;
  /** When KMS was asked about the pair last, by this worker or for the fleet. */
  askedAt: Moment | undefined;

  constructor(context: KeyPairContext) {
    this.#context = context;
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

  /** How long KMS's answer about the pair is relied on, milliseconds. */
  get confirmInterval(): number {
    const { health, times } = this.#context;
    return health.trouble || !this.vouched ? Math.min(retryConfirmAfter, times.confirmEvery) : times.confirmEvery;
  }

  /** @param share - of the interval */
  isConfirmDue(share = 1): boolean {
    return !this.askedAt || hasPassed(this.askedAt, this.confirmInterval * share, this.#context.clock);
  }

  /** Encrypts with this pair from now on. Says nothing of the store's head, which may name another. */
  async hold(vouched: Vouched): Promise<void> {
    const { pair, confirmedAt } = vouched;
    this.#floor = { sequence: pair.birth.sequence, digest: pair.digest };
    this.holdForNow(vouched);
    await this.#context.lastConfirmedPair.save(pair, confirmedAt);
  }

  /** Encrypts with a pair until a head that is vouched for says otherwise, be it an earlier one: this may never have been active. */
  holdForNow({ pair, vouchedBy, confirmedAt }: Vouched): void {
    const { clock, emit, health } = this.#context;
    const { keyPairId, sequence } = pair.birth;
    const changed = !this.#held?.pair.digest.equals(pair.digest);
    this.#held = { pair, vouchedBy, confirmedAt, confirmation: "confirmed" };
    this.askedAt = vouchedBy === "kms" ? momentOf(clock) : this.#momentOf(confirmedAt);
    if (changed) emit("keyPairChanged", { keyPairId, sequence });
    if (vouchedBy === "kms") health.answered(pair.birth);
    emit("keyPairConfirmed", { keyPairId, sequence });
  }

  /** Encrypts with a pair that nobody has vouched for, for want of a better one. */
  holdUnconfirmed(pair: UnconfirmedKeyPair): void {
    this.#held = { pair, confirmation: "unconfirmed" };
  }

  /** Lets go of a pair that nobody has vouched for. */
  letGo(): void {
    if (!this.vouched) this.#held = undefined;
  }

  /** KMS disowns the pair in use. It ends where it was held on a memory's word, or on nobody's; not what KMS had confirmed. */
  disowned(): void {
    if (this.vouched?.vouchedBy === "kms") return;
    this.#held = undefined;
    this.#floor = undefined;
  }

  forgetFloor(): void {
    this.#floor = undefined;
  }

  /** Brings back what this host confirmed in an earlier life. */
  async loadLastConfirmed(): Promise<void> {
    const { lastConfirmedPair } = this.#context;
    const loaded = await lastConfirmedPair.load();
    if (!loaded || this.vouched) return; // it goes before a pair that nobody has vouched for
    const { pair, confirmedAt } = loaded;
    this.#held = { pair, confirmation: "confirmed", vouchedBy: "host", confirmedAt };
    this.#floor = { sequence: pair.birth.sequence, digest: pair.digest };
    this.askedAt ??= lastConfirmedPair.confirmedAt;
  }

  /** Takes up what the fleet holds, where that is newer than what this process does. Asks nobody but the store. */
  async followFleet(): Promise<void> {
    const { fleet, records, trust, clock } = this.#context;
    const word = await fleet.word();
    if (!word || this.heed(word) || word.sequence <= (this.#floor?.sequence ?? 0)) return;
    try {
      const claim = await records.readPair(word.keyPairId);
      if (!claim) return;
      await this.hold({
        pair: trust.vouchByFleet(claim, word),
        vouchedBy: "fleet",
        confirmedAt: Math.min(word.confirmedAt, clock.now()),
      });
      this.heed(word);
    } catch (error) {
      if (!(error instanceof RecordingKeyStoreError)) throw error; // otherwise nobody is the wiser
    }
  }

  /**
   * What the fleet's word says of the pair in use. About health it counts for `confirmEvery`, so that an old one brought
   * back hides nothing, and not over what this worker has asked since.
   * @returns whether the word is about that pair
   */
  heed(word: FleetWord): boolean {
    const held = this.vouched;
    if (!held || !word.attested.equals(attestedDigest(held.pair))) return false;
    const { clock, times, health } = this.#context;
    const now = clock.now();
    const confirmedAt = Math.min(word.confirmedAt, now);
    if (confirmedAt > held.confirmedAt) this.#held = { ...held, confirmation: "confirmed", confirmedAt };
    const age = now - word.at;
    const isNews = age >= 0 && age < times.confirmEvery && !(this.askedAt && this.askedAt.wall > word.at);
    if (!isNews) return true;
    this.askedAt = this.#momentOf(word.at);
    if (!word.failure) health.succeeded("confirm");
    else if (isKnownKind(word.failure.kind)) {
      health.failed(
        "confirm",
        kmsError(word.failure.kind, { ...word.failure, keyId: held.pair.attestation.kmsKeyArn }),
      );
    }
    return true;
  }

  /** @throws RecordingKeyStoreError `ERR_STORE_ROLLED_BACK` for a head behind what was vouched for before */
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

  /** Whether a pair is behind one that was vouched for before. */
  isBehind(sequence: number): boolean {
    return this.#floor !== undefined && sequence < this.#floor.sequence;
  }

  #momentOf(wall: number): Moment {
    const { clock } = this.#context;
    return { wall, monotonic: clock.monotonic() - Math.max(0, clock.now() - wall) };
  }
}

function isKnownKind(kind: string): kind is KmsFailureKind {
  return (kmsFailureKinds as readonly string[]).includes(kind);
}

export function rolledBack(what: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError(
    "ERR_STORE_ROLLED_BACK",
    `${what}; if the store was restored on purpose, call acceptRestoredStore()`,
  );
}
