import { momentOf, type Clock, type Moment } from "../clock.js";
import { RecordingKeyStoreError } from "../errors.js";
import { isKmsKeyArn, regionOf, replicaArn, sameAccountAndRegion } from "../kms/arn.js";
import { KmsError, kmsFailureGroup } from "../kms/kms-error.js";
import { abortable } from "../util/abort.js";
import type { FleetWord } from "./active/fleet-word.js";
import type { DisownedClaims } from "./disowned-claims.js";
import { untrusted } from "./failures.js";
import {
  attestedDigest,
  claimDigest,
  claimedKeyPair,
  type BornKeyPair,
  type ClaimedKeyPair,
  type KmsCiphertext,
} from "./key-pair.js";
import type { KmsCalls } from "./kms-calls.js";
import type { TrustAnchor } from "./trust-anchor.js";
import { TrustBasis } from "./trust-basis.js";

declare const vouched: unique symbol;
declare const tolerated: unique symbol;

/** A pair that KMS, this host or the fleet vouches for. Only {@link Trust} makes one. */
export type VouchedKeyPair = ClaimedKeyPair & { readonly [vouched]: true };

/** A pair that nobody could be asked about, and that may serve all the same. Only {@link Trust} makes one. */
export type UnconfirmedKeyPair = ClaimedKeyPair & { readonly [tolerated]: true };

/** Who vouches for a pair: KMS to this process, this host's last confirmed record, or the fleet's word. */
export type VouchedBy = "kms" | "host" | "fleet";

/** KMS's answer about a claim. */
export type Verdict =
  | { readonly status: "confirmed"; readonly pair: VouchedKeyPair }
  /** KMS read it and it is false, or it contradicts what is known without KMS. */
  | { readonly status: "disowned"; readonly error: RecordingKeyStoreError }
  /** KMS answered, and refused. */
  | { readonly status: "refused"; readonly error: KmsError }
  /** KMS could not be reached, or gave no answer that says anything. */
  | { readonly status: "no-verdict"; readonly error: KmsError };

/** What trust rests on. */
export interface TrustParts {
  /** Which KMS keys count. Without it the first alias that is confirmed or configured is trusted from then on. */
  readonly anchor: TrustAnchor | undefined;
  readonly homeRegion: string;
  /** Names of the organization's id in the encryption context that the service allows. */
  readonly contextKeyNames: readonly string[];
  readonly calls: KmsCalls;
  readonly disowned: DisownedClaims;
  /** Refuses pairs that nobody has vouched for. */
  readonly requireConfirmed?: boolean;
  readonly clock: Clock;
}

/** What a recording carries of a pair. */
type CarriedParts = BornKeyPair & { readonly wrapping: KmsCiphertext };

/** How a new pair was asked for. */
interface NewPairOptions {
  /** The caller of `configure` has named the alias, which trust on first use need not know. */
  readonly named: boolean;
}

/** Most claims remembered as confirmed, and as refused. */
const remembered = { confirmed: 1_000, refused: 10_000 };

/** The only way from a claim to a vouched pair (`docs/threat-model.md`). */
export class Trust {
  readonly #parts: TrustParts;
  readonly #basis: TrustBasis;
  readonly #asking = new Map<string, Promise<Verdict>>();
  /** Digests of the claims that KMS has confirmed. */
  readonly #confirmed = new Set<string>();
  /** When KMS refused, by the digest of the claim. */
  readonly #refused = new Map<string, Moment>();

  constructor(parts: TrustParts) {
    this.#parts = parts;
    this.#basis = new TrustBasis(parts.anchor);
  }

  /** `configured`, or `first-use` with the alias that was met first. */
  get basis():
    { readonly kind: "configured" } | { readonly kind: "first-use"; readonly kmsKeyAliasArn: string | undefined } {
    const { anchor, firstAlias } = this.#basis;
    return anchor ? { kind: "configured" } : { kind: "first-use", kmsKeyAliasArn: firstAlias };
  }

  /** Trusts an alias on first use, or anew because the caller of `configure` named it. */
  adopt(kmsKeyAliasArn: string): void {
    this.#basis.adopt(kmsKeyAliasArn);
  }

