/** An error as the service answers it. Callers of the in-memory KMS see what their SDK makes of the answer. */
export class AwsError extends Error {
  readonly statusCode: number;
  /** False for errors that the service sends without a message. */
  readonly hasMessage: boolean;

  constructor(name: string, message?: string, statusCode = statusCodes[name] ?? 400) {
    super(message ?? "");
    this.name = name;
    this.hasMessage = message !== undefined;
    this.statusCode = statusCode;
  }
}

/** All others are 400, whatever the service model says. */
const statusCodes: Record<string, number> = {
  KMSInternalException: 500,
  KeyUnavailableException: 500,
  DependencyTimeoutException: 503,
  ServiceUnavailableException: 503,
  InternalFailure: 500,
};

export const notFound = {
  key: (arn: string) => new AwsError("NotFoundException", `Key '${arn}' does not exist`),
  keyId: (keyId: string) => new AwsError("NotFoundException", `Invalid keyId '${keyId}'`),
  keyMaterial: (id: string) => new AwsError("NotFoundException", `Key material ${id} does not exist`),
  /** For an ARN of another Region than the endpoint's. */
  region: (region: string) => new AwsError("NotFoundException", `Invalid arn ${region}`),
  alias: (arn: string) => new AwsError("NotFoundException", `Alias ${arn} is not found.`),
};

export const disabled = (arn: string) => new AwsError("DisabledException", `${arn} is disabled.`);

export const invalidState = (message: string) => new AwsError("KMSInvalidStateException", message);

export const invalidArn = (message: string) => new AwsError("InvalidArnException", message);

export const validation = (message: string) => new AwsError("ValidationException", message);

export const unsupported = (message: string) => new AwsError("UnsupportedOperationException", message);

export const wrongOrigin = ({ arn, origin }: { arn: string; origin: string }) =>
  unsupported(`${arn} origin is ${origin} which is not valid for this operation.`);

export const invalidKeyUsage = (message: string) => new AwsError("InvalidKeyUsageException", message);

/** Without a message, as the real service sends it. */
export const invalidCiphertext = () => new AwsError("InvalidCiphertextException");

export const incorrectKey = () =>
  new AwsError(
    "IncorrectKeyException",
    "The key ID in the request does not identify a CMK that can perform this operation.",
  );

export const dryRunSucceeded = () =>
  new AwsError("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.");
