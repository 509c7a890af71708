import { parseKmsArn } from "./arn.js";
import { adviceFor, type Facts } from "./diagnosis-advice.js";
import type { KmsFailureKind, KmsError } from "./kms-error.js";

/** What an administrator reads about a failure of KMS. Plain data, for a settings page. */
export interface Diagnosis {
  readonly kind: KmsFailureKind;
  /** One sentence. */
  readonly summary: string;
  /** Steps, most likely remedy first. */
  readonly whatToDo: readonly string[];
  /** What happened, in the words of whoever reported it. */
  readonly detail: string;
  /** KMS's own name for the error, when KMS answered. */
  readonly awsErrorName?: string;
  /** KMS's own text, when it answered with one. */
  readonly awsMessage?: string;
  /** By which AWS Support finds the call, when KMS answered. */
  readonly awsRequestId?: string;
}

/** What of the configuration the advice names. */
export interface DiagnosisContext {
  readonly organizationId?: string;
  /** Name under which the organization's id stands in the encryption context. */
  readonly contextKeyName?: string;
  /** AWS account of the recording service, which the key policy has to name. Default: the one that KMS's own text names. */
  readonly serviceAccountId?: string;
}

/** Explains a failure of KMS to an administrator. Every kind has its section in `docs/kms-errors.md`. */
export function diagnose(error: KmsError, context: DiagnosisContext = {}): Diagnosis {
  const { kind, operation, keyId, awsErrorName, requestId, message } = error;
  const awsMessage = awsErrorName === undefined ? "" : textOf(error.cause);
  return {
    kind,
    ...adviceFor(kind, factsOf({ operation, keyId, awsMessage }, context)),
    detail: message,
    ...(awsErrorName === undefined ? {} : { awsErrorName }),
    ...(awsMessage === "" ? {} : { awsMessage }),
    ...(requestId === undefined ? {} : { awsRequestId: requestId }),
  };
}

function factsOf(
  { operation, keyId, awsMessage }: { operation: string; keyId: string | undefined; awsMessage: string },
  context: DiagnosisContext,
): Facts {
  const arn = keyId === undefined ? undefined : parseKmsArn(keyId);
  const principal = refusedPrincipal(awsMessage);
  const { organizationId, contextKeyName, serviceAccountId = principal?.accountId } = context;
  return {
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

/** Whom KMS says it refused: `User: arn:aws:sts::… is not authorized to perform: …`. */
function refusedPrincipal(awsMessage: string): { arn: string; accountId: string } | undefined {
  const [, arn, accountId] =
    /^User: (arn:aws[\w-]*:(?:iam|sts)::(\d{12}):\S+) is not authorized/.exec(awsMessage) ?? [];
  return arn === undefined || accountId === undefined ? undefined : { arn, accountId };
}

/** The error's cause is a cleaned copy of what the SDK threw. */
function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : "";
}