  /** Whether a pair like this one would be taken if it were under another KMS key. */
  takesUnder(kmsKeyArn: string, { birth }: VouchedKeyPair): boolean {
    const ciphertext = { kmsKeyArn, ciphertext: Buffer.alloc(0) };
    return !this.#contradictionOf({ birth, wrapping: ciphertext, attestation: ciphertext });
  }

  /** Whether a KMS key may be used. */
  coversKey(kmsKeyArn: string): boolean {
    return this.#basis.coversKey(kmsKeyArn);
  }

  /**
   * Asks KMS about a claim, once for all who ask at a time. The attestation must decrypt under the pair's own context to the
   * digest of its other parts; where that is denied, the private half is unwrapped instead. Rejects for the caller's abort
   * alone.
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

  /** As {@link Trust.ask}, with the KMS key named by the alias. Anything but `confirmed` is no verdict on the pair: the alias may lead elsewhere. */
  askUnderAlias(pair: VouchedKeyPair): Promise<Verdict> {
    if (this.knownToBeNone(pair)) return this.ask(pair);
    return this.#verdictOf(pair, () => this.#attested(pair, this.#parts.calls.attestsUnderAlias(pair)));
  }

  /** Why a claim is false, where that is known without KMS. */
  knownToBeNone(claim: ClaimedKeyPair): RecordingKeyStoreError | undefined {
    return this.#contradictionOf(claim) ?? this.#parts.disowned.get(claimDigest(claim));
  }

  /** When KMS refused to answer about a claim, if that was its latest answer. */
  refusedAt(claim: ClaimedKeyPair): Moment | undefined {
    return this.#refused.get(claimDigest(claim));
  }

  /** Vouches for this host's last confirmed pair. @throws `ERR_KEY_PAIR_UNTRUSTED` where it does not count any more */
  vouchByHost(claim: ClaimedKeyPair): VouchedKeyPair {
    return this.#vouchUnasked(claim);
  }

  /** Vouches by the fleet's word. @throws `ERR_KEY_PAIR_UNTRUSTED` where the word is about another pair */
  vouchByFleet(claim: ClaimedKeyPair, word: FleetWord): VouchedKeyPair {
    if (!word.attested.equals(attestedDigest(claim)))
      throw untrusted(`key pair ${claim.birth.keyPairId} is not the one that the fleet vouches for`);
    return this.#vouchUnasked(claim);
  }

  /**
   * Vouches for a pair that this process has just made, once KMS has unwrapped it: a policy may allow Encrypt and forbid
   * Decrypt.
   * @throws KmsError, `ERR_KEY_PAIR_UNTRUSTED`
   */
  async vouchForNew(pair: ClaimedKeyPair, { named }: NewPairOptions, signal?: AbortSignal): Promise<VouchedKeyPair> {
    const contradiction = this.#contradictionOf(pair, named && !this.#parts.anchor);
    if (contradiction) throw contradiction;
    await this.#parts.calls.unwrapHalf(pair, pair.wrapping, signal);
    return this.#confirmedByKms(pair);
  }

  /**
   * Vouches for a pair that a recording carries, once KMS has unwrapped its private half under the context of its birth record.
   * The public half follows from that, and KMS attests the whole anew.
   * @returns the pair; `undefined` without `attest`, where KMS vouches for it and nothing is made
   * @throws KmsError, `ERR_KEY_PAIR_UNTRUSTED`
   */
  async vouchForCarried(
    { birth, birthRecord, wrapping }: CarriedParts,
    { attest }: { readonly attest: boolean },
    signal?: AbortSignal,
  ): Promise<VouchedKeyPair | undefined> {
    const { calls } = this.#parts;
    const contradiction = this.#contradictionOf({ birth, wrapping, attestation: wrapping });
    if (contradiction) throw contradiction;
    const { publicKey } = await calls.unwrap({ birth, birthRecord }, wrapping, signal);
    if (!attest) return undefined;
    const attestation = await calls.attest({ birth, birthRecord, publicKey, wrapping }, signal);
    const pair = claimedKeyPair(
      { birthRecord, publicKey, attestation, wrapping },
      { organizationId: birth.organizationId, what: `key pair ${birth.keyPairId}` },
    );
    const contradicted = this.#contradictionOf(pair);
    if (contradicted) throw contradicted;
    return this.#confirmedByKms(pair);
  }

