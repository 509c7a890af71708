import { KmsError, kmsFailureGroup } from "../../kms/kms-error.js";
import type { KeyPairContext } from "../context.js";
import type { VouchedKeyPair, Verdict } from "../trust.js";
import { askAgain, type ActivationVerdict } from "../vouching.js";
import type { AliasTarget } from "./alias-watch.js";

export type AliasLookParts = Pick<KeyPairContext, "alias" | "calls" | "clock" | "trust">;

/** KMS's verdict on the pair in use, and what is to be done about the alias once it has been acted on. */
interface Look {
  readonly verdict: ActivationVerdict;
  /** Once KMS has confirmed the pair: finds out where the alias leads instead, and takes note of it. Never rejects for KMS. */
  readonly follow?: () => Promise<void>;
}

/**
 * Asks KMS about the vouched pair in use by naming its KMS key by the alias. While the alias leads to the pair's own KMS key that is
 * the whole confirmation, and no call more than without a look: Encrypt under the alias would be one more each time, and is denied to
 * workers that may open attestations only; DescribeKey is denied wherever a policy asks for the context. Anything but a
 * confirmation is about the alias alone, so that KMS is asked again, by the key's ARN, for the verdict on the pair.
 */
export async function askUnderAlias(parts: AliasLookParts, pair: VouchedKeyPair): Promise<Look> {
  const { alias, trust, clock } = parts;
  alias.looking(pair);
  const underAlias = await trust.askUnderAlias(pair);
  if (underAlias.status === "confirmed") {
    alias.found(pair, undefined);
    return { verdict: { ...underAlias, vouchedBy: "kms", confirmedAt: clock.now() } };
  }
  const verdict = await askAgain(parts, pair);
  return { verdict, follow: () => follow(parts, pair, failureOf(underAlias)) };
}

async function follow(parts: AliasLookParts, pair: VouchedKeyPair, failure: unknown): Promise<void> {
  if (!(failure instanceof KmsError)) return;
  if (kmsFailureGroup(failure.kind) === "refused") parts.alias.found(pair, { refusal: failure.kind });
  else if (failure.kind === "incorrect-key") await name(parts, pair);
}

/** Takes note of another KMS key, by its name if KMS tells that. */
async function name({ alias, calls }: AliasLookParts, pair: VouchedKeyPair): Promise<void> {
  let target: AliasTarget = {};
  try {
    const kmsKeyArn = await calls.keyBehindAlias(pair);
    if (kmsKeyArn === pair.attestation.kmsKeyArn) return alias.found(pair, undefined); // it was pointed back meanwhile
    target = { kmsKeyArn };
  } catch (error) {
    if (!(error instanceof KmsError)) throw error; // otherwise another key, whatever its name
  }
  alias.found(pair, target);
}

/** Why KMS did not confirm: for a ciphertext of another KMS key it stands behind the verdict. */
function failureOf(verdict: Exclude<Verdict, { status: "confirmed" }>): unknown {
  return verdict.status === "disowned" ? verdict.error.cause : verdict.error;
}
