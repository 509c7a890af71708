import type { KmsFailureKind } from "./kms-error.js";

/** What a change of key does after the alias was moved: `moves` recordings to the other KMS key, or `fails`. */
export type KeyChangeAfterDrift = "moves" | "fails" | "unknown";

/** Explanation for an administrator of an alias that leads elsewhere. Plain data, for a settings page. */
export interface AliasDriftDiagnosis {
  /** What happened, in one sentence. */
  readonly summary: string;
  /** What follows, and steps to take. */
  readonly whatToDo: readonly string[];
}

/** Facts about an alias that leads elsewhere. */
interface AliasDriftFacts {
  readonly kmsKeyAliasArn: string;
  /** The KMS key under which recordings are encrypted. */
  readonly activeKmsKeyArn: string;
  /** The KMS key that the alias names now, if KMS told. */
  readonly kmsKeyArn: string | undefined;
  /** Why KMS refuses what the alias leads to. */
  readonly refusal: KmsFailureKind | undefined;
  /** Whether this key store takes new key pairs under `kmsKeyArn`. */
  readonly isTaken: boolean;
}

/** What is to be done about a KMS key that the alias names and KMS refuses. */
const mends: Partial<Record<KmsFailureKind, string>> = {
  "access-denied":
    "In the key policy of the KMS key to which the alias points, allow the recording service what the policy of the present one allows it (recordingKeyStatements writes the statements). If the alias was deleted, make it again: to other accounts KMS does not tell the one from the other.",
  "key-not-found": "Make the alias again, or point it at a KMS key that there is.",
  "key-disabled": "Enable the KMS key to which the alias points.",
  "key-pending-deletion": "Cancel the deletion of the KMS key to which the alias points, and enable it.",
};

/** Explains to an administrator that the alias leads to another KMS key than recordings are encrypted under. */
export function diagnoseAliasDrift({ kmsKeyAliasArn, activeKmsKeyArn, kmsKeyArn, refusal, isTaken }: AliasDriftFacts): {
  readonly keyChange: KeyChangeAfterDrift;
  readonly diagnosis: AliasDriftDiagnosis;
} {
  const goesOn = `Until the key is changed recordings stay under ${activeKmsKeyArn}, and nothing is lost.`;
  const back = `If it is not meant, point the alias back at ${activeKmsKeyArn}.`;
  const keep = `Keep ${activeKmsKeyArn} after that: what was encrypted under it opens with it alone, until rewrapKeyPairs() is complete.`;
  const said = (keyChange: KeyChangeAfterDrift, summary: string, whatToDo: readonly string[]) => ({
    keyChange,
    diagnosis: { summary, whatToDo },
  });
  if (refusal !== undefined) {
    const mend = mends[refusal] ?? `Look at the state of the KMS key to which the alias points (${refusal}).`;
    return said(
      "fails",
      `AWS KMS refuses the KMS key to which ${kmsKeyAliasArn} points, or there is none: the next change of key fails.`,
      [mend, goesOn, back],
    );
  }
  if (kmsKeyArn === undefined) {
    return said("unknown", `${kmsKeyAliasArn} points to another KMS key than ${activeKmsKeyArn}.`, [
      "Change Key Now moves recordings to it, if its key policy allows the recording service what the policy of the present one does.",
      ...[goesOn, keep, back],
    ]);
  }
  const summary = `${kmsKeyAliasArn} points to ${kmsKeyArn}, and recordings are encrypted under ${activeKmsKeyArn}.`;
  if (!isTaken) {
    return said("fails", summary, [
      `Ask the people who run the recording service to let it use ${kmsKeyArn}: trustedKmsKeys does not cover it, or it is not in the home Region. A change of key fails until then.`,
      ...[goesOn, back],
    ]);
  }
  return said("moves", summary, [
    "Change Key Now moves recordings to it, and so does the next change of key by the schedule.",
    ...[goesOn, keep, back],
  ]);
}
