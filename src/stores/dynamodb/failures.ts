import { awsErrorNames, classifyAwsFailure, type AwsServiceFailures } from "../../util/aws-failures.js";
import { errorName } from "../../util/safe-cause.js";
import type { StoreFailure } from "../store-call.js";
import type { StoreFailureKind } from "../store-error.js";

const namesOfDynamoDb = awsErrorNames<StoreFailureKind>({
  "not-set-up": [
    ...["ResourceNotFoundException", "ResourceInUseException", "TableNotFoundException", "IndexNotFoundException"],
  ],
  throttled: ["ProvisionedThroughputExceededException"],
  full: ["ItemCollectionSizeLimitExceededException"],
  // Somebody else's transaction, or a replica in another Region, holds the item.
  "service-error": [
    ...["TransactionInProgressException", "TransactionConflictException", "ReplicatedWriteConflictException"],
  ],
  unsupported: ["UnknownOperationException"],
});

/** How DynamoDB says that a table has not the keys or the index that the store needs. */
const otherSchema =
  /does not match the schema|does not have the specified index|key schema element|for key \w+ expected|missing the key/i;

const dynamoDb: AwsServiceFailures<StoreFailureKind> = {
  // A table may be encrypted under a KMS key that its reader needs rights for.
  actionPrefixes: ["dynamodb", "kms"],
  kindOf: (name, text) => {
    if (name === "ValidationException") return otherSchema.test(text) ? "not-set-up" : undefined;
    return namesOfDynamoDb.get(name);
  },
};

/** Kind, name and request id of what a DynamoDB client has thrown, without its text. */
export function dynamoDbFailure(error: unknown): StoreFailure {
  const { kind, awsErrorName, requestId } = classifyAwsFailure(error, dynamoDb);
  return { kind: kind === "invalid-request" ? "unexpected-answer" : kind, serviceErrorName: awsErrorName, requestId };
}

/** Whether DynamoDB has refused a write because its condition does not hold: an answer, not a failure. */
export function isConditionFailure(error: unknown): boolean {
  return typeof error === "object" && error !== null && errorName(error) === "ConditionalCheckFailedException";
}
