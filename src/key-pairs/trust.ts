import type { Clock } from "../clock.js";
import { RecordingKeyStoreError } from "../errors.js";
import { isKmsKeyArn, parseKmsArn, regionOf, replicaArn, sameAccountAndRegion } from "../kms/arn.js";
import { kmsFailureGroup, KmsError } from "../kms/kms-error.js";
import type { TrustAnchor } from "./trust-anchor.js";
import { abortable } from "../util/abort.js";
import type { DisownedClaims } from "./disowned-claims.js";
import type { FleetWord } from "./active/fleet-word.js";
import { attestedDigest, claimDigest, untrusted, type ClaimedKeyPair } from "./key-pair.js";
import type { KmsCalls } from "./kms-calls.js";
import { momentOf, type Moment } from "../clock.js";

declare const vouched: unique symbol;
declare const tolerated: unique symbol;

/** A pair for which KMS, this host's memory or the fleet has vouched. Only {@link Trust} makes one. */
export type VouchedKeyPair = ClaimedKeyPair & { readonly [vouched]: true };

/** A pair that nobody could be asked about and that may serve all the same. Only {@link Trust} makes one. */
export type UnconfirmedKeyPair = ClaimedKeyPair & { readonly [tolerated]: true };

/** Who vouches for a pair: KMS in this process, this host's record of what KMS said earlier, or another worker. */
export type VouchedBy = "kms" | "host" | "fleet";

/** What KMS says of a claim. */
export type Verdict =
  | { readonly status: "confirmed"; readonly pair: VouchedKeyPair }
  /** KMS read it and it is not so, or the claim contradicts what is known without KMS. */
  | { readonly status: "disowned"; readonly error: RecordingKeyStoreError }
  /** KMS answered, and refused. */
  | { readonly status: "refused"; readonly error: KmsError }
  /** KMS could not be reached, or gave no answer that tells anything. */
  | { readonly status: "no-verdict"; readonly error: KmsError };

export interface TrustParts {
  /** Which KMS keys count; without it the first alias that is confirmed or configured is trusted from then on. */
  readonly anchor: TrustAnchor | undefined;
  readonly homeRegion: string;
  /** The service's own names for the organization's id in the encryption context. */
  readonly contextKeyNames: readonly string[];
  readonly calls: KmsCalls;
  readonly disowned: DisownedClaims;
  /** Nothing unconfirmed is wanted. */
  readonly requireConfirmed?: boolean;
  readonly clock: Clock;
}

/** How many claims that KMS has confirmed, and how many that it has refused, are remembered. */
const remembered = { confirmed: 1_000, refused: 10_000 };

/** The only way from a claim to a vouched pair (`docs/threat-model.md`). */
export class Trust {
  readonly #parts: TrustParts;
  #firstAlias: string | undefined;
  readonly #asking = new Map<string, Promise<Verdict>>();
  /** Digests of the claims that KMS has confirmed to this instance. */
  readonly #confirmed = new Set<string>();
  readonly #refused = new Map<string, Moment>();

  constructor(parts: TrustParts) {
    this.#parts = parts;
  }

  /** `configured`, or `first-use` with the alias that was met first. */
  get basis():
    { readonly kind: "configured" } | { readonly kind: "first-use"; readonly kmsKeyAliasArn: string | undefined } {
    return this.#parts.anchor ? { kind: "configured" } : { kind: "first-use", kmsKeyAliasArn: this.#firstAlias };
  }