  /**
   * Lets a pair serve that nobody has vouched for, where KMS gave no verdict and nothing in the pair's own text can be the
   * reason: its KMS key is covered by the anchor, in the home Region, and named as KMS names keys.
   */
  tolerate(claim: ClaimedKeyPair, verdict: Verdict): UnconfirmedKeyPair | undefined {
    if (verdict.status !== "no-verdict" || !this.#parts.anchor || this.#parts.requireConfirmed) return undefined;
    const asKmsNamesIt = [claim.wrapping, claim.attestation].every(
      ({ kmsKeyArn }) => kmsKeyArn === kmsKeyArn.toLowerCase(),
    );
    return asKmsNamesIt && !this.#contradictionOf(claim) ? (claim as UnconfirmedKeyPair) : undefined;
  }

  /** Whether the pair's own KMS key may open recordings. */
  coversForDecryption({ wrapping }: Pick<ClaimedKeyPair, "wrapping">): boolean {
    return !this.#parts.anchor || this.#parts.anchor.coversKey(wrapping.kmsKeyArn);
  }

  /**
   * Checks the ARN under which an earlier pair is to be unwrapped. Under trust on first use any key will do that fits the
   * pair's own alias: an organization that moved to another account must still open its old recordings.
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

  /** What is wrong about a claim, as far as that is known without KMS. */
  #contradictionOf(
    { birth, wrapping, attestation }: Pick<ClaimedKeyPair, "birth" | "wrapping" | "attestation">,
    covered = false,
  ): RecordingKeyStoreError | undefined {
    const { contextKeyNames, homeRegion } = this.#parts;
    const what = `key pair ${birth.keyPairId}`;
    const keyArns = [wrapping.kmsKeyArn, attestation.kmsKeyArn];
    const uncovered = covered ? undefined : this.#basis.uncoveredOf(birth.kmsKeyAliasArn, keyArns);
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

  async #askKms(claim: ClaimedKeyPair, name: string): Promise<Verdict> {
    const verdict = await this.#verdictOf(claim, () => this.#attested(claim, this.#parts.calls.attests(claim)));
    const denied = verdict.status === "refused" && verdict.error.kind === "access-denied";
    const last = denied ? await this.#verdictOf(claim, () => this.#unwrapped(claim)) : verdict;
    // A later answer to the contrary does not end what KMS has confirmed before.
    if (last.status === "disowned" && !this.#confirmed.has(name)) this.#parts.disowned.add(name, last.error);
    if (this.#refused.size >= remembered.refused) this.#refused.clear();
    if (last.status === "refused") this.#refused.set(name, momentOf(this.#parts.clock));
    else this.#refused.delete(name);
    return last;
  }

  async #attested(claim: ClaimedKeyPair, asking: Promise<boolean>): Promise<void> {
    if (!(await asking)) {
      throw untrusted(`key pair ${claim.birth.keyPairId}: KMS attests another public key than the one stored`);
    }
  }

  async #unwrapped(claim: ClaimedKeyPair): Promise<void> {
    await this.#parts.calls.unwrapHalf(claim, claim.wrapping);
  }

  async #verdictOf(claim: ClaimedKeyPair, question: () => Promise<void>): Promise<Verdict> {
    try {
      await question();
      this.#basis.adoptIfFirst(claim.birth.kmsKeyAliasArn);
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

  #vouchUnasked(claim: ClaimedKeyPair): VouchedKeyPair {
    const error = this.knownToBeNone(claim);
    if (error) throw error;
    this.#basis.adoptIfFirst(claim.birth.kmsKeyAliasArn);
    return claim as VouchedKeyPair;
  }

  #confirmedByKms(claim: ClaimedKeyPair): VouchedKeyPair {
    if (this.#confirmed.size >= remembered.confirmed) this.#confirmed.clear();
    this.#confirmed.add(claimDigest(claim));
    return claim as VouchedKeyPair;
  }
}

/** The failure of a pair with a key that its alias can't point at. */
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
