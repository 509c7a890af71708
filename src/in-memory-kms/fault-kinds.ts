import { AwsError } from "./aws-error.js";

/** What a fault makes of a call. */
export type FaultOutcome =
  | { type: "network"; code: string; message: string; afterwards?: boolean }
  | { type: "hang" }
  | { type: "error"; error: AwsError }
  | { type: "denied" }
  | { type: "no-credentials" }
  | { type: "clock-skew"; ms: number };

const network = (code: string, message: string) => (): FaultOutcome => ({ type: "network", code, message });
const error = (name: string, message?: string) => (): FaultOutcome => ({
  type: "error",
  error: new AwsError(name, message),
});

/** Every kind of fault, with what it does to a call. */
export const faultOutcomes = {
  "connection-refused": network("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:443"),
  "name-not-found": network("ENOTFOUND", "getaddrinfo ENOTFOUND kms.invalid"),
  "connection-reset": network("ECONNRESET", "socket hang up"),
  "connection-timeout": network("ETIMEDOUT", "connect ETIMEDOUT 127.0.0.1:443"),
  /** The call is carried out, and then its answer is lost. */
  "answer-lost": (): FaultOutcome => ({
    type: "network",
    code: "ECONNRESET",
    message: "socket hang up",
    afterwards: true,
  }),
  hang: (): FaultOutcome => ({ type: "hang" }),
  /** Only holds the call up; whatever comes after decides. */
  latency: (): FaultOutcome => ({ type: "hang" }),
  "internal-error": error("KMSInternalException", "KMS internal error."),
  "service-unavailable": error("ServiceUnavailableException", "Service is unavailable."),
  "key-unavailable": error("KeyUnavailableException"),
  "dependency-timeout": error(
    "DependencyTimeoutException",
    "The request timed out while waiting for a dependent service.",
  ),
  throttling: error(
    "ThrottlingException",
    "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
  ),
  "access-denied": (): FaultOutcome => ({ type: "denied" }),
  "expired-credentials": error("ExpiredTokenException", "The security token included in the request is expired"),
  "invalid-credentials": error("UnrecognizedClientException", "The security token included in the request is invalid."),
  "missing-credentials": (): FaultOutcome => ({ type: "no-credentials" }),
  /** The service's clock is `ms` ahead of the caller's: what is signed more than five minutes off is refused. */
  "clock-skew": ({ ms = 600_000 }: { ms?: number }): FaultOutcome => ({ type: "clock-skew", ms }),
} satisfies Record<string, (options: { ms?: number }) => FaultOutcome>;

export type FaultKind = keyof typeof faultOutcomes;

export const faultKinds = Object.keys(faultOutcomes) as readonly FaultKind[];
