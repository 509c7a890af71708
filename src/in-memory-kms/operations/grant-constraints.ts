import { defined } from "../../util/defined.js";
import { AwsError, unsupported, validation } from "../aws-error.js";
import type { Grant } from "../grant.js";
import type { WireGrantConstraints } from "../input.js";

export function readConstraints(wire: WireGrantConstraints | undefined): Grant["constraints"] {
  const { EncryptionContextSubset: subset, EncryptionContextEquals: equals, SourceArn } = wire ?? {};
  if (SourceArn !== undefined) throw unsupported("The in-memory KMS does not model SourceArn.");
  if (subset && equals)
    throw validation("Only one of EncryptionContextSubset and EncryptionContextEquals can be specified.");
  if (!subset && !equals) return undefined;
  for (const pairs of [subset, equals]) requireConstraintSize(Object.entries(pairs ?? {}));
  return defined({ subset, equals });
}

const maxConstraintPairs = 8;
const maxConstraintValue = 384;

/** Checks the documented limits. The wording of the errors is not documented. */
function requireConstraintSize(pairs: readonly [string, string][]): void {
  if (pairs.length > maxConstraintPairs) {
    throw new AwsError(
      "LimitExceededException",
      `A grant constraint can have at most ${maxConstraintPairs} encryption context pairs.`,
    );
  }
  if (pairs.some(([, value]) => value.length > maxConstraintValue)) {
    throw new AwsError(
      "LimitExceededException",
      `An encryption context value of a grant constraint can have at most ${maxConstraintValue} characters.`,
    );
  }
}

/** Value of `kms:GrantConstraintType`. */
export function constraintType(wire: WireGrantConstraints | undefined): string | undefined {
  if (wire?.EncryptionContextSubset) return "EncryptionContextSubset";
  return wire?.EncryptionContextEquals && "EncryptionContextEquals";
}

/** Condition keys of a new grant: its constraint counts as an encryption context. */
export function contextConditionKeys(constraints: Grant["constraints"]): Record<string, string | readonly string[]> {
  const pairs = Object.entries(constraints?.subset ?? constraints?.equals ?? {});
  if (pairs.length === 0) return {};
  const byKey = Object.fromEntries(pairs.map(([name, value]) => [`kms:EncryptionContext:${name}`, value]));
  return { ...byKey, "kms:EncryptionContextKeys": pairs.map(([name]) => name) };
}