  /** Trusts an alias on first use, or anew because the caller of `configure` named it. */
  adopt(kmsKeyAliasArn: string): void {
    if (!this.#parts.anchor && this.#firstAlias === undefined) warnOfFirstUse();
    this.#firstAlias = kmsKeyAliasArn;
  }

  /** Whether a KMS key may be used. */
  coversKey(kmsKeyArn: string): boolean {
    const { anchor } = this.#parts;
    if (anchor) return anchor.coversKey(kmsKeyArn);
    const first = this.#firstAlias;
    return isKmsKeyArn(kmsKeyArn) && (first === undefined || sameAccountAndRegion(kmsKeyArn, first));
  }

  /**
   * Asks KMS about a claim, once for all who ask at a time. Its attestation must decrypt under the pair's own context to the
   * digest of birth record and public key; a caller who may not decrypt attestations is asked for the private half instead.
   * Rejects for the caller's abort alone.
   */
  async ask(claim: ClaimedKeyPair, signal?: AbortSignal): Promise<Verdict> {
    signal?.throwIfAborted();
    const error = this.knownToBeNone(claim);
    if (error) return { status: "disowned", error };
    const name = claimDigest(claim);
    let asking = this.#asking.get(name);
    if (!asking) {
      asking = this.#askKms(claim, name).finally(() => this.#asking.delete(name));
      this.#asking.set(name, asking);
    }
    return abortable(asking, signal);
  }

  /** Why a claim is false, where that is known without asking KMS. */
  knownToBeNone(claim: ClaimedKeyPair): RecordingKeyStoreError | undefined {
    return this.#contradictionOf(claim) ?? this.#parts.disowned.get(claimDigest(claim));
  }

  /** When KMS refused last to say anything of a claim, if that was its last word. */
  refusedAt(claim: ClaimedKeyPair): Moment | undefined {
    return this.#refused.get(claimDigest(claim));
  }

  /** A pair that this host had confirmed in an earlier life. @throws `ERR_KEY_PAIR_UNTRUSTED` where it may not count any more */
  vouchByHost(claim: ClaimedKeyPair): VouchedKeyPair {
    return this.#vouchByMemory(claim);
  }

  /** A pair that another worker of the fleet had confirmed. @throws `ERR_KEY_PAIR_UNTRUSTED` where the word is of another pair */
  vouchByFleet(claim: ClaimedKeyPair, word: FleetWord): VouchedKeyPair {
    if (!word.attested.equals(attestedDigest(claim)))
      throw untrusted(`key pair ${claim.birth.keyPairId} is not the one that the fleet vouches for`);
    return this.#vouchByMemory(claim);
  }

  /**
   * Has KMS unwrap a pair that this process has just made. A policy may allow Encrypt and forbid Decrypt: nothing is
   * encrypted for a pair that KMS has not opened once.
   * @param named - the caller of `configure` has named the pair's alias, which trust on first use does not have to know
   * @throws KmsError, `ERR_KEY_PAIR_UNTRUSTED`
   */
  async vouchForNew(
    pair: ClaimedKeyPair,
    { named }: { named: boolean },
    signal?: AbortSignal,
  ): Promise<VouchedKeyPair> {
    const contradiction = this.#contradictionOf(pair, named && !this.#parts.anchor);
    if (contradiction) throw contradiction;
    await this.#parts.calls.unwrapHalf(pair, pair.wrapping, signal);
    return this.#confirmedByKms(pair);
  }

  /**
   * A pair that nobody has vouched for may serve where KMS gave no verdict and nothing in the pair's own text can be the
   * reason: its KMS key is covered by the anchor, in the home Region, and named as KMS names keys.
   */
  tolerate(claim: ClaimedKeyPair, verdict: Verdict): UnconfirmedKeyPair | undefined {
    if (verdict.status !== "no-verdict" || !this.#parts.anchor || this.#parts.requireConfirmed) return undefined;
    const asKmsNamesIt = [claim.wrapping, claim.attestation].every(
      ({ kmsKeyArn }) => kmsKeyArn === kmsKeyArn.toLowerCase(),
    );
    return asKmsNamesIt && !this.#contradictionOf(claim) ? (claim as UnconfirmedKeyPair) : undefined;
  }

  /** Whether the pair's own KMS key may be asked to open recordings of it. */
  coversForDecryption({ wrapping }: Pick<ClaimedKeyPair, "wrapping">): boolean {
    return !this.#parts.anchor || this.#parts.anchor.coversKey(wrapping.kmsKeyArn);
  }

  /**
   * Checks the ARN under which an earlier pair is to be unwrapped. Under trust on first use any key that fits the pair's
   * own alias will do: an organization that moved to another account must still be able to open its old recordings.
   * @throws RecordingKeyStoreError `ERR_KEY_PAIR_UNTRUSTED`
   */
  checkForDecryption(pair: Pick<ClaimedKeyPair, "birth" | "wrapping">): void {
    if (!this.coversForDecryption(pair)) {
      throw untrusted(
        `key pair ${pair.birth.keyPairId} is under ${pair.wrapping.kmsKeyArn}, which trustedKmsKeys does not cover`,
      );
    }
    const foreign = foreignKeyOf(pair, [pair.wrapping.kmsKeyArn]);
    if (foreign) throw foreign;
  }

  /** What about a claim is known to be wrong without KMS. */
  #contradictionOf(
    { birth, wrapping, attestation }: ClaimedKeyPair,
    covered = false,
  ): RecordingKeyStoreError | undefined {
    const { contextKeyNames, homeRegion } = this.#parts;
    const what = `key pair ${birth.keyPairId}`;
    const keyArns = [wrapping.kmsKeyArn, attestation.kmsKeyArn];
    const uncovered = covered ? undefined : this.#uncoveredOf(birth.kmsKeyAliasArn, keyArns);
    if (uncovered !== undefined)
      return untrusted(`${what} is under ${uncovered}, which the trust anchor does not cover`);
    if (!contextKeyNames.includes(birth.contextKeyName)) {
      return untrusted(
        `${what} has the context key name ${birth.contextKeyName}, which is not the one of contextKeyName`,
      );
    }
    const elsewhere = keyArns.find((arn) => regionOf(arn) !== homeRegion && replicaArn(arn, homeRegion) === undefined);
    if (elsewhere !== undefined)
      return untrusted(`${what} is under ${elsewhere}, which is not in the home Region ${homeRegion}`);
    if (wrapping.kmsKeyArn !== attestation.kmsKeyArn)
      return untrusted(`${what} names one KMS key for its private half and another for its attestation`);
    return foreignKeyOf({ birth }, keyArns);
  }

  #uncoveredOf(aliasArn: string, keyArns: readonly string[]): string | undefined {
    const { anchor } = this.#parts;
    const first = this.#firstAlias;
    const isNamed = anchor
      ? anchor.covers(aliasArn)
      : first === undefined || aliasArn === first || isBeside(aliasArn, first);
    return isNamed ? keyArns.find((arn) => !this.coversKey(arn)) : aliasArn;
  }

