import type { KmsError } from "../errors.js";
import { parseKmsArn } from "./arn.js";
import type { KmsFailureKind } from "./failures.js";

/** What an administrator reads about a failure of KMS. */
export interface Diagnosis {
  readonly kind: KmsFailureKind;
  /** One sentence. */
  readonly summary: string;
  /** Steps, most likely remedy first. */
  readonly whatToDo: readonly string[];
  /** KMS's own name for the error, when KMS answered. */
  readonly awsErrorName?: string;
  readonly awsMessage?: string;
}

export interface DiagnosisContext {
  readonly organizationId?: string;
  readonly contextKeyName?: string;
}

interface Facts {
  readonly key: string;
  readonly operation: string;
  readonly region: string;
  readonly account: string;
  readonly condition: string;
}

const advice: Record<KmsFailureKind, (facts: Facts) => { summary: string; whatToDo: string[] }> = {
  unreachable: ({ region }) => ({
    summary: `AWS KMS in ${region} could not be reached.`,
    whatToDo: ["Nothing, if this is a short network outage: encryption goes on and decryption recovers by itself.", `Check that this host can open HTTPS connections to the KMS endpoint of ${region} (DNS, proxy, VPC endpoint, security group).`],
  }),
  timeout: ({ region }) => ({
    summary: `AWS KMS in ${region} did not answer in time.`,
    whatToDo: ["Nothing, if this is a short network outage: encryption goes on and decryption recovers by itself.", "Look for a firewall or proxy that drops packets silently, and at the AWS Health Dashboard."],
  }),
  throttled: ({ region, account }) => ({
    summary: "AWS KMS is throttling this account's calls.",
    whatToDo: [`Ask for a higher KMS request quota for the calling account in ${region}.`, "RSA key pairs have small quotas of their own (20, 4 and 1 per second): prefer X25519, or change keys less often.", `Look for other users of the quota in account ${account}.`],
  }),
  "service-error": ({ region }) => ({
    summary: `AWS KMS in ${region} reported an internal error.`,
    whatToDo: ["Wait: such errors pass, and the library tries again by itself.", "Look at the AWS Health Dashboard if it lasts."],
  }),
  credentials: () => ({
    summary: "The recording service's AWS credentials are missing, expired or not accepted.",
    whatToDo: ["Check the role or credentials of the process that runs the recording service; they are not the organization's.", "Check the clock of the host: signatures of a clock that is minutes off are refused."],
  }),
  "unexpected-answer": ({ operation }) => ({
    summary: `The answer to ${operation} was not what AWS KMS promises.`,
    whatToDo: ["Check that the endpoint is AWS KMS itself and not a proxy that rewrites answers.", "Check the KMS provider, if it is one of your own."],
  }),
  "access-denied": ({ operation, key, condition }) => ({
    summary: `The recording service may not call kms:${operation} on ${key}.`,
    whatToDo: [
      `In the key policy, allow the recording service's AWS account kms:Encrypt, kms:Decrypt and kms:GenerateDataKey*${condition}.`,
      "Check that the alias ARN names the right account, Region and alias: to strangers KMS does not tell a missing key from a forbidden one.",
      "Check that the recording service's own IAM policy allows the same actions on this key.",
    ],
  }),
  "key-disabled": ({ key }) => ({
    summary: `The KMS key ${key} is disabled.`,
    whatToDo: ["Enable the key in the AWS console (KMS, Customer managed keys, Key actions, Enable).", "Until then recordings can't be opened, and what is recorded now opens only if the key is enabled again."],
  }),
  "key-pending-deletion": ({ key }) => ({
    summary: `The KMS key ${key} is scheduled for deletion.`,
    whatToDo: ["Cancel the deletion at once, then enable the key: when it is deleted, every recording under it is lost for good.", "To stop using a key, point the alias at another key and change the key here; keep the old one."],
  }),
  "key-unusable": ({ key }) => ({
    summary: `The KMS key ${key} is in a state in which it can't be used.`,
    whatToDo: ["Look at the key's state in the AWS console: import its key material again, or reconnect its custom key store."],
  }),
  "key-not-found": ({ key, region, account }) => ({
    summary: `AWS KMS knows no key or alias ${key}.`,
    whatToDo: [`Check the alias ARN: account ${account}, Region ${region}, spelling and case of the alias name.`, "If the key was deleted, recordings under it can't be opened any more; point the alias at another key and change the key here."],
  }),
  "key-unsupported": ({ key }) => ({
    summary: `The KMS key ${key} is not one that can be used here.`,
    whatToDo: ["Use a customer managed symmetric key (SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT) in the home Region, or a multi-Region key with its primary or a replica there.", "With a key in a custom key store use key pairs of the spec X25519: AWS KMS makes no RSA data key pairs there."],
  }),
  "invalid-ciphertext": ({ key }) => ({
    summary: `AWS KMS could not decrypt what was said to be encrypted under ${key}.`,
    whatToDo: ["The stored key pair was changed, or belongs to another organization: check the key pair store, and who can write to it."],
  }),
  "incorrect-key": ({ key }) => ({
    summary: `The stored ciphertext was not made by ${key}.`,
    whatToDo: ["The stored key pair was changed: check the key pair store, and who can write to it."],
  }),
  "invalid-request": ({ operation }) => ({
    summary: `AWS KMS refused ${operation} as malformed.`,
    whatToDo: ["Check the alias ARN.", "Report it with KMS's own message, if the ARN is right."],
  }),
};

/** Explains a failure of KMS to an administrator. Every kind has its row in `docs/kms-errors.md`. */
export function diagnose(error: KmsError, context: DiagnosisContext = {}): Diagnosis {
  const arn = error.keyId === undefined ? undefined : parseKmsArn(error.keyId);
  const { organizationId, contextKeyName } = context;
  const facts: Facts = {
    key: error.keyId ?? "that was named",
    operation: error.operation,
    region: arn?.region ?? "its Region",
    account: arn?.accountId ?? "of the key",
    condition:
      organizationId === undefined || contextKeyName === undefined
        ? ""
        : `, under a condition that lets kms:EncryptionContext:${contextKeyName} be exactly "${organizationId}" (kms:DescribeKey needs a statement without it)`,
  };
  return {
    kind: error.kind,
    ...advice[error.kind](facts),
    ...(error.awsErrorName === undefined ? {} : { awsErrorName: error.awsErrorName }),
    ...(error.message ? { awsMessage: error.message } : {}),
  };
}
