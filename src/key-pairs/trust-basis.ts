import { isKmsKeyArn, sameAccountAndRegion } from "../kms/arn.js";
import type { TrustAnchor } from "./trust-anchor.js";

/** Which KMS keys count: those of the anchor or, without one, those of the first alias that is confirmed or configured. */
export class TrustBasis {
  readonly anchor: TrustAnchor | undefined;
  #firstAlias: string | undefined;

  constructor(anchor: TrustAnchor | undefined) {
    this.anchor = anchor;
  }

  /** The alias trusted on first use, if there is one yet. */
  get firstAlias(): string | undefined {
    return this.#firstAlias;
  }

  /** Trusts an alias on first use, or anew because the caller of `configure` named it. */
  adopt(kmsKeyAliasArn: string): void {
    if (!this.anchor && this.#firstAlias === undefined) warnOfFirstUse();
    this.#firstAlias = kmsKeyAliasArn;
  }

  adoptIfFirst(kmsKeyAliasArn: string): void {
    if (this.#firstAlias === undefined) this.adopt(kmsKeyAliasArn);
  }

  /** Whether a KMS key may be used. */
  coversKey(kmsKeyArn: string): boolean {
    if (this.anchor) return this.anchor.coversKey(kmsKeyArn);
    const first = this.#firstAlias;
    return isKmsKeyArn(kmsKeyArn) && (first === undefined || sameAccountAndRegion(kmsKeyArn, first));
  }

  /** The first ARN of a pair that does not count. */
  uncoveredOf(aliasArn: string, keyArns: readonly string[]): string | undefined {
    const first = this.#firstAlias;
    const isCovered = this.anchor
      ? this.anchor.covers(aliasArn)
      : first === undefined || sameAccountAndRegion(aliasArn, first);
    return isCovered ? keyArns.find((arn) => !this.coversKey(arn)) : aliasArn;
  }
}

let warnedOfFirstUse = false;

/** Warns once in a process: it is about how the service is set up, not about one organization. */
function warnOfFirstUse(): void {
  if (warnedOfFirstUse) return;
  warnedOfFirstUse = true;
  process.emitWarning(
    "recording-keystore: without trustedKmsKeys the first KMS key alias met is trusted, whoever put it into the store",
  );
}
