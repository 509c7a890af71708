import { children, errorName, errorText, readMetadata, sanitizeCause } from "../../util/safe-cause.js";
import { kmsError, type KmsFailureKind, type KmsError } from "../kms-error.js";

const kindsByName: Readonly<Record<string, KmsFailureKind>> = {
  ...all(
    "access-denied",
    "AccessDeniedException",
    "AccessDenied",
    "KMSAccessDeniedException",
    "KMSAccessDenied",
    "NotAuthorized",
  ),
  ...all(
    "credentials",
    ...["ExpiredTokenException", "ExpiredToken", "TokenRefreshRequired"],
    ...[
      "UnrecognizedClientException",
      "UnrecognizedClient",
      "InvalidClientTokenId",
      "InvalidClientTokenIdException",
      "InvalidAccessKeyId",
    ],
    ...[
      "InvalidSignatureException",
      "InvalidSignature",
      "SignatureDoesNotMatch",
      "IncompleteSignature",
      "IncompleteSignatureException",
    ],
    ...[
      "MissingAuthenticationToken",
      "MissingAuthenticationTokenException",
      "AuthFailure",
      "OptInRequired",
      "RequestExpired",
    ],
    ...[
      "RequestExpiredException",
      "RequestTimeTooSkewed",
      "RequestInTheFuture",
      "InvalidIdentityToken",
      "InvalidIdentityTokenException",
    ],
    ...["IDPRejectedClaim", "IDPRejectedClaimException", "IDPCommunicationError", "UnauthorizedException"],
  ),
  ...all(
    "throttled",
    ...[
      "ThrottlingException",
      "Throttling",
      "ThrottledException",
      "RequestThrottled",
      "RequestThrottledException",
      "KMSThrottlingException",
    ],
    ...[
      "TooManyRequestsException",
      "TooManyRequests",
      "RequestLimitExceeded",
      "LimitExceededException",
      "LimitExceeded",
      "SlowDown",
    ],
    ...["BandwidthLimitExceeded", "PriorRequestNotComplete"],
  ),
  ...all(
    "service-error",
    ...[
      "KMSInternalException",
      "KeyUnavailableException",
      "DependencyTimeoutException",
      "InternalFailure",
      "InternalServerError",
    ],
    ...["InternalServiceError", "InternalError", "ServiceUnavailable", "ServiceUnavailableException", "ServiceFailure"],
  ),
  ...all("key-disabled", "DisabledException", "KMSDisabledException"),
  ...all("key-unusable", "KMSInvalidStateException", "InvalidStateException", "KeyMaterialExpiredException"),
  ...all("key-not-found", "NotFoundException", "KMSNotFoundException"),
  ...all("key-unsupported", "InvalidKeyUsageException", "UnsupportedOperationException"),
  ...all("invalid-ciphertext", "InvalidCiphertextException"),
  ...all("incorrect-key", "IncorrectKeyException"),
  ...all(
    "invalid-request",
    ...[
      "ValidationException",
      "ValidationError",
      "InvalidArnException",
      "InvalidGrantTokenException",
      "SerializationException",
    ],
    ...[
      "DryRunOperationException",
      "InvalidParameterValue",
      "InvalidParameterCombination",
      "MissingParameter",
      "MissingAction",
    ],
    ...["InvalidAction", "UnknownOperationException", "MalformedQueryString", "InvalidAliasNameException"],
  ),
  ...all("timeout", "RequestTimeout", "RequestTimeoutException"),
};

/** The SDK's own names for failures without an answer. */
const kindsByLocalName: Readonly<Record<string, KmsFailureKind>> = {
  ...all("credentials", "CredentialsProviderError", "ProviderError", "TokenProviderError"),
  ...all("timeout", "TimeoutError", "AbortError"),
};

/** A failure that the AWS SDK, the network or a proxy has reported. */
export interface AwsFailure {
  readonly kind: KmsFailureKind;
  /** KMS's own name for it; `undefined` without an answer of KMS. */
  readonly awsErrorName: string | undefined;
  /** Text of the error, without anything that could be a secret. */
  readonly text: string | undefined;
  readonly requestId: string | undefined;
}

/**
 * Classifies by name, `code`, status and text of an error and of the errors behind it, the outermost first. An unknown
 * failure counts as `unexpected-answer`, not as a verdict of KMS: a verdict could make a good key pair untrusted.
 */
export function classifyAwsFailure(error: unknown): AwsFailure {
  const chain = chainOf(error);
  for (const link of chain) {
    const kind = kindOf(link);
    if (kind !== undefined) return describe(link, kind, chain);
  }
  const [first] = chain;
  if (first === undefined)
    return { kind: "unexpected-answer", awsErrorName: undefined, text: undefined, requestId: undefined };
  for (const link of chain) {
    const kind = kindOfStatus(link);
    if (kind !== undefined) return describe(link, kind, chain);
  }
  return describe(first, "unexpected-answer", chain);
}