  async #askKms(claim: ClaimedKeyPair, name: string): Promise<Verdict> {
    const verdict = await this.#verdictOf(claim, () => this.#attested(claim));
    const denied = verdict.status === "refused" && verdict.error.kind === "access-denied";
    const last = denied ? await this.#verdictOf(claim, () => this.#unwrapped(claim)) : verdict;
    // What KMS itself has confirmed before is not ended by a later word to the contrary: it goes on, and is asked about again.
    if (last.status === "disowned" && !this.#confirmed.has(name)) this.#parts.disowned.add(name, last.error);
    if (this.#refused.size >= remembered.refused) this.#refused.clear();
    if (last.status === "refused") this.#refused.set(name, momentOf(this.#parts.clock));
    else this.#refused.delete(name);
    return last;
  }

  async #attested(claim: ClaimedKeyPair): Promise<void> {
    if (!(await this.#parts.calls.attests(claim))) {
      throw untrusted(`key pair ${claim.birth.keyPairId}: KMS attests another public key than the one stored`);
    }
  }

  async #unwrapped(claim: ClaimedKeyPair): Promise<void> {
    await this.#parts.calls.unwrapHalf(claim, claim.wrapping);
  }

  async #verdictOf(claim: ClaimedKeyPair, question: () => Promise<void>): Promise<Verdict> {
    try {
      await question();
      this.#adoptIfFirst(claim);
      return { status: "confirmed", pair: this.#confirmedByKms(claim) };
    } catch (error) {
      if (!(error instanceof KmsError)) {
        if (error instanceof RecordingKeyStoreError) return { status: "disowned", error };
        throw error;
      }
      const group = kmsFailureGroup(error.kind);
      if (group === "unavailable") return { status: "no-verdict", error };
      if (group === "refused") return { status: "refused", error };
      return {
        status: "disowned",
        error: untrusted(`key pair ${claim.birth.keyPairId}: KMS rejects its record (${error.kind})`, error),
      };
    }
  }

  #vouchByMemory(claim: ClaimedKeyPair): VouchedKeyPair {
    const error = this.knownToBeNone(claim);
    if (error) throw error;
    this.#adoptIfFirst(claim);
    return claim as VouchedKeyPair;
  }

  #adoptIfFirst({ birth }: ClaimedKeyPair): void {
    if (this.#firstAlias === undefined) this.adopt(birth.kmsKeyAliasArn);
  }

  #confirmedByKms(claim: ClaimedKeyPair): VouchedKeyPair {
    if (this.#confirmed.size >= remembered.confirmed) this.#confirmed.clear();
    this.#confirmed.add(claimDigest(claim));
    return claim as VouchedKeyPair;
  }
}

/** Whether two aliases are of one account and Region. */
function isBeside(one: string, other: string): boolean {
  const [a, b] = [parseKmsArn(one), parseKmsArn(other)];
  return (
    a !== undefined &&
    b !== undefined &&
    a.partition === b.partition &&
    a.accountId === b.accountId &&
    a.region === b.region
  );
}

let warnedOfFirstUse = false;

/** Once in a process: it is about how the service is set up, not about one organization. */
function warnOfFirstUse(): void {
  if (warnedOfFirstUse) return;
  warnedOfFirstUse = true;
  process.emitWarning(
    "recording-keystore: without trustedKmsKeys the first KMS key alias met is trusted, whoever put it into the store",
  );
}

/** A pair's keys must be such as its alias can point at. */
function foreignKeyOf(
  { birth }: Pick<ClaimedKeyPair, "birth">,
  keyArns: readonly string[],
): RecordingKeyStoreError | undefined {
  const foreign = keyArns.find((arn) => !isKmsKeyArn(arn) || !sameAccountAndRegion(arn, birth.kmsKeyAliasArn));
  if (foreign === undefined) return undefined;
  return untrusted(
    `key pair ${birth.keyPairId} names the KMS key ${foreign}, which is not of its alias's account and Region`,
  );
}

/** Nobody has vouched for a pair, and KMS would not. @param cause - what KMS said */
export function unconfirmed(
  cause: RecordingKeyStoreError,
  what = "the key pair that the store names",
): RecordingKeyStoreError {
  const message =
    `nobody has vouched for ${what}: ${cause.message}. Encryption goes on as soon as KMS confirms it; ` +
    "hosts that keep lastConfirmed, and fleets with a fleetSecret, hold the last confirmed key through such times";
  return new RecordingKeyStoreError("ERR_KEY_UNCONFIRMED", message, { cause, retryable: true });
}
