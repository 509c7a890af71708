import { defined } from "../util/defined.js";
import { parseKmsArn } from "./arn.js";
import { adviceFor, type Facts } from "./diagnosis-advice.js";
import type { KmsError, KmsFailureKind } from "./kms-error.js";
import { clientOfAnotherRegion } from "./not-sent.js";

/** Explanation of a KMS failure for an administrator. Plain data, for a settings page. */
export interface Diagnosis {
  readonly kind: KmsFailureKind;
  /** What happened, in one sentence. */
  readonly summary: string;
  /** Steps to take, most likely remedy first. */
  readonly whatToDo: readonly string[];
  /** Message of the error. */
  readonly detail: string;
  /** KMS's own name for the error, where KMS answered. */
  readonly awsErrorName?: string;
  /** KMS's own text, where it sent one. */
  readonly awsMessage?: string;
  /** Request id for AWS Support, where KMS answered. */
  readonly awsRequestId?: string;
}

/** Names that the advice can mention. */
export interface DiagnosisContext {
  readonly organizationId?: string;
  /** Name of the organization's id in the encryption context. */
  readonly contextKeyName?: string;
  /** Whether there is a key that recordings go on with. Default true. */
  readonly configured?: boolean;
  /** The organization's home Region. */
  readonly homeRegion?: string;
  /** AWS account of the recording service, 12 digits. Default: the one that KMS names. */
  readonly serviceAccountId?: string;
}

/** Explains a KMS failure to an administrator. Every kind has its section in `docs/kms-errors.md`. */
export function diagnose(error: KmsError, context: DiagnosisContext = {}): Diagnosis {
  const { kind, operation, keyId, awsErrorName, requestId, message } = error;
  const awsMessage = awsErrorName === undefined ? "" : textOf(error.cause);
  return {
    kind,
    ...adviceFor(kind, factsOf({ operation, keyId, awsMessage, notSent: isNotSent(error) }, context)),
    detail: message,
    ...defined({ awsErrorName, awsMessage: awsMessage === "" ? undefined : awsMessage, awsRequestId: requestId }),
  };
}

interface Failure {
  readonly operation: string;
  readonly keyId: string | undefined;
  /** KMS's own text; empty if it sent none. */
  readonly awsMessage: string;
  readonly notSent: boolean;
}

/** Whether the client for a call is of another Region, so that nothing went over the network. */
function isNotSent({ kind, cause, message }: KmsError): boolean {
  return kind === "unreachable" && cause === undefined && message.includes(clientOfAnotherRegion);
}

function factsOf({ operation, keyId, awsMessage, notSent }: Failure, context: DiagnosisContext): Facts {
  const arn = keyId === undefined ? undefined : parseKmsArn(keyId);
  const principal = refusedPrincipal(awsMessage);
  const {
    organizationId,
    contextKeyName,
    serviceAccountId = principal?.accountId,
    configured = true,
    homeRegion,
  } = context;
  return {
    notSent,
    configured,
    homeRegion: arn && homeRegion !== arn.region ? homeRegion : undefined,
    operation,
    key:
      keyId === undefined
        ? "the KMS key"
        : `${arn?.resource.type === "alias" ? "the KMS key behind" : "the KMS key"} ${keyId}`,
    arn: keyId ?? "the ARN",
    region: arn?.region ?? "its Region",
    account: arn ? `account ${arn.accountId}` : "the key's account",
    caller:
      serviceAccountId === undefined
        ? "the recording service's AWS account"
        : `the recording service's AWS account ${serviceAccountId}`,
    role: principal ? `the recording service's own ${principal.arn}` : "the recording service's own role",
    condition:
      contextKeyName === undefined
        ? "a condition on the encryption context, the organization's id"
        : `the condition StringEquals kms:EncryptionContext:${contextKeyName} = ${organizationId === undefined ? "the organization's id" : JSON.stringify(organizationId)}`,
    awsMessage,
  };
}

/** The principal that KMS names: `User: arn:aws:sts::… is not authorized to perform: …`. */
function refusedPrincipal(awsMessage: string): { arn: string; accountId: string } | undefined {
  const [, arn, accountId] =
    /^User: (arn:aws[\w-]*:(?:iam|sts)::(\d{12}):\S+) is not authorized/.exec(awsMessage) ?? [];
  return arn === undefined || accountId === undefined ? undefined : { arn, accountId };
}

/** The message of a cause, which is a cleaned copy of what the SDK threw. */
function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : "";
}
