import {
  awsErrorNames,
  classifyAwsFailure,
  type AwsFailure,
  type AwsServiceFailures,
} from "../../util/aws-failures.js";
import { sanitizeCause } from "../../util/safe-cause.js";
import { kmsError, type KmsError, type KmsFailureKind } from "../kms-error.js";

const namesOfKms = awsErrorNames<KmsFailureKind>({
  "access-denied": ["KMSAccessDeniedException", "KMSAccessDenied"],
  throttled: ["KMSThrottlingException"],
  "service-error": ["KMSInternalException", "KeyUnavailableException", "DependencyTimeoutException"],
  "key-disabled": ["DisabledException", "KMSDisabledException"],
  "key-unusable": ["KMSInvalidStateException", "InvalidStateException", "KeyMaterialExpiredException"],
  "key-not-found": ["NotFoundException", "KMSNotFoundException"],
  "key-unsupported": ["InvalidKeyUsageException", "UnsupportedOperationException"],
  "invalid-ciphertext": ["InvalidCiphertextException"],
  "incorrect-key": ["IncorrectKeyException"],
  "invalid-request": [
    ...["InvalidArnException", "InvalidGrantTokenException", "DryRunOperationException", "InvalidAliasNameException"],
  ],
});

const namesOfKeyStores = /^(?:CloudHsmCluster|CustomKeyStore|XksProxy|XksKey)\w+Exception$/;

const kms: AwsServiceFailures<KmsFailureKind> = {
  actionPrefixes: ["kms"],
  kindOf: (name, text) => {
    const kind = namesOfKms.get(name) ?? (namesOfKeyStores.test(name) ? "key-unusable" : undefined);
    return kind === "key-unusable" ? kindOfState(text) : kind;
  },
};

/** Tells apart states of a key that share a name, by their text. */
function kindOfState(text: string): KmsFailureKind {
  if (/pending (?:replica )?deletion|Pending(?:Replica)?Deletion/.test(text)) return "key-pending-deletion";
  return /\bis disabled\b/.test(text) ? "key-disabled" : "key-unusable";
}

/**
 * Classifies what a KMS client has thrown. An unknown failure counts as `unexpected-answer`, not as a verdict of KMS: a
 * verdict could make a good key pair untrusted.
 */
export function classifyKmsFailure(error: unknown): AwsFailure<KmsFailureKind> {
  return classifyAwsFailure(error, kms);
}

/** The {@link KmsError} for any rejection of the AWS SDK. Its cause is a cleaned copy. */
export function kmsErrorFromAws(error: unknown, call: { operation: string; keyId: string }): KmsError {
  const { kind, awsErrorName, text, requestId } = classifyKmsFailure(error);
  const said = [awsErrorName, text].filter((part) => part !== undefined).join(": ");
  return kmsError(kind, {
    ...call,
    awsErrorName,
    requestId,
    message: `${call.operation} with ${call.keyId} failed (${kind})${said === "" ? "" : `: ${said}`}`,
    cause: sanitizeCause(error),
  });
}
