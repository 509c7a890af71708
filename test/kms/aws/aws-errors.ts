import type { KmsFailureKind } from "../../../src/kms/kms-error.js";

/** An error as KMS answers it: name, text (none for some) and HTTP status. */
export interface AwsAnswer {
  readonly name: string;
  readonly message?: string;
  readonly status?: number;
}

const arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const user = "User: arn:aws:sts::444455556666:assumed-role/recorder/i-1 is not authorized to perform";

/** What KMS, or STS on its behalf, answers, and what kind of failure it is. */
export const awsAnswers: readonly (readonly [KmsFailureKind, AwsAnswer])[] = [
  [
    "throttled",
    {
      name: "ThrottlingException",
      message: "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
    },
  ],
  ["throttled", { name: "TooManyRequestsException", status: 429 }],
  ["throttled", { name: "LimitExceededException", message: "The request was rejected because a quota was exceeded." }],
  ["throttled", { name: "RequestLimitExceeded", status: 503 }],
  ["service-error", { name: "KMSInternalException", message: "KMS internal error.", status: 500 }],
  ["service-error", { name: "KeyUnavailableException", status: 500 }],
  [
    "service-error",
    {
      name: "DependencyTimeoutException",
      message: "The system timed out while trying to fulfill the request.",
      status: 503,
    },
  ],
  ["service-error", { name: "InternalFailure", status: 500 }],
  ["service-error", { name: "ServiceUnavailableException", status: 503 }],
  ["timeout", { name: "RequestTimeoutException", status: 408 }],
  ["credentials", { name: "ExpiredTokenException", message: "The security token included in the request is expired" }],
  [
    "credentials",
    { name: "UnrecognizedClientException", message: "The security token included in the request is invalid." },
  ],
  [
    "credentials",
    { name: "InvalidClientTokenId", message: "The security token included in the request is invalid.", status: 403 },
  ],
  [
    "credentials",
    {
      name: "InvalidSignatureException",
      message: "The request signature we calculated does not match the signature you provided.",
    },
  ],
  [
    "credentials",
    {
      name: "InvalidSignatureException",
      message: "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z",
    },
  ],
  ["credentials", { name: "SignatureDoesNotMatch", status: 403 }],
  ["credentials", { name: "IncompleteSignature" }],
  ["credentials", { name: "MissingAuthenticationTokenException", message: "Missing Authentication Token" }],
  ["credentials", { name: "RequestExpired" }],
  ["credentials", { name: "OptInRequired", status: 403 }],
  [
    "credentials",
    {
      name: "AccessDenied",
      message: `${user}: sts:AssumeRole on resource: arn:aws:iam::444455556666:role/recorder`,
      status: 403,
    },
  ],
  [
    "credentials",
    {
      name: "AccessDeniedException",
      message: "Signature not yet current: 20260101T001000Z is still later than 20260101T000000Z",
    },
  ],
  [
    "access-denied",
    {
      name: "AccessDeniedException",
      message: `${user}: kms:Decrypt on resource: ${arn} because no identity-based policy allows the kms:Decrypt action`,
    },
  ],
  [
    "access-denied",
    {
      name: "AccessDeniedException",
      message: `${user}: kms:Encrypt on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access`,
    },
  ],
  ["access-denied", { name: "AccessDeniedException" }],
  ["access-denied", { name: "KMSAccessDeniedException", status: 403 }],
  ["key-disabled", { name: "DisabledException", message: `${arn} is disabled.` }],
  ["key-disabled", { name: "KMSInvalidStateException", message: `${arn} is disabled.` }],
  ["key-pending-deletion", { name: "KMSInvalidStateException", message: `${arn} is pending deletion.` }],
  ["key-pending-deletion", { name: "KMSInvalidStateException", message: `${arn} is pending replica deletion.` }],
  ["key-unusable", { name: "KMSInvalidStateException", message: `${arn} is pending import.` }],
  ["key-unusable", { name: "KMSInvalidStateException" }],
  ["key-unusable", { name: "CloudHsmClusterNotActiveException" }],
  ["key-unusable", { name: "CustomKeyStoreInvalidStateException" }],
  ["key-unusable", { name: "XksProxyUriUnreachableException" }],
  [
    "key-not-found",
    { name: "NotFoundException", message: "Alias arn:aws:kms:eu-west-1:111122223333:alias/recordings is not found." },
  ],
  [
    "key-unsupported",
    { name: "InvalidKeyUsageException", message: `${arn} key usage is SIGN_VERIFY which is not valid for Encrypt.` },
  ],
  ["key-unsupported", { name: "UnsupportedOperationException" }],
  ["invalid-ciphertext", { name: "InvalidCiphertextException" }],
  [
    "incorrect-key",
    {
      name: "IncorrectKeyException",
      message: "The key ID in the request does not identify a CMK that can perform this operation.",
    },
  ],
  ["invalid-request", { name: "ValidationException", message: "1 validation error detected" }],
  ["invalid-request", { name: "InvalidArnException", message: "Invalid arn eu-west-1" }],
  ["invalid-request", { name: "SerializationException" }],
  ["invalid-request", { name: "InvalidGrantTokenException" }],
  ["service-error", { name: "NobodyKnowsThisException", status: 500 }],
  ["throttled", { name: "NobodyKnowsThisException", status: 429 }],
  ["timeout", { name: "NobodyKnowsThisException", status: 504 }],
  ["unexpected-answer", { name: "NobodyKnowsThisException", message: "a verdict that this version can't read" }],
  ["unexpected-answer", { name: "NobodyKnowsThisException", status: 403 }],
];

