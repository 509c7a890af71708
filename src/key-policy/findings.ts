import { defined } from "../util/defined.js";

/** A statement of a policy. */
export interface KeyPolicyStatementPlace {
  /** From 1. */
  readonly number: number;
  readonly sid?: string;
}

/** Something about a key policy that an administrator should know. Plain data, for a settings page. */
export interface KeyPolicyFinding {
  readonly code: KeyPolicyFindingCode;
  /** `error`: under this policy the organization is not served. `warning`: it is, but this needs a look. */
  readonly severity: "error" | "warning";
  /** Absent if the finding is about the policy as a whole. */
  readonly statement?: KeyPolicyStatementPlace;
  /** Calls that the finding is about, such as `kms:Decrypt`. */
  readonly actions: readonly string[];
  /** What is wrong, as a sentence. */
  readonly message: string;
  /** What to do about it, as a sentence. */
  readonly whatToDo: string;
}

/** What a finding is about, each as part of a sentence. */
export interface FindingFacts {
  /** `statement 2 ("Recordings")`, or `the policy`. */
  readonly where: string;
  /** `kms:Encrypt and kms:Decrypt`. */
  readonly actions: string;
  /** What was found. Not every text has a place for it. */
  readonly detail: string;
  /** `account 444455556666`, or the principals' ARNs. */
  readonly service: string;
  /** `StringEquals kms:EncryptionContext:… = "org-1"`. */
  readonly condition: string;
}

interface FindingText {
  readonly severity: KeyPolicyFinding["severity"];
  readonly message: (facts: FindingFacts) => string;
  readonly whatToDo: (facts: FindingFacts) => string;
}

/** Every finding. `docs/key-policy.md` lists them too. */
const texts = {
  POLICY_MALFORMED: {
    severity: "error",
    message: ({ detail }) => `AWS KMS takes no such policy: ${detail}`,
    whatToDo: () =>
      "Paste the whole policy as JSON: an object with Version and Statement, as the console and GetKeyPolicy show it.",
  },
  POLICY_TOO_LARGE: {
    severity: "error",
    message: ({ detail }) => `The policy takes ${detail} bytes; AWS KMS takes at most 32768.`,
    whatToDo: () => "Shorten it: several organization ids and several principals fit into one statement as lists.",
  },
  SERVICE_NOT_ALLOWED: {
    severity: "error",
    message: ({ service }) => `No statement allows anything to ${service}, the recording service.`,
    whatToDo: ({ service, condition }) =>
      `Add the statements that recordingKeyStatements() writes, for ${service} under ${condition}.`,
  },
  PRINCIPAL_WRONG: {
    severity: "error",
    message: ({ where, detail, service }) =>
      `${where} looks meant for the recording service but names ${detail} and not ${service}.`,
    whatToDo: ({ service }) => `Name ${service} as its Principal.`,
  },
  ACTION_MISSING: {
    severity: "error",
    message: ({ where, actions }) => `${where} does not allow ${actions} to the recording service.`,
    whatToDo: ({ actions, condition }) => `Add ${actions} to the statement that has the condition ${condition}.`,
  },
  ELEMENT_MISSING: {
    severity: "error",
    message: ({ where, detail }) => `${where} has no ${detail} and therefore no effect, although AWS KMS takes it.`,
    whatToDo: () => "Write it as recordingKeyStatements() does: with Action and Resource.",
  },
  RESOURCE_WRONG: {
    severity: "error",
    message: ({ where, actions, detail }) =>
      `${where} allows ${actions} only for the Resource ${detail}, which is not this key: key policies know their key by its key ARN, never by an alias.`,
    whatToDo: () => 'Write "Resource": "*", which in a key policy means this key.',
  },
  CONTEXT_KEY_WRONG: {
    severity: "error",
    message: ({ where, actions, detail }) => `${where} lets no ${actions} through: ${detail}`,
    whatToDo: ({ condition }) => `Make the condition ${condition}.`,
  },
  ORGANIZATION_ID_WRONG: {
    severity: "error",
    message: ({ where, actions, detail }) => `${where} lets no ${actions} through: ${detail}`,
    whatToDo: ({ condition }) =>
      `Make the condition ${condition}; values are compared letter by letter, upper and lower case too.`,
  },
  OPERATOR_WRONG: {
    severity: "error",
    message: ({ where, actions, detail }) => `${where} lets no ${actions} through: ${detail}`,
    whatToDo: ({ condition }) => `Make the condition ${condition}.`,
  },
  PURPOSE_EXCLUDED: {
    severity: "error",
    message: ({ where, actions, detail }) => `${where} lets no ${actions} through: ${detail}`,
    whatToDo: () =>
      'Leave recording-keystore:purpose out of the condition: only for workers that never open recordings may it be "attestation".',
  },
  CONDITION_FAILS: {
    severity: "error",
    message: ({ where, actions, detail }) => `${where} lets no ${actions} through: ${detail}`,
    whatToDo: ({ condition }) => `Take that condition out; ${condition} is enough.`,
  },
  DENIED: {
    severity: "error",
    message: ({ where, actions, detail }) => `${where} denies ${actions} to the recording service${detail}.`,
    whatToDo: ({ service }) => `Except ${service} from it: a Deny wins over every Allow.`,
  },
  CANNOT_TELL: {
    severity: "warning",
    message: ({ where, actions, detail }) =>
      `Whether ${where} lets ${actions} through or not depends on ${detail}, which the policy alone does not tell.`,
    whatToDo: () =>
      "Make sure that it holds for the recording service's calls, by a test of the configuration, or leave it out.",
  },
  MEMBER_TWICE: {
    severity: "warning",
    message: ({ detail }) =>
      `${detail} stands twice in one JSON object: only one of them counts, and here that was the last.`,
    whatToDo: () =>
      "Join them into one: several values are a list, several conditions are several lines of one Condition.",
  },
  ONE_PRINCIPAL_ONLY: {
    severity: "warning",
    message: ({ detail, service }) => `Of ${service} only ${detail} is let in.`,
    whatToDo: ({ service }) =>
      `Make sure that the recording service calls as this principal, or name ${service} as a whole.`,
  },
  DESCRIBE_KEY_DENIED: {
    severity: "warning",
    message: ({ detail }) =>
      `The call kms:DescribeKey is denied${detail}. Recordings are encrypted and opened without it, but the key's type and state stay unknown to a test.`,
    whatToDo: ({ service }) =>
      `Allow kms:DescribeKey to ${service} in a statement of its own without a condition on the encryption context.`,
  },
  RSA_KEY_PAIRS_DENIED: {
    severity: "warning",
    message: () =>
      "The call kms:GenerateDataKeyPairWithoutPlaintext is denied: key pairs of the spec X25519 work, those of RSA do not.",
    whatToDo: ({ condition }) =>
      `Allow kms:GenerateDataKey* under ${condition}, unless RSA key pairs will never be wanted.`,
  },
  NOT_BOUND_TO_ORGANIZATION: {
    severity: "warning",
    message: ({ where, actions, detail }) =>
      `${where} lets ${actions} through ${detail}: the key can be used for more than this organization's recordings.`,
    whatToDo: ({ condition }) =>
      `Put ${condition} on it. Operators with IfExists or ForAllValues, and negated ones, also hold when the encryption context is missing.`,
  },
  OPEN_TO_EVERYONE: {
    severity: "warning",
    message: ({ where, actions }) => `${where} lets any AWS account use ${actions}: organization ids are no secret.`,
    whatToDo: ({ service }) => `Name ${service} as its Principal.`,
  },
  MORE_THAN_NEEDED: {
    severity: "warning",
    message: ({ where, detail }) => `${where} gives the recording service rights that it has no use for: ${detail}.`,
    whatToDo: () => "Allow what recordingKeyStatements() writes, and nothing else.",
  },
  CAN_OPEN_RECORDINGS: {
    severity: "warning",
    message: ({ where }) => `${where} lets a worker that only encrypts open recordings too.`,
    whatToDo: ({ condition }) => `Make the condition ${condition}.`,
  },
  OWNER_LOCKED_OUT: {
    severity: "warning",
    message: ({ detail }) => `Nobody of ${detail} could change this policy any more.`,
    whatToDo: () =>
      "Keep the statement with which AWS leaves the key to its account: kms:* for the account's root, without a condition.",
  },
} as const satisfies Record<string, FindingText>;

