import { children, errorName, errorText, member, readMetadata } from "./safe-cause.js";

/** Kinds of failure that all services of AWS have in common. */
type CommonAwsFailureKind =
  | "unreachable"
  | "timeout"
  | "throttled"
  | "service-error"
  | "credentials"
  | "access-denied"
  | "invalid-request"
  | "unexpected-answer";

/** Kinds by the names that a service, or the SDK, gives its errors. */
export type AwsErrorNames<Kind extends string> = ReadonlyMap<string, Kind>;

/** Turns lists of names around. */
export function awsErrorNames<Kind extends string>(
  names: Readonly<Partial<Record<Kind, readonly string[]>>>,
): AwsErrorNames<Kind> {
  const kinds = new Map<string, Kind>();
  for (const [kind, list] of Object.entries<readonly string[] | undefined>(names))
    for (const name of list ?? []) kinds.set(name, kind as Kind);
  return kinds;
}

/** What a service adds to what all of them have in common. */
export interface AwsServiceFailures<Kind extends string> {
  /** Prefixes, in policies, of the actions that its calls need: `kms`. */
  readonly actionPrefixes: readonly string[];
  /** Kind of an error by a name of the service's own; `undefined` for any other name. Asked before the common names. */
  readonly kindOf: (name: string, text: string) => Kind | undefined;
}

const commonNames: AwsErrorNames<CommonAwsFailureKind> = awsErrorNames<CommonAwsFailureKind>({
  "access-denied": ["AccessDeniedException", "AccessDenied", "NotAuthorized"],
  credentials: [
    ...["ExpiredTokenException", "ExpiredToken", "TokenRefreshRequired", "UnrecognizedClientException"],
    ...["UnrecognizedClient", "InvalidClientTokenId", "InvalidClientTokenIdException", "InvalidAccessKeyId"],
    ...["InvalidSignatureException", "InvalidSignature", "SignatureDoesNotMatch", "IncompleteSignature"],
    ...["IncompleteSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException"],
    ...["AuthFailure", "OptInRequired", "RequestExpired", "RequestExpiredException", "RequestTimeTooSkewed"],
    ...["RequestInTheFuture", "InvalidIdentityToken", "InvalidIdentityTokenException", "IDPRejectedClaim"],
    ...["IDPRejectedClaimException", "IDPCommunicationError", "UnauthorizedException"],
  ],
  throttled: [
    ...["ThrottlingException", "Throttling", "ThrottledException", "RequestThrottled", "RequestThrottledException"],
    ...["TooManyRequestsException", "TooManyRequests", "RequestLimitExceeded", "LimitExceededException"],
    ...["LimitExceeded", "SlowDown", "BandwidthLimitExceeded", "PriorRequestNotComplete"],
  ],
  "service-error": [
    ...["InternalFailure", "InternalServerError", "InternalServiceError", "InternalError"],
    ...["ServiceUnavailable", "ServiceUnavailableException", "ServiceFailure"],
  ],
  "invalid-request": [
    ...["ValidationException", "ValidationError", "SerializationException", "InvalidParameterValue"],
    ...["InvalidParameterCombination", "MissingParameter", "MissingAction", "InvalidAction"],
    ...["UnknownOperationException", "MalformedQueryString"],
  ],
  timeout: ["RequestTimeout", "RequestTimeoutException"],
});

/** The SDK's own names for failures without an answer. */
const localNames: AwsErrorNames<CommonAwsFailureKind> = awsErrorNames<CommonAwsFailureKind>({
  credentials: ["CredentialsProviderError", "ProviderError", "TokenProviderError"],
  timeout: ["TimeoutError", "AbortError"],
});

/** A failure that the AWS SDK, the network or a proxy has reported. */
export interface AwsFailure<Kind extends string> {
  readonly kind: Kind | CommonAwsFailureKind;
  /** The service's own name for it; `undefined` without an answer of the service. */
  readonly awsErrorName: string | undefined;
  /** Text of the error, without anything that could be a secret. */
  readonly text: string | undefined;
  readonly requestId: string | undefined;
}

/**
 * Classifies by name, `code`, status and text of an error and of the errors behind it, the outermost first. Anything may
 * have been thrown. An unknown failure counts as `unexpected-answer`, never as a verdict of the service.
 */
