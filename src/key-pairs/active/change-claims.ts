import { randomBytes } from "node:crypto";
import { elapsedSince, momentOf, type Clock, type Moment } from "../../clock.js";
import { RecordingKeyStoreError } from "../../errors.js";
import { defined } from "../../util/defined.js";
import { decodeDocument, encodeDocument, type ClaimDocument } from "../documents.js";
import type { ClaimedKeyPair } from "../key-pair.js";
import type { KeyPairRecords } from "../records.js";
import { u64, type FleetSecret } from "./fleet-word.js";

/*
 * All workers of a fleet meet a due change at about the same time. The one that first creates a numbered record beside the pair to be
 * replaced makes the change; the others look again once that claim is over, when the next number may be taken. A claim is
 * a hint that saves KMS calls: the head's compare-and-swap alone decides which pair becomes active. It delays the change for a
 * short time, whoever made it and whatever became of them, and after the last number nobody waits any more.
 */

/** Time for which one claim is respected, in ms. */
export const claimDuration = 30_000;
/** Most claims on one change: whoever plants them all delays it by so many times `claimDuration`. */
export const mostClaims = 3;

/** Ids of a claim, and of its maker's word that it is over, among the wrappings of a pair, whose ids are hashes of 43 characters. */
const claimId = (number: number) => `claim-${number}`;
const overId = (number: number) => `claim-${number}-over`;

type Records = Pick<KeyPairRecords, "organizationId" | "createWrapping" | "listWrappings">;

/** The claims of one worker on changes that are due. */
export class ChangeClaims {
  readonly #records: Records;
  readonly #secret: FleetSecret | undefined;
  readonly #clock: Clock;
  /** Tells this worker's own claims from those of others. */
  readonly #worker = randomBytes(16).toString("base64url");
  #pair: Buffer | undefined;
  #taken: { readonly claim: ClaimDocument; readonly number: number; readonly keyPairId: string } | undefined;
  /** When the claims on the change of `#pair` were first seen, by number. */
  readonly #seen = new Map<number, Moment>();

  /** @param secret - the fleet's: with it nobody else's claims count */
  constructor(records: Records, secret: FleetSecret | undefined, clock: Clock) {
    this.#records = records;
    this.#secret = secret;
    this.#clock = clock;
  }

  /**
   * Claims the due change of a pair for this worker.
   * @returns how long another worker's claim is still to be respected, in ms; 0 where this worker is to make the change, also
   * because the store takes no claim
   * @throws the signal's reason
   */
  async claim(pair: ClaimedKeyPair, signal?: AbortSignal): Promise<number> {
    if (!this.#pair?.equals(pair.digest)) this.#seen.clear();
    this.#pair = pair.digest;
    try {
      return (await this.#take(pair, 0, signal)) ? 0 : await this.#takeNext(pair, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof RecordingKeyStoreError) return 0;
      throw error;
    }
  }

  /** Tells the others that this worker has not made the change. Never rejects: its claim ends in time by itself. */
  async giveUp(): Promise<void> {
    const taken = this.#taken;
    this.#taken = undefined;
    if (!taken) return;
    const document = encodeDocument("claim", taken.claim);
    await this.#records
      .createWrapping(taken.keyPairId, { wrappingId: overId(taken.number), document })
      .catch(() => undefined);
  }

  /** Takes the first number whose claim is not made, where all before it are over. */
  async #takeNext(pair: ClaimedKeyPair, signal: AbortSignal | undefined): Promise<number> {
    let claims = await this.#read(pair, signal);
    for (let number = 0; number < mostClaims; number += 1) {
      if (!claims.has(number)) {
        if (await this.#take(pair, number, signal)) return 0;
        claims = await this.#read(pair, signal);
      }
      const { claim, isOver } = claims.get(number) ?? unknownClaim;
      const left = isOver ? 0 : this.#leftOf(claim, number);
      if (left > 0) return claim?.by === this.#worker ? 0 : left;
    }
    return 0;
  }

  async #take(pair: ClaimedKeyPair, number: number, signal: AbortSignal | undefined): Promise<boolean> {
    const { keyPairId } = pair.birth;
    const unsigned = { digest: pair.digest, at: this.#clock.now(), by: this.#worker };
    const claim = { ...unsigned, ...defined({ mac: this.#secret?.codeOf(label, this.#valuesOf(unsigned, number)) }) };
    const record = { wrappingId: claimId(number), document: encodeDocument("claim", claim) };
    if ((await this.#records.createWrapping(keyPairId, record, signal)) !== "created") return false;
    this.#taken = { claim, number, keyPairId };
    return true;
  }

  /** What stands in the place of each claim: nothing is known of one that can't be read. */
  async #read(pair: ClaimedKeyPair, signal: AbortSignal | undefined): Promise<Map<number, FoundClaim>> {
    const found = new Map<number, FoundClaim>();
    const stored = await this.#records.listWrappings(pair.birth.keyPairId, signal);
    const isThere = (id: string) => stored.some(({ wrappingId }) => wrappingId === id);
    for (let number = 0; number < mostClaims; number += 1) {
      const record = stored.find(({ wrappingId }) => wrappingId === claimId(number));
      if (!record) continue;
      found.set(number, { claim: readClaim(record.document, pair), isOver: isThere(overId(number)) });
      if (!this.#seen.has(number)) this.#seen.set(number, momentOf(this.#clock));
    }
    return found;
  }

  /** Time for which a claim is still to be respected, in ms: since it was first seen, and by its own time unless that lies ahead. */
  #leftOf(claim: ClaimDocument | undefined, number: number): number {
    if (this.#secret && !(claim && this.#secret.isCodeOf(label, this.#valuesOf(claim, number), claim.mac))) return 0;
    const seen = this.#seen.get(number) ?? momentOf(this.#clock);
    const age = claim ? this.#clock.now() - claim.at : 0;
    return claimDuration - Math.max(age, elapsedSince(seen, this.#clock));
  }

  /** What the fleet's secret authenticates (`docs/FORMAT.md`, "Words beside the key pairs"). */
  #valuesOf({ digest, at, by }: ClaimDocument, number: number): Buffer[] {
    return [Buffer.from(this.#records.organizationId), digest, u64(number), u64(at), Buffer.from(by)];
  }
}

interface FoundClaim {
  readonly claim: ClaimDocument | undefined;
  /** Whether its maker, or anybody else, has said that it is over. */
  readonly isOver: boolean;
}

const unknownClaim: FoundClaim = { claim: undefined, isOver: false };

const label = "recording-keystore change claim v1\0";

function readClaim(document: Uint8Array, pair: ClaimedKeyPair): ClaimDocument | undefined {
  try {
    const claim = decodeDocument("claim", document, "claim");
    return claim.digest.equals(pair.digest) ? claim : undefined;
  } catch {
    return undefined;
  }
}
