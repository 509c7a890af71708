import { hasPassed, momentOf, type Clock, type Moment } from "../../clock.js";
import type { KmsError } from "../../kms/kms-error.js";
import { defined } from "../../util/defined.js";
import type { StatusDocument } from "../documents.js";
import { attestedDigest, type ClaimedKeyPair } from "../key-pair.js";
import type { KeyPairRecords } from "../records.js";
import type { VouchedKeyPair } from "../trust.js";
import type { AliasWatch } from "./alias-watch.js";
import { decodeStatus, encodeStatus, longestText, type FleetSecret, type FleetWord } from "./fleet-word.js";

/** Shortest time between two writes of the same news, in ms. */
const writeAtMostEvery = 25_000;

/** What a worker has learned from KMS about a pair. */
export interface News {
  /** When KMS vouched for the pair, in ms since the Unix epoch. */
  readonly confirmedAt: number;
  /** Why KMS gave no good answer since. */
  readonly error?: KmsError;
}

/** The status item, and whether the fleet stands for it. */
export interface ToldStatus {
  readonly status: StatusDocument;
  /** The same as the fleet's word; missing where the fleet's secret does not authenticate it. */
  readonly word?: FleetWord;
}

/**
 * Tells the workers of a fleet about the active pair, through a small item in the store. Authenticated with the fleet's
 * secret it is the fleet's word, which counts as KMS's own. Without a secret it is a hint for people: whoever can write to
 * the store can write it, so it decides nothing.
 */
export class FleetStatus {
  readonly #records: KeyPairRecords;
  readonly #secret: FleetSecret | undefined;
  readonly #alias: AliasWatch;
  readonly #clock: Clock;
  #written: { readonly at: Moment; readonly news: string } | undefined;
  /** Sequence of the newest pair in the fleet's word. A worker that lags behind does not overwrite it. */
  #newest = 0;

  constructor(records: KeyPairRecords, secret: FleetSecret | undefined, alias: AliasWatch, clock: Clock) {
    this.#records = records;
    this.#secret = secret;
    this.#alias = alias;
    this.#clock = clock;
  }

  /** What authenticates the fleet's words; `undefined` where the fleet has none. */
  get secret(): FleetSecret | undefined {
    return this.#secret;
  }

  /** The fleet's word, if there is any. Never rejects. */
  async word(): Promise<FleetWord | undefined> {
    if (!this.#secret) return undefined;
    const status = await this.#read();
    const word = status && this.#secret.verify(this.#records.organizationId, status);
    if (word) this.#newest = Math.max(this.#newest, word.sequence);
    return word;
  }

  /** The item, where it is about a pair. Never rejects. */
  async told(pair: ClaimedKeyPair): Promise<ToldStatus | undefined> {
    const status = await this.#read();
    if (!status?.attested.equals(attestedDigest(pair))) return undefined;
    return { status, ...defined({ word: this.#secret?.verify(this.#records.organizationId, status) }) };
  }

  /**
   * Tells the others. Never rejects.
   * @param force - overwrites the word about a newer pair: the operator has gone back to this one
   */
  async tell(pair: VouchedKeyPair, { confirmedAt, error }: News, { force = false } = {}): Promise<void> {
    if (pair.birth.sequence < this.#newest && !force) return;
    const at = momentOf(this.#clock);
    const alias = this.#alias.told(pair);
    const news = `${pair.digest.toString("hex")} ${error?.kind ?? "ok"} ${alias?.kmsKeyArn ?? ""} ${alias?.since ?? ""}`;
    if (!force && this.#written?.news === news && !hasPassed(this.#written.at, writeAtMostEvery, this.#clock)) return;
    this.#written = { at, news };
    this.#newest = pair.birth.sequence;
    try {
      const status = statusOf(pair, { confirmedAt, at: at.wall, error, alias });
      const signed = this.#secret?.sign(this.#records.organizationId, status) ?? status;
      await this.#records.writeStatus(encodeStatus(signed));
    } catch {
      this.#written = undefined; // said again next time
    }
  }

  /** Tells the others of a pair that KMS has just vouched for, so that none of them has to ask. */
  async tellNew(pair: VouchedKeyPair, news: News): Promise<void> {
    if (this.#secret) await this.tell(pair, news);
  }

  async #read(): Promise<StatusDocument | undefined> {
    try {
      const stored = await this.#records.readStatus();
      return stored && decodeStatus(stored);
    } catch {
      return undefined;
    }
  }
}

interface Telling {
  readonly confirmedAt: number;
  /** When KMS was last asked, in ms since the Unix epoch. */
  readonly at: number;
  readonly error?: KmsError | undefined;
  readonly alias?: StatusDocument["alias"];
}

/** The status item of a pair. */
export function statusOf(pair: VouchedKeyPair, { confirmedAt, at, error, alias }: Telling): StatusDocument {
  const short = (text: string) => text.slice(0, longestText);
  const failure = error && { kind: error.kind, operation: short(error.operation), message: short(error.message) };
  const { keyPairId, sequence } = pair.birth;
  return { keyPairId, sequence, attested: attestedDigest(pair), confirmedAt, at, ...defined({ failure, alias }) };
}
