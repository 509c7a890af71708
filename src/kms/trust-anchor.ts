import { InvalidInputError } from "../errors.js";
import { parseKmsArn, sameAccountAndRegion, type KmsArn } from "./arn.js";

type Entry = { readonly accountId: string } | { readonly arn: string; readonly parsed: KmsArn };

/** Which KMS keys are trusted, as said outside of any store: account ids, alias ARNs and key ARNs. */
export class TrustAnchor {
  readonly #entries: readonly Entry[];

  /**
   * @param field - names the option in errors
   * @throws InvalidInputError naming the entry that is none of the three
   */
  constructor(entries: readonly string[], field = "trustedKmsKeys") {
    this.#entries = entries.map((text, index) => {
      if (/^\d{12}$/.test(text)) return { accountId: text };
      const parsed = parseKmsArn(text);
      if (parsed) return { arn: text, parsed };
      throw new InvalidInputError(`${field}.${index}`, "must be a 12-digit account id, a KMS alias ARN or a KMS key ARN", text);
    });
  }

  /**
   * An account covers all its keys and aliases. A key ARN covers itself and, if multi-Region, its replicas. An alias ARN
   * covers itself and every key it could point at: those of its account and Region, and multi-Region keys of its account.
   */
  covers(kmsArn: string): boolean {
    const asked = parseKmsArn(kmsArn);
    if (!asked) return false;
    return this.#entries.some((entry) => {
      if ("accountId" in entry) return entry.accountId === asked.accountId;
      if (entry.arn === kmsArn) return true;
      if (asked.resource.type !== "key" || entry.parsed.partition !== asked.partition || entry.parsed.accountId !== asked.accountId) return false;
      if (entry.parsed.resource.type === "alias") return sameAccountAndRegion(kmsArn, entry.arn);
      return asked.multiRegion && entry.parsed.resource.id === asked.resource.id;
    });
  }
}
