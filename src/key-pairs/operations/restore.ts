import { RecordingKeyStoreError } from "../../errors.js";
import { birthRecordDigest, type BirthRecord } from "../../format/birth-record.js";
import { isOutage } from "../failures.js";
import { claimedBirth, type KmsCiphertext } from "../key-pair.js";
import type { KeyPairContext } from "../context.js";
import type { DryRun } from "./orphans.js";

/*
 * Recordings carry their key pair's birth record and, unless `selfContained` is off, its private half wrapped by KMS. So a pair
 * that the store has lost can be put back from any of its recordings: KMS opens the wrapped half only under the context that
 * holds the birth record's digest, the public half follows from it, and KMS attests the whole anew.
 */

/** What a recording carries of a key pair. A claim: whoever can write to the recording has written it. */
export interface CarriedKeyPair {
  readonly birthRecord: Uint8Array;
  readonly kmsKeyArn?: string | undefined;
  readonly wrappedPrivateKey?: Uint8Array | undefined;
}

/** A key pair that recordings carry. */
export interface RestoredKeyPair {
  readonly keyPairId: string;
  readonly sequence: number;
}

/** Result of `restoreKeyPairs()`. */
export interface RestoreReport {
  /** Number of recordings read. */
  readonly recordings: number;
  /** Pairs put back, or to be put back with `dryRun`: KMS has opened each. */
  readonly restored: readonly RestoredKeyPair[];
  /** Pairs that the store has. KMS was not asked about them. */
  readonly already: readonly RestoredKeyPair[];
  /** Pairs that could not be put back, and why. Another recording of the same pair may do. */
  readonly failed: readonly (RestoredKeyPair & { readonly error: RecordingKeyStoreError })[];
  /** Recordings that are of no use here, by their place in what was given, from 0, and why. */
  readonly unusable: readonly { readonly index: number; readonly error: RecordingKeyStoreError }[];
}

type Parts = Pick<KeyPairContext, "organizationId" | "records" | "trust">;

/** Puts back key pairs that recordings carry and the store lacks, each once KMS has vouched for it. */
export class KeyPairRestoration {
  readonly #parts: Parts;
  readonly #dryRun: boolean;
  readonly #outcomes = new Map<string, Outcome>();
  readonly #unusable: RestoreReport["unusable"][number][] = [];
  #recordings = 0;

  constructor(parts: Parts, { dryRun }: DryRun) {
    this.#parts = parts;
    this.#dryRun = dryRun;
  }

  get report(): RestoreReport {
    const outcomes = [...this.#outcomes.values()].sort((one, other) => one.pair.sequence - other.pair.sequence);
    const pairsThat = (is: Outcome["is"]) => outcomes.filter((outcome) => outcome.is === is).map(({ pair }) => pair);
    const failed = outcomes.flatMap(({ pair, error }) => (error ? [{ ...pair, error }] : []));
    const [recordings, unusable] = [this.#recordings, [...this.#unusable]];
    return { recordings, restored: pairsThat("restored"), already: pairsThat("already"), failed, unusable };
  }

  /**
   * Goes on with the next recording.
   * @param read - reads what it carries
   * @throws KmsError `ERR_KMS_UNAVAILABLE` in an outage, `ERR_STORE_UNAVAILABLE`, what is no error of this library; the signal's reason
   */
  async add(read: () => Promise<readonly CarriedKeyPair[]>, signal: AbortSignal): Promise<void> {
    const index = this.#recordings;
    let first: RecordingKeyStoreError | undefined;
    const noting = async <T>(task: () => Promise<T>): Promise<T | undefined> => {
      try {
        return await task();
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof RecordingKeyStoreError) || isOutage(error)) throw error;
        first ??= error;
        return undefined;
      }
    };
    // One of a later version may stand beside one that this version knows.
    for (const pair of (await noting(read)) ?? []) await noting(() => this.#restore(pair, signal));
    this.#recordings += 1;
    if (first) this.#unusable.push({ index, error: first });
  }

  async #restore(carried: CarriedKeyPair, signal: AbortSignal): Promise<void> {
    const { organizationId } = this.#parts;
    const birthRecord = Buffer.from(carried.birthRecord);
    const birth = claimedBirth(birthRecord, { organizationId, what: "the recording's key pair" });
    const digest = birthRecordDigest(birthRecord).toString("base64url");
    const known = this.#outcomes.get(digest);
    if (known && !known.error) return;
    const { keyPairId, sequence } = birth;
    const pair = { keyPairId, sequence };
    try {
      this.#outcomes.set(digest, { pair, is: await this.#restoreOne(birth, birthRecord, carried, signal) });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof RecordingKeyStoreError) || isOutage(error)) throw error;
      this.#outcomes.set(digest, { pair, is: "failed", error: known?.error ?? error });
    }
  }

  async #restoreOne(
    birth: BirthRecord,
    birthRecord: Buffer,
    carried: CarriedKeyPair,
    signal: AbortSignal,
  ): Promise<"restored" | "already"> {
    const { records, trust } = this.#parts;
    const what = `key pair ${birth.keyPairId}`;
    const stored = await records.readPair(birth.keyPairId, signal);
    if (stored?.birthRecord.equals(birthRecord)) return "already";
    if (stored) throw placeTaken(what);
    const wrapping = wrappingOf(carried);
    if (!wrapping) throw notFound(`the recording does not carry the wrapped private half of ${what}`);
    const pair = await trust.vouchForCarried({ birth, birthRecord, wrapping }, { attest: !this.#dryRun }, signal);
    if (!pair) return "restored";
    await records.putPair(pair, signal);
    const now = await records.readPair(birth.keyPairId, signal);
    if (!now?.birthRecord.equals(birthRecord) || !now.publicKey.equals(pair.publicKey)) throw placeTaken(what);
    return "restored";
  }
}

interface Outcome {
  readonly pair: RestoredKeyPair;
  readonly is: "restored" | "already" | "failed";
  readonly error?: RecordingKeyStoreError;
}

function wrappingOf({ kmsKeyArn, wrappedPrivateKey }: CarriedKeyPair): KmsCiphertext | undefined {
  if (kmsKeyArn === undefined || !wrappedPrivateKey) return undefined;
  return { kmsKeyArn, ciphertext: Buffer.from(wrappedPrivateKey) };
}

function placeTaken(what: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError(
    "ERR_STORE_CORRUPT",
    `${what}: the store has something else in its place, which must be removed first`,
  );
}

function notFound(message: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_KEY_PAIR_NOT_FOUND", message);
}
