import { hasPassed, momentOf, type Moment } from "../../clock.js";
import { RecordingKeyStoreError, type ErrorCode } from "../../errors.js";
import { KmsError } from "../../kms/kms-error.js";
import { newestVouched, type Vouched, type VouchingParts } from "../vouching.js";

/** Shortest time between two searches that find nothing, in ms. */
const pauseAfterNothing = 20_000;

/**
 * Finds a pair to go on with where the head can't be right and no vouched pair is in use: the newest one in the store that
 * KMS vouches for.
 */
export class HeadSearch {
  readonly #parts: VouchingParts;
  #foundNothingAt: Moment | undefined;

  constructor(parts: VouchingParts) {
    this.#parts = parts;
  }

  async run(): Promise<Vouched | undefined> {
    const { clock } = this.#parts;
    if (this.#foundNothingAt && !hasPassed(this.#foundNothingAt, pauseAfterNothing, clock)) return undefined;
    try {
      const found = await newestVouched(this.#parts, { bounded: true });
      if (!found) this.#foundNothingAt = momentOf(clock);
      return found;
    } catch (error) {
      if (!(error instanceof RecordingKeyStoreError)) throw error;
      return undefined; // store or KMS is away: the next use searches again
    }
  }
}

/** Codes of a head that can't be right, or claims to be of a later version, which anybody may write. */
const suspicious: ReadonlySet<ErrorCode> = new Set([
  "ERR_KEY_PAIR_UNTRUSTED",
  "ERR_STORE_CORRUPT",
  "ERR_FORMAT_INVALID",
  "ERR_FORMAT_TOO_NEW",
]);

/** Whether the head may be a forgery. KMS refuses for an invented key too. */
export function mayBeForged({ code, cause }: RecordingKeyStoreError): boolean {
  if (code === "ERR_KEY_UNCONFIRMED") return cause instanceof KmsError && cause.code === "ERR_KMS_REFUSED";
  return suspicious.has(code);
}
