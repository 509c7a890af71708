import { AwsError } from "./aws-error.js";

/** What a fault does to a call. */
export type FaultOutcome =
  | { type: "network"; code: string; message: string; afterwards?: boolean }
  | { type: "hang" }
  | { type: "error"; error: AwsError }
  | { type: "denied" }
  | { type: "no-credentials" }
  | { type: "clock-skew"; ms: number };

interface OutcomeOptions {
  readonly ms?: number;
}

const network = (code: string, message: string) => (): FaultOutcome => ({ type: "network", code, message });
const error = (name: string, message?: string) => (): FaultOutcome => ({
  type: "error",
  error: new AwsError(name, message),
});

/** Every kind of fault and its outcome. */
export const faultOutcomes = {
  "connection-refused": network("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:443"),
  "name-not-found": network("ENOTFOUND", "getaddrinfo ENOTFOUND kms.invalid"),
  "connection-reset": network("ECONNRESET", "socket hang up"),
  "connection-timeout": network("ETIMEDOUT", "connect ETIMEDOUT 127.0.0.1:443"),
  /** The call is executed, and its answer lost. */
  "answer-lost": (): FaultOutcome => ({
    type: "network",
    code: "ECONNRESET",
    message: "socket hang up",
    afterwards: true,
  }),
  hang: (): FaultOutcome => ({ type: "hang" }),
  /** Only delays the call, which another fault may still hit. */
  latency: (): FaultOutcome => ({ type: "hang" }),
  "internal-error": error("KMSInternalException", "KMS internal error."),
  "service-unavailable": error("ServiceUnavailableException", "Service is unavailable."),
  "key-unavailable": error("KeyUnavailableException"),
  /** What is outside of AWS does not answer. Calls that use keys in external key stores get this, whatever is wrong there. */
  "key-store-unreachable": error(
    "KMSInvalidStateException",
    "AWS KMS cannot communicate with the external key store proxy. Verify that your external key store proxy is active and is connected to the network, and that its URI path and endpoint URI or VPC service name are correct in your external key store.",
  ),
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
  /** The service's clock is `ms` milliseconds ahead of the caller's. Above 5 minutes signatures are refused. */
  "clock-skew": ({ ms = 600_000 }: OutcomeOptions): FaultOutcome => ({ type: "clock-skew", ms }),
} satisfies Record<string, (options: OutcomeOptions) => FaultOutcome>;

export type FaultKind = keyof typeof faultOutcomes;

export const faultKinds = Object.keys(faultOutcomes) as readonly FaultKind[];
