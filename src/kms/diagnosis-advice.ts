import type { KmsFailureKind } from "./kms-error.js";

/** Facts that advice can name. Each text fits into a sentence. */
export interface Facts {
  /** Name of the operation and of its permission: `Decrypt`. */
  readonly operation: string;
  /** `the KMS key arn:…` or `the KMS key behind arn:…:alias/…`. */
  readonly key: string;
  readonly arn: string;
  readonly region: string;
  /** The account that owns the key: `account 111122223333`. */
  readonly account: string;
  /** The recording service's account. */
  readonly caller: string;
  /** The refused principal, if KMS names it. */
  readonly role: string;
  readonly condition: string;
  /** Whether there is a key that recordings go on with. */
  readonly configured: boolean;
  /** Home Region of the organization, where the key is in another one. */
  readonly homeRegion: string | undefined;
  /** Whether the call was not sent, for want of a client of the key's Region. */
  readonly notSent: boolean;
  /** KMS's own text; empty if it sent none. */
  readonly awsMessage: string;
}

export interface Advice {
  readonly summary: string;
  readonly whatToDo: readonly string[];
}

export function adviceFor(kind: KmsFailureKind, facts: Facts): Advice {
  return advice[kind](facts);
}

const passes = ({ configured }: Facts) =>
  configured ? goesOn : "Nothing, if it is short: test again then. No key is in use until a test passes.";
const goesOn =
  "Nothing, if it is short: recordings go on being encrypted with the last confirmed key, and opening them works again by itself.";
const health = "Look at the AWS Health Dashboard if it lasts.";

const advice: Readonly<Record<KmsFailureKind, (facts: Facts) => Advice>> = {
  unreachable: (facts) => (facts.notSent ? withoutClient(facts) : unreachable(facts)),
  timeout: (facts) => ({
    summary: `AWS KMS in ${facts.region} did not answer in time.`,
    whatToDo: [passes(facts), "Look for a firewall or proxy on the way that drops packets silently.", health],
  }),
  throttled: (facts) => ({
    summary: `AWS KMS in ${facts.region} is throttling the recording service's calls.`,
    whatToDo: [
      passes(facts),
      ...(isKeyPairOperation(facts.operation)
        ? [
            "RSA key pairs have small quotas of their own, for RSA_4096 one per second: choose X25519, or change keys less often.",
          ]
        : []),
      `Ask AWS for a higher KMS request quota in ${facts.region} for the recording service's account, whose quota counts, not the key's account.`,
    ],
  }),
  "service-error": (facts) => ({
    summary: `AWS KMS in ${facts.region} reported an internal error.`,
    whatToDo: [passes(facts), health],
  }),
  credentials: ({ awsMessage }) => ({
    summary: "The recording service's own AWS credentials are missing, expired or not accepted.",
    whatToDo: first(
      /expired|not yet current|skew/i.test(awsMessage),
      "Check the clock of the host: signatures of a clock that is minutes off are refused.",
      [
        "Mend the role or credentials of the process that runs the recording service; they are not the organization's, and the KMS key is not at fault.",
      ],
    ),
  }),
  "unexpected-answer": ({ operation }) => ({
    summary: `What answered kms:${operation} does not keep the promises of AWS KMS.`,
    whatToDo: [
      "Check that the endpoint is AWS KMS itself, and not a proxy or login page that answers in its place.",
      "If the KMS provider is one of your own, run kmsProviderConformance over it.",
    ],
  }),
  "access-denied": accessDenied,
  "key-disabled": ({ key, account }) => ({
    summary: `${capital(key)} is disabled.`,
    whatToDo: [
      `Enable the key, in ${account}: AWS console, KMS, Customer managed keys, Key actions, Enable.`,
      "Until then no recording under it can be opened, and what is recorded meanwhile opens only once it is enabled again.",
    ],
  }),
  "key-pending-deletion": ({ key, account }) => ({
    summary: `${capital(key)} is scheduled for deletion.`,
    whatToDo: [
      `Cancel the deletion now, in ${account}, and then enable the key: cancelling leaves it disabled. Once it is deleted, no recording under it can ever be opened again.`,
      "To stop using a key, point the alias at another key, change the key here, and keep the old one as long as its recordings.",
    ],
  }),
  "key-unusable": keyUnusable,
  "key-not-found": ({ arn, region, account }) => ({
    summary: `AWS KMS finds no ${arn}.`,
    whatToDo: [
      `Check ${account}, Region ${region}, and the alias name letter by letter (upper and lower case differ). An alias exists only in the Region in which it was made.`,
      "For a multi-Region key, check that the primary or a replica is in the home Region.",
      "If the alias was deleted, make it again for the same key. If the key was deleted, recordings under it can't be opened any more.",
    ],
  }),
  "key-unsupported": ({ operation, key, region, homeRegion }) => ({
    summary:
      homeRegion !== undefined
        ? `${capital(key)} is in ${region}, and the home Region is ${homeRegion}.`
        : isKeyPairOperation(operation)
          ? `AWS KMS makes no RSA key pairs under ${key}.`
          : `${capital(key)} is not of a kind that can be used here.`,
    whatToDo: first(
      isKeyPairOperation(operation),
      "With a key in a custom key store choose key pairs of the spec X25519: AWS KMS makes no RSA key pairs there.",
      [
        "Use a customer managed, symmetric key (SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT) in the home Region, or a multi-Region key with its primary or a replica there.",
      ],
    ),
  }),
  "invalid-ciphertext": ({ key }) => ({
    summary: `AWS KMS can't decrypt what is stored as encrypted under ${key}.`,
    whatToDo: [
      "A record in the key pair store was changed, or belongs to another organization: restore it from a backup, and check who can write to the store.",
      "If the key's material was imported, check that the same material is imported again.",
    ],
  }),
  "incorrect-key": ({ key }) => ({
    summary: `What is stored as encrypted under ${key} was encrypted under another key.`,
    whatToDo: [
      "A record in the key pair store was changed: restore it from a backup, and check who can write to the store.",
    ],
  }),
  "invalid-request": ({ operation, arn }) => ({
    summary: `AWS KMS takes kms:${operation} with ${arn} for malformed.`,
    whatToDo: [
      "Check the ARN.",
      "If it is right, report KMS's message and request id to the makers of the recording service.",
    ],
  }),
};