export function classifyAwsFailure<Kind extends string>(
  error: unknown,
  service: AwsServiceFailures<Kind>,
): AwsFailure<Kind> {
  const chain = chainOf(error);
  for (const link of chain) {
    const kind = kindOf(link, service);
    if (kind !== undefined) return describe(link, kind, chain, service);
  }
  const [first] = chain;
  if (first === undefined)
    return { kind: "unexpected-answer", awsErrorName: undefined, text: undefined, requestId: undefined };
  for (const link of chain) {
    const kind = kindOfStatus(statusOf(link));
    if (kind !== undefined) return describe(link, kind, chain, service);
  }
  return describe(first, "unexpected-answer", chain, service);
}

/**
 * Whether a write that failed so may have been made: there was no answer, or one of a server in trouble. An error of the
 * 400s says that it was not.
 */
export function mayHaveHappened(error: unknown): boolean {
  const status = typeof error === "object" && error !== null ? statusOf(error) : undefined;
  return status === undefined || status < 400 || status >= 500 || status === 408;
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

function kindOf<Kind extends string>(
  error: object,
  service: AwsServiceFailures<Kind>,
): Kind | CommonAwsFailureKind | undefined {
  const named = awsNameOf(error, service);
  if (named) return named.kind === "access-denied" ? kindOfDenial(error, service.actionPrefixes) : named.kind;
  const [code, syscall, retryable] = ["code", "syscall", "$retryable"].map((name) => member(error, name));
  // A call opens only files of credentials: a web identity's token, a profile.
  if (syscall === "open") return "credentials";
  const byCode = typeof code === "string" ? kindOfCode(code) : undefined;
  if (byCode !== undefined) return byCode;
  if (typeof retryable === "object" && retryable !== null && member(retryable, "throttling") === true)
    return "throttled";
  const local = errorName(error);
  return local === undefined ? undefined : localNames.get(local);
}

/** The known AWS name of an error, in whichever member it stands, with its kind. */
function awsNameOf<Kind extends string>(
  error: object,
  service: AwsServiceFailures<Kind>,
): { readonly name: string; readonly kind: Kind | CommonAwsFailureKind } | undefined {
  for (const place of ["name", "code", "Code", "__type"]) {
    const name = errorName({ name: member(error, place) });
    if (name === undefined) continue;
    const kind = service.kindOf(name, errorText(error) ?? "") ?? commonNames.get(name);
    if (kind !== undefined) return { name, kind };
  }
  return undefined;
}

/** A role that can't be assumed and a wrong clock say nothing about the caller's rights in the service. */
function kindOfDenial(error: object, actionPrefixes: readonly string[]): "access-denied" | "credentials" {
  const text = errorText(error) ?? "";
  const action = /not authorized to perform:? ([a-z0-9-]+):/i.exec(text)?.[1]?.toLowerCase();
  if (action !== undefined && !actionPrefixes.includes(action)) return "credentials";
  return /signature (?:expired|not yet current)/i.test(text) ? "credentials" : "access-denied";
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

function kindOfCode(code: string): "timeout" | "unreachable" | undefined {
  if (timeoutCodes.has(code)) return "timeout";
  return connectionCodes.test(code) ? "unreachable" : undefined;
}

function kindOfStatus(status: number | undefined): "throttled" | "timeout" | "service-error" | undefined {
  if (status === undefined) return undefined;
  if (status === 429) return "throttled";
  if (status === 408 || status === 504) return "timeout";
  return status >= 500 ? "service-error" : undefined;
}

function statusOf(error: object): number | undefined {
  return readMetadata(member(error, "$metadata")).httpStatusCode;
}

function describe<Kind extends string>(
  link: object,
  kind: Kind | CommonAwsFailureKind,
  chain: readonly object[],
  service: AwsServiceFailures<Kind>,
): AwsFailure<Kind> {
  const answered = chain
    .map((error) => readMetadata(member(error, "$metadata")))
    .find(({ httpStatusCode }) => httpStatusCode !== undefined);
  const name = awsNameOf(link, service)?.name ?? (answered && errorName(link));
  const code = member(link, "code");
  const text = errorText(link) ?? (typeof code === "string" && code !== name ? code : undefined);
  // The text of these errors quotes the signed request.
  const quotesRequest = name !== undefined && /Signature/.test(name) && !/expired|not yet current/.test(text ?? "");
  return { kind, awsErrorName: name, text: quotesRequest ? undefined : text, requestId: answered?.requestId };
}