/** The {@link KmsError} for any rejection of the AWS SDK. Its cause is a cleaned copy. */
export function kmsErrorFromAws(error: unknown, call: { operation: string; keyId: string }): KmsError {
  const { kind, awsErrorName, text, requestId } = classifyAwsFailure(error);
  const said = [awsErrorName, text].filter((part) => part !== undefined).join(": ");
  return kmsError(kind, {
    ...call,
    awsErrorName,
    requestId,
    message: `${call.operation} with ${call.keyId} failed (${kind})${said === "" ? "" : `: ${said}`}`,
    cause: sanitizeCause(error),
  });
}

function all(kind: KmsFailureKind, ...names: string[]): Record<string, KmsFailureKind> {
  return Object.fromEntries(names.map((name) => [name, kind]));
}

/** An error and those behind it, outermost first, each once. */
function chainOf(error: unknown): readonly object[] {
  const chain = new Set<object>();
  const visit = (candidate: unknown) => {
    if (typeof candidate !== "object" || candidate === null || chain.has(candidate) || chain.size >= 16) return;
    chain.add(candidate);
    children(candidate).forEach(visit);
  };
  visit(error);
  return [...chain];
}

function kindOf(error: object): KmsFailureKind | undefined {
  const name = awsNameOf(error);
  if (name !== undefined) return refine(kindsByName[name] ?? "key-unusable", errorText(error) ?? "");
  const { code, syscall, $retryable } = error as {
    code?: unknown;
    syscall?: unknown;
    $retryable?: { throttling?: unknown };
  };
  // A call opens only files of credentials: a web identity's token, a profile.
  if (syscall === "open") return "credentials";
  const byCode = typeof code === "string" ? kindOfCode(code) : undefined;
  if (byCode !== undefined) return byCode;
  if ($retryable?.throttling === true) return "throttled";
  const local = errorName(error);
  return local !== undefined && Object.hasOwn(kindsByLocalName, local) ? kindsByLocalName[local] : undefined;
}

/** The known AWS name of an error, in whichever member it stands. */
function awsNameOf(error: object): string | undefined {
  const { code, Code, __type } = error as Record<string, unknown>;
  for (const candidate of [
    errorName(error),
    ...[code, Code, __type].map((value) => (typeof value === "string" ? errorName({ name: value }) : undefined)),
  ]) {
    if (candidate === undefined) continue;
    if (Object.hasOwn(kindsByName, candidate)) return candidate;
    if (/^(?:CloudHsmCluster|CustomKeyStore|XksProxy|XksKey)\w+Exception$/.test(candidate)) return candidate;
  }
  return undefined;
}

/** Tells apart kinds that share a name, by their text. */
function refine(kind: KmsFailureKind, text: string): KmsFailureKind {
  if (kind === "key-unusable") {
    if (/pending (?:replica )?deletion|Pending(?:Replica)?Deletion/.test(text)) return "key-pending-deletion";
    if (/\bis disabled\b/.test(text)) return "key-disabled";
  }
  if (kind === "access-denied") {
    // A role that can't be assumed and a wrong clock say nothing about the KMS key.
    if (/not authorized to perform:? (?!kms:)[a-z0-9-]+:/i.test(text)) return "credentials";
    if (/signature (?:expired|not yet current)/i.test(text)) return "credentials";
  }
  return kind;
}

const timeoutCodes = new Set([
  "ETIMEDOUT",
  "ESOCKETTIMEDOUT",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
]);

/** System and TLS errors of a connection. Any other `code` says nothing. */
const connectionCodes =
  /^(?:ECONN[A-Z]+|ENOTFOUND|ENODATA|EAI_[A-Z]+|EPIPE|EHOST[A-Z]+|ENET[A-Z]+|EADDR[A-Z]+|EPROTO|EACCES|EPERM|EMFILE|ENFILE|ENOTCONN|ENOBUFS|ERR_(?:TLS|SSL|SOCKET|STREAM_PREMATURE|HTTP2)_?\w*|CERT_\w+|CRL_\w+|UNABLE_TO_\w+|\w*SELF_SIGNED\w*|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|UND_ERR_(?:SOCKET|CLOSED|DESTROYED))$/;

function kindOfCode(code: string): KmsFailureKind | undefined {
  if (timeoutCodes.has(code)) return "timeout";
  return connectionCodes.test(code) ? "unreachable" : undefined;
}

function kindOfStatus(error: object): KmsFailureKind | undefined {
  const { httpStatusCode: status } = readMetadata((error as { $metadata?: unknown }).$metadata);
  if (status === undefined) return undefined;
  if (status === 429) return "throttled";
  if (status === 408 || status === 504) return "timeout";
  return status >= 500 ? "service-error" : undefined;
}

function describe(link: object, kind: KmsFailureKind, chain: readonly object[]): AwsFailure {
  const answered = chain
    .map((error) => readMetadata((error as { $metadata?: unknown }).$metadata))
    .find(({ httpStatusCode }) => httpStatusCode !== undefined);
  const name = awsNameOf(link) ?? (answered && errorName(link));
  const { code } = link as { code?: unknown };
  const text = errorText(link) ?? (typeof code === "string" && code !== name ? code : undefined);
  // The text of these errors quotes the signed request.
  const quotesRequest = name !== undefined && /Signature/.test(name) && !/expired|not yet current/.test(text ?? "");
  return { kind, awsErrorName: name, text: quotesRequest ? undefined : text, requestId: answered?.requestId };
}
