import { diagnose } from "../../src/kms/diagnosis.js";
import { kmsError, kmsFailureGroup, kmsFailureKinds, type KmsFailureKind } from "../../src/kms/kms-error.js";
import { awsAnswers, localFailures } from "./aws/aws-errors.js";
import { keyAliasArn } from "./fixtures.js";

const head = `# What KMS answers, and what to do

Whatever AWS KMS, the SDK or the network reports is one of ${kmsFailureKinds.length} kinds: \`KmsError.kind\`. \`diagnose(error)\`
explains it to an administrator; \`status().lastKmsError\` and the report of \`test()\` hold such a diagnosis. The texts below are
those of the code, for the alias \`${keyAliasArn}\`.

| group | code | meaning |
|---|---|---|
| \`unavailable\` | \`ERR_KMS_UNAVAILABLE\`, retryable | KMS gave no verdict. Encryption goes on with the last confirmed key; decryption waits, and works again by itself. |
| \`refused\` | \`ERR_KMS_REFUSED\`, retryable | KMS answered that this caller may not use this key now. Encryption goes on with the last confirmed key; an administrator has to act. |
| \`rejected\` | \`ERR_KMS_REJECTED\` | KMS answered that what it was given is wrong. The same call never succeeds. |

What no version of this library has heard of counts as \`unexpected-answer\`, and never as a verdict of KMS.
`;

/** \`docs/kms-errors.md\`, made of the code's own texts and of the tables by which they are tested. */
export function renderKmsErrors(): string {
  return [head, ...kmsFailureKinds.map(section)].join("\n");
}

function section(kind: KmsFailureKind): string {
  const { summary, whatToDo } = diagnosisOf(kind, kind === "access-denied" ? "Decrypt" : "Encrypt");
  const reported = reportedAs(kind);
  return [
    `## \`${kind}\``,
    "",
    `Group \`${kmsFailureGroup(kind)}\`. ${summary}`,
    "",
    ...whatToDo.map((step, index) => `${index + 1}. ${step}`),
    ...special(kind, whatToDo),
    ...(reported.length === 0 ? [] : ["", `Reported as ${reported.join(", ")}.`]),
    "",
  ].join("\n");
}

/** What is said differently of some operations. */
function special(kind: KmsFailureKind, usual: readonly string[]): string[] {
  const lines = ["DescribeKey", "GenerateDataKeyPairWithoutPlaintext"].flatMap((operation) => {
    const { whatToDo } = diagnosisOf(kind, operation);
    const own = whatToDo.filter(
      (step) =>
        !usual.includes(step) &&
        !usual.includes(step.replaceAll(operation, "Encrypt")) &&
        !usual.includes(step.replaceAll(operation, "Decrypt")),
    );
    return own.map((step) => `- \`${operation}\`: ${step}`);
  });
  return lines.length === 0 ? [] : ["", ...lines];
}

function diagnosisOf(kind: KmsFailureKind, operation: string) {
  const error = kmsError(kind, { operation, keyId: keyAliasArn, message: "" });
  return diagnose(error, { organizationId: "org-1", contextKeyName: "genesys-cloud-organization-id" });
}

function reportedAs(kind: KmsFailureKind): string[] {
  const names = awsAnswers
    .filter(([its, { name }]) => its === kind && !name.startsWith("NobodyKnows"))
    .map(([, { name }]) => name);
  const codes = localFailures
    .filter(([its, what]) => its === kind && what.startsWith("code "))
    .map(([, what]) => what.slice("code ".length));
  return [...new Set([...names, ...codes])].map((name) => `\`${name}\``);
}
