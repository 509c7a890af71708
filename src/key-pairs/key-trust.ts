import { isKmsKeyArn, sameAccountAndRegion } from "../kms/arn.js";
import type { TrustAnchor } from "../kms/trust-anchor.js";
import type { KeyPair } from "./key-pair.js";
import { untrusted } from "./key-pair.js";

/**
 * Which KMS keys count. The anchor lies outside the store: the constructor's `trustedKmsKeys`, or, without them, the
 * first alias this host meets (trust on first use), which is weaker and shown as such in `status()`.
 */
export class KeyTrust {
  readonly #anchor: TrustAnchor | undefined;
  #firstAlias: string | undefined;

  constructor(anchor: TrustAnchor | undefined) {
    this.#anchor = anchor;
  }

  /** `configured`, or `first-use` with the alias that was met first. */
  get basis(): { readonly kind: "configured" } | { readonly kind: "first-use"; readonly kmsKeyAliasArn: string | undefined } {
    return this.#anchor ? { kind: "configured" } : { kind: "first-use", kmsKeyAliasArn: this.#firstAlias };
  }

  /** Trusts an alias on first use, or anew because the caller of `configure` named it. */
  adopt(kmsKeyAliasArn: string): void {
    this.#firstAlias = kmsKeyAliasArn;
  }

  adoptIfFirst(kmsKeyAliasArn: string): void {
    this.#firstAlias ??= kmsKeyAliasArn;
  }

  covers(kmsArn: string): boolean {
    if (this.#anchor) return this.#anchor.covers(kmsArn);
    const first = this.#firstAlias;
    return first === undefined || kmsArn === first || sameAccountAndRegion(kmsArn, first);
  }

  /**
   * Checks the ARNs of a pair that may become active.
   * @param named - the caller of `configure` has just named its alias, which trust on first use does not have to know
   * @throws RecordingKeyStoreError `ERR_KEY_PAIR_UNTRUSTED`
   */
  checkActive({ birth, wrapping, attestation }: KeyPair, { named = false } = {}): void {
    const covered = named && !this.#anchor;
    for (const arn of [birth.kmsKeyAliasArn, wrapping.kmsKeyArn, attestation.kmsKeyArn]) {
      if (!covered && !this.covers(arn)) throw untrusted(`key pair ${birth.keyPairId} is under ${arn}, which the trust anchor does not cover`);
    }
    checkOwnKeys({ birth, keyArns: [wrapping.kmsKeyArn, attestation.kmsKeyArn] });
  }

  /** Whether {@link checkForDecryption} would let the pair's own KMS key be asked. */
  coversForDecryption({ wrapping }: Pick<KeyPair, "wrapping">): boolean {
    return !this.#anchor || this.#anchor.covers(wrapping.kmsKeyArn);
  }

  /**
   * Checks the ARN under which an earlier pair is to be unwrapped. Under trust on first use any key that fits the pair's
   * own alias will do: an organization that moved to another account must still be able to open its old recordings.
   * @throws RecordingKeyStoreError `ERR_KEY_PAIR_UNTRUSTED`
   */
  checkForDecryption({ birth, wrapping }: Pick<KeyPair, "birth" | "wrapping">): void {
    if (!this.coversForDecryption({ wrapping })) {
      throw untrusted(`key pair ${birth.keyPairId} is under ${wrapping.kmsKeyArn}, which trustedKmsKeys does not cover`);
    }
    checkOwnKeys({ birth, keyArns: [wrapping.kmsKeyArn] });
  }
}

function checkOwnKeys({ birth, keyArns }: { birth: KeyPair["birth"]; keyArns: readonly string[] }): void {
  for (const arn of keyArns) {
    if (!isKmsKeyArn(arn) || !sameAccountAndRegion(arn, birth.kmsKeyAliasArn)) {
      throw untrusted(`key pair ${birth.keyPairId} names the KMS key ${arn}, which is not of its alias's account and Region`);
    }
  }
}
