import { InvalidInputError } from "../errors.js";
import { isKmsKeyArn, parseKmsArn, replicaArn, sameAccountAndRegion } from "../kms/arn.js";

/**
 * The KMS keys that are trusted by a word from outside of any store. Entries are account ids, alias ARNs and key ARNs:
 *
 * - An account id covers all keys and aliases of the account.
 * - A key ARN covers the key and its replicas; and, as a name only, every alias ARN that could point at it. The key that
 *   KMS answers with has to be covered on its own.
 * - An alias ARN covers itself and every key that it could point at: those of its account and Region, and multi-Region
 *   keys of its account. Key ARNs beside it that it could point at pin it to those keys.
 */
export class TrustAnchor {
  readonly #accountIds: ReadonlySet<string>;
  readonly #keyArns: readonly string[];
  readonly #aliasArns: readonly string[];
  /** Aliases that no key ARN pins. */
  readonly #freeAliasArns: readonly string[];

  /**
   * @param field - name of the option in errors
   * @throws InvalidInputError for an entry that is none of the three
   */
  constructor(entries: readonly string[], field = "trustedKmsKeys") {
    entries.forEach((entry, index) => {
      if (isAccountId(entry) || parseKmsArn(entry)) return;
      const rule = "must be a 12-digit account id, a KMS alias ARN or a KMS key ARN";
      throw new InvalidInputError(`${field}.${index}`, rule, entry);
    });
    const arns = entries.filter((entry) => !isAccountId(entry));
    this.#accountIds = new Set(entries.filter(isAccountId));
    this.#keyArns = arns.filter(isKmsKeyArn);
    this.#aliasArns = arns.filter((arn) => !isKmsKeyArn(arn));
    this.#freeAliasArns = this.#aliasArns.filter(
      (aliasArn) => !this.#keyArns.some((keyArn) => sameAccountAndRegion(keyArn, aliasArn)),
    );
  }

  /** Whether an alias may be named, or a key be used. For an ARN that must be a key's, see {@link TrustAnchor.coversKey}. */
  covers(kmsArn: string): boolean {
    const asked = parseKmsArn(kmsArn);
    if (!asked) return false;
    if (asked.resource.type === "key") return this.coversKey(kmsArn);
    if (this.#accountIds.has(asked.accountId) || this.#aliasArns.includes(kmsArn)) return true;
    return this.#keyArns.some((keyArn) => sameAccountAndRegion(keyArn, kmsArn));
  }

  /** Whether a KMS key may be used. Never true for an alias, which could point at any key. */
  coversKey(keyArn: string): boolean {
    const asked = parseKmsArn(keyArn);
    if (asked?.resource.type !== "key") return false;
    if (this.#accountIds.has(asked.accountId)) return true;
    return (
      this.#keyArns.some((listed) => listed === keyArn || replicaArn(listed, asked.region) === keyArn) ||
      this.#freeAliasArns.some((aliasArn) => sameAccountAndRegion(keyArn, aliasArn))
    );
  }
}

function isAccountId(entry: string): boolean {
  return /^\d{12}$/.test(entry);
}
