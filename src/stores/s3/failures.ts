import { awsErrorNames, classifyAwsFailure, type AwsServiceFailures } from "../../util/aws-failures.js";
import { errorName, member, readMetadata } from "../../util/safe-cause.js";
import type { StoreFailure } from "../store-call.js";
import type { StoreFailureKind } from "../store-error.js";

const namesOfS3 = awsErrorNames<StoreFailureKind>({
  "not-set-up": [
    ...["NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "TemporaryRedirect", "Redirect"],
    ...["AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "InvalidBucketState"],
    // An object in an archive, where a lifecycle rule has put it.
    ...["InvalidObjectState"],
    // The KMS key under which the bucket is encrypted.
    ...["KMS.DisabledException", "KMS.KMSInvalidStateException", "KMS.NotFoundException"],
  ],
  "access-denied": ["AllAccessDisabled", "AccountProblem", "NotSignedUp", "InvalidSecurity", "MethodNotAllowed"],
  credentials: ["InvalidToken", "NoSuchUser"],
  throttled: ["RequestThrottled", "TooManyBuckets", "XMinioTooManyIncomingRequests"],
  "service-error": [
    "ConditionalRequestConflict",
    "OperationAborted",
    "ServerNotInitialized",
    "XMinioServerNotInitialized",
  ],
  full: ["QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage"],
  unsupported: ["NotImplemented", "UnsupportedOperation"],
});

const s3: AwsServiceFailures<StoreFailureKind> = {
  // A bucket may be encrypted under a KMS key that its reader needs rights for.
  actionPrefixes: ["s3", "kms"],
  kindOf: (name) => namesOfS3.get(name),
};

/** Kind, name and request id of what an S3 client has thrown, without its text. */
export function s3Failure(error: unknown): StoreFailure {
  const { kind, awsErrorName, requestId } = classifyAwsFailure(error, s3);
  return { kind: kind === "invalid-request" ? "unexpected-answer" : kind, serviceErrorName: awsErrorName, requestId };
}

/** Whether S3 has refused a write because its condition does not hold: an answer, not a failure. */
export function isConditionFailure(error: unknown): boolean {
  return isAnswer(error, "PreconditionFailed", 412);
}

/** Whether S3 has refused a write because another one to the same object was under way: it is to be made again. */
export function isConflict(error: unknown): boolean {
  return isAnswer(error, "ConditionalRequestConflict", 409);
}

/** Whether there is no such object. Not by its status alone: a bucket that is not there, or a proxy, answers 404 too. */
export function isMissing(error: unknown): boolean {
  return isAnswer(error, "NoSuchKey", 404);
}

/** By name and status, so that nothing else passes for an answer of S3. */
function isAnswer(error: unknown, name: string, status: number): boolean {
  if (typeof error !== "object" || error === null) return false;
  return errorName(error) === name && readMetadata(member(error, "$metadata")).httpStatusCode === status;
}
