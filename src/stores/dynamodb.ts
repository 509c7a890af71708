export { DynamoDbKeyPairStore, type DynamoDbKeyPairStoreOptions } from "./dynamodb/dynamodb-key-pair-store.js";
export {
  dynamoDbPolicy,
  type DynamoDbPolicy,
  type DynamoDbPolicyOptions,
  type DynamoDbPolicyStatement,
  type DynamoDbRole,
} from "./dynamodb/policy.js";
export type { DynamoDbClientLike } from "./dynamodb/requests.js";
export {
  dynamoDbTable,
  type DynamoDbCloudFormationTemplate,
  type DynamoDbCreateTable,
  type DynamoDbPointInTimeRecovery,
  type DynamoDbTable,
  type DynamoDbTableOptions,
  type DynamoDbTableSchema,
} from "./dynamodb/table.js";
