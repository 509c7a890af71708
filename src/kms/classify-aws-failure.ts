import type { KmsError } from "../errors.js";
import { kmsError, type KmsFailureKind } from "./failures.js";

/** By the name under which AWS KMS, or the SDK on its behalf, reports it. */
const kindOfName: Record<string, KmsFailureKind> = {
  AccessDeniedException: "access-denied",
  AccessDenied: "access-denied",
  NotAuthorized: "access-denied",
  DisabledException: "key-disabled",
  NotFoundException: "key-not-found",
  KeyUnavailableException: "service-error",
  KMSInternalException: "service-error",
  DependencyTimeoutException: "service-error",
  InternalFailure: "service-error",
  ServiceUnavailable: "service-error",
  ServiceUnavailableException: "service-error",
  ThrottlingException: "throttled",
  Throttling: "throttled",
  TooManyRequestsException: "throttled",
  RequestLimitExceeded: "throttled",
  LimitExceededException: "throttled",
  InvalidCiphertextException: "invalid-ciphertext",
  IncorrectKeyException: "incorrect-key",
  InvalidKeyUsageException: "key-unsupported",
  UnsupportedOperationException: "key-unsupported",
  KMSInvalidStateException: "key-unusable",
  InvalidArnException: "invalid-request",
  InvalidGrantTokenException: "invalid-request",
  ValidationException: "invalid-request",
  ValidationError: "invalid-request",
  SerializationException: "invalid-request",
  CredentialsProviderError: "credentials",
  TokenProviderError: "credentials",
  ExpiredTokenException: "credentials",
  ExpiredToken: "credentials",
  UnrecognizedClientException: "credentials",
  InvalidClientTokenId: "credentials",
  InvalidSignatureException: "credentials",
  SignatureDoesNotMatch: "credentials",
  IncompleteSignature: "credentials",
  MissingAuthenticationToken: "credentials",
  MissingAuthenticationTokenException: "credentials",
  OptInRequired: "credentials",
  RequestExpired: "credentials",
  RequestTimeTooSkewed: "credentials",
  TimeoutError: "timeout",
};

/** By the code of a socket, DNS or TLS error. */
function kindOfCode(code: string): KmsFailureKind | undefined {
  if (code === "ETIMEDOUT" || code === "ESOCKETTIMEDOUT") return "timeout";
  if (/^(ECONN|ENOTFOUND|EAI_|EPIPE|EHOST|ENET|EADDR|ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_HTTP2|EPROTO)/.test(code)) return "unreachable";
  return undefined;
}

interface SdkFailure {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown; readonly requestId?: unknown };
}

/** Turns whatever the SDK threw into a classified error that holds neither credentials nor requests. */
export function classifyAwsFailure(error: unknown, operation: string, keyId: string): KmsError {
  const failure = (typeof error === "object" && error !== null ? error : {}) as SdkFailure;
  const name = typeof failure.name === "string" ? failure.name : "";
  const answered = failure.$metadata?.httpStatusCode !== undefined && name in kindOfName;
  // Some answers have no message at all, and the SDK then makes one up.
  const said = typeof failure.message === "string" && failure.message !== "" && failure.message !== "UnknownError" ? failure.message : undefined;
  const kind = kindOf(failure);
  const requestId = failure.$metadata?.requestId;
  return kmsError(kind, {
    operation,
    keyId,
    message: `${operation} failed (${name || kind})${said === undefined ? "" : `: ${said.slice(0, 1_000)}`}`,
    awsErrorName: answered ? name : undefined,
    requestId: typeof requestId === "string" ? requestId : undefined,
    cause: withoutSecrets(failure, name, said),
  });
}

function kindOf(failure: SdkFailure, depth = 0): KmsFailureKind {
  const { name, code, message, $metadata } = failure;
  // A dropped socket is a TimeoutError to the SDK; its code says more.
  const byCode = typeof code === "string" ? kindOfCode(code) : undefined;
  if (byCode) return byCode;
  if (name === "KMSInvalidStateException" && typeof message === "string" && /pending (replica )?deletion/i.test(message)) return "key-pending-deletion";
  const byName = typeof name === "string" ? kindOfName[name] : undefined;
  if (byName) return byName;
  const status = $metadata?.httpStatusCode;
  if (typeof status === "number") {
    if (status === 429) return "throttled";
    if (status >= 500) return "service-error";
    if (status === 401 || status === 403) return "access-denied";
    if (status >= 400) return "invalid-request";
  }
  if (depth < 4) {
    const inner = [failure.cause, ...(Array.isArray(failure.errors) ? (failure.errors as unknown[]) : [])];
    for (const each of inner) {
      if (typeof each !== "object" || each === null) continue;
      const kind = kindOf(each as SdkFailure, depth + 1);
      if (kind !== "unexpected-answer") return kind;
    }
  }
  return "unexpected-answer";
}

/** The SDK's own error may hold request and response; only name, code and text go on as the cause. */
function withoutSecrets(failure: SdkFailure, name: string, message: string | undefined): Error {
  const cause = new Error(message ?? "");
  cause.name = name || "Error";
  if (typeof failure.code === "string") Object.assign(cause, { code: failure.code });
  return cause;
}