/** What goes wrong before there is an answer, as Node, TLS and the SDK report it. */
export const localFailures: readonly (readonly [KmsFailureKind, string, () => unknown])[] = [
  ...[
    "ECONNREFUSED",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNRESET",
    "EPIPE",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ECONNABORTED",
    "EADDRNOTAVAIL",
    "EMFILE",
    "EPROTO",
  ]
    .concat([
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "CERT_HAS_EXPIRED",
      "SELF_SIGNED_CERT_IN_CHAIN",
      "DEPTH_ZERO_SELF_SIGNED_CERT",
    ])
    .concat([
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "ERR_SSL_WRONG_VERSION_NUMBER",
      "ERR_HTTP2_STREAM_ERROR",
      "UND_ERR_SOCKET",
    ])
    .map((code) => ["unreachable", `code ${code}`, () => withCode(code)] as const),
  ...["ETIMEDOUT", "UND_ERR_CONNECT_TIMEOUT"].map((code) => ["timeout", `code ${code}`, () => withCode(code)] as const),
  ["timeout", "the SDK's TimeoutError", () => named("TimeoutError")],
  [
    "unreachable",
    "a dropped socket, which is a TimeoutError too",
    () => Object.assign(withCode("ECONNRESET"), { name: "TimeoutError" }),
  ],
  ["timeout", "an abort of nobody's", () => named("AbortError")],
  [
    "credentials",
    "no credentials",
    () => named("CredentialsProviderError", "Could not load credentials from any providers"),
  ],
  [
    "credentials",
    "no credentials because their host is away",
    () => Object.assign(named("CredentialsProviderError"), { cause: withCode("ECONNREFUSED") }),
  ],
  ["credentials", "no token file", () => Object.assign(withCode("ENOENT"), { syscall: "open" })],
  ["credentials", "a token file that must not be read", () => Object.assign(withCode("EACCES"), { syscall: "open" })],
  ["unreachable", "a reset while reading", () => Object.assign(withCode("ECONNRESET"), { syscall: "read" })],
  ["unreachable", "a firewall on the host", () => Object.assign(withCode("EACCES"), { syscall: "connect" })],
  ["unreachable", "a cause", () => new Error("fetch failed", { cause: withCode("ECONNREFUSED") })],
  ["unreachable", "a cause's cause", () => new Error("x", { cause: new Error("y", { cause: withCode("ENOTFOUND") }) })],
  ["unreachable", "happy eyeballs", () => new AggregateError([withCode("ECONNREFUSED"), withCode("ENETUNREACH")])],
  [
    "timeout",
    "happy eyeballs, all too slow",
    () => Object.assign(new AggregateError([withCode("ETIMEDOUT"), withCode("ENETUNREACH")]), { code: "ETIMEDOUT" }),
  ],
  ["key-disabled", "a name in the code", () => withCode("DisabledException")],
  ["access-denied", "a name of the wire", () => named("com.amazonaws.kms#AccessDeniedException")],
  [
    "access-denied",
    "a name with its namespace",
    () => named("AccessDeniedException:http://internal.amazon.com/coral/com.amazonaws.kms/"),
  ],
  [
    "throttled",
    "a mark of the retry strategy",
    () => Object.assign(new Error("slow"), { $retryable: { throttling: true } }),
  ],
  [
    "unexpected-answer",
    "a login page",
    () => Object.assign(new SyntaxError("Unexpected token '<'"), { $metadata: { httpStatusCode: 200 } }),
  ],
  [
    "service-error",
    "a gateway's page",
    () => Object.assign(new SyntaxError("Unexpected token '<'"), { $metadata: { httpStatusCode: 502 } }),
  ],
  ["unexpected-answer", "a fault of the program", () => new TypeError("x is not a function")],
  ["unexpected-answer", "an error whose name is on every object", () => named("constructor")],
  ["unexpected-answer", "a circle", circle],
  ["unexpected-answer", "a text", () => "boom"],
  ["unexpected-answer", "nothing", () => undefined],
];

function withCode(code: string): Error {
  return Object.assign(new Error(`connect ${code} 192.0.2.1:443`), { code });
}

function named(name: string, message = "text"): Error {
  return Object.assign(new Error(message), { name });
}

function circle(): Error {
  const one = new Error("one");
  one.cause = new Error("two", { cause: one });
  return one;
}