/** Codes of findings. `docs/key-policy.md` says what each means. */
export type KeyPolicyFindingCode = keyof typeof texts;

export const keyPolicyFindingCodes = Object.keys(texts) as readonly KeyPolicyFindingCode[];

export function severityOf(code: KeyPolicyFindingCode): KeyPolicyFinding["severity"] {
  return texts[code].severity;
}

/** A finding about one call, before it is worded. Notices that differ by their call only become one finding. */
export interface Notice {
  readonly code: KeyPolicyFindingCode;
  readonly place?: KeyPolicyStatementPlace | undefined;
  readonly action?: string | undefined;
  readonly detail?: string | undefined;
}

/** Words notices as findings: errors first, otherwise in their order. */
export function findingsOf(
  notices: readonly Notice[],
  about: Pick<FindingFacts, "service" | "condition">,
): KeyPolicyFinding[] {
  const groups = new Map<string, { notice: Notice; actions: Set<string> }>();
  for (const notice of notices) {
    const key = JSON.stringify([notice.code, notice.place?.number, notice.detail]);
    const group = groups.get(key) ?? { notice, actions: new Set() };
    if (notice.action !== undefined) group.actions.add(notice.action);
    groups.set(key, group);
  }
  const findings = [...groups.values()].map(({ notice, actions }) => finding(notice, [...actions], about));
  return [
    ...findings.filter(({ severity }) => severity === "error"),
    ...findings.filter(({ severity }) => severity === "warning"),
  ];
}

function finding(
  { code, place, detail = "" }: Notice,
  actions: readonly string[],
  about: Pick<FindingFacts, "service" | "condition">,
): KeyPolicyFinding {
  const { severity, message, whatToDo }: FindingText = texts[code];
  const facts: FindingFacts = { ...about, where: whereOf(place), actions: listed(actions), detail };
  return defined({
    code,
    severity,
    statement: place,
    actions,
    message: capital(message(facts)),
    whatToDo: whatToDo(facts),
  });
}

function whereOf(place: KeyPolicyStatementPlace | undefined): string {
  if (!place) return "the policy";
  return `statement ${place.number}${place.sid === undefined ? "" : ` (${JSON.stringify(place.sid)})`}`;
}

export function listed(texts: readonly string[], word = "and"): string {
  return texts.length < 2 ? texts.join() : `${texts.slice(0, -1).join(", ")} ${word} ${texts.at(-1) ?? ""}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