function unreachable(facts: Facts): Advice {
  const { region } = facts;
  return {
    summary: `AWS KMS in ${region} could not be reached.`,
    whatToDo: [
      passes(facts),
      `Check that the recording service can open HTTPS connections to the KMS endpoint of ${region}: DNS, proxy, VPC endpoint, security group, TLS inspection.`,
      `Check that the recording service has a KMS client for ${region}.`,
    ],
  };
}

function withoutClient({ region }: Facts): Advice {
  return {
    summary: `The recording service has no KMS client for ${region}.`,
    whatToDo: [
      `If the key is meant to be in another Region than ${region}, check its ARN.`,
      `Otherwise give AwsKmsProvider a client for ${region}, or a function of the Region.`,
    ],
  };
}

/** Any state without use, by KMS's own text: for a key in a custom key store the one error tells of everything that is wrong there. */
function keyUnusable({ key, account, awsMessage }: Facts): Advice {
  const until =
    "Until then no recording under it can be opened. Where there is a last confirmed key, recordings go on, and open afterwards.";
  if (/\bis unavailable\b/.test(awsMessage)) {
    const connect = `Connect its custom key store, in ${account}: AWS console, KMS, Custom key stores. Where that fails, the connection error code there says why.`;
    return {
      summary: `${capital(key)} is unavailable: its custom key store is not connected.`,
      whatToDo: [connect, until],
    };
  }
  if (/ciphertext or additional authenticated data/.test(awsMessage)) {
    const record =
      "If it is always the same recordings, a record in the key pair store was changed: restore it from a backup, and check who can write to the store.";
    const keyManager = `Otherwise look at the external key store proxy of ${account}, and at the external key manager behind it.`;
    return {
      summary: `The external key store of ${key} could not decrypt what is stored.`,
      whatToDo: [record, keyManager],
    };
  }
  if (/\bexternal key\b/.test(awsMessage)) {
    const proxy = `Look at the external key store proxy of ${account}, and at the external key manager behind it: they are not AWS's, and KMS's own text says what is wrong.`;
    return { summary: `The external key store of ${key} does not serve it.`, whatToDo: [proxy, until] };
  }
  return {
    summary: `${capital(key)} is in a state in which it can't be used.`,
    whatToDo: [
      `Look at its state in ${account}. Pending import: import its key material again. Unavailable: connect its custom key store. Creating or updating: wait.`,
    ],
  };
}

function accessDenied({ operation, key, arn, region, account, caller, role, condition, awsMessage }: Facts): Advice {
  const summary = `The recording service may not call kms:${operation} with ${key}.`;
  if (operation === "DescribeKey") {
    const statement = `To have the key's type and state checked too, allow ${caller} kms:DescribeKey in a statement of its own, without a condition on the encryption context: the call carries no encryption context, so under such a condition it is always denied.`;
    return { summary, whatToDo: [statement, "Otherwise do nothing: recordings are encrypted and opened without it."] };
  }
  const allow = `In the key policy of ${account}, allow ${caller} kms:Encrypt, kms:Decrypt and kms:GenerateDataKey* under ${condition}. Name and value are compared exactly, upper and lower case too. The recording service can write these statements (recordingKeyStatements), and say what is wrong with a policy (checkKeyPolicy).`;
  const identity = `Check that the IAM policy of ${role} allows kms:${operation} on this key: across accounts both sides must allow it.`;
  const address = `Check the ARN ${arn}: to other accounts KMS does not tell a key or alias that is missing in Region ${region} from one that is forbidden.`;
  const deny =
    "Look for a statement that denies explicitly: in the key policy, a service control policy, a permissions boundary or a VPC endpoint policy.";
  if (/explicit deny/i.test(awsMessage)) return { summary, whatToDo: [deny, allow, identity] };
  if (/no identity-based policy/i.test(awsMessage)) return { summary, whatToDo: [identity, allow, deny] };
  return { summary, whatToDo: [allow, address, identity, deny] };
}

/** The steps with one more: first if it is the likely one, last if not. */
function first(likely: boolean, step: string, others: readonly string[]): readonly string[] {
  return likely ? [step, ...others] : [...others, step];
}

function isKeyPairOperation(operation: string): boolean {
  return operation.startsWith("GenerateDataKeyPair");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
