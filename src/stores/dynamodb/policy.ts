import { InvalidInputError } from "../../errors.js";
import { knownOptions } from "../../util/check-input.js";
import { historyIndex } from "./items.js";

/**
 * What a role of the service does with the table:
 * - `worker`: records, plays, and changes keys;
 * - `encrypt-only`: records, and makes no key pair;
 * - `orphan-job`: calls `removeOrphanedKeyPairs()`, and is the only one that deletes.
 */
export type DynamoDbRole = "worker" | "encrypt-only" | "orphan-job";

/** Options of {@link dynamoDbPolicy}. */
export interface DynamoDbPolicyOptions {
  /** ARN of the table: `arn:aws:dynamodb:eu-west-1:111122223333:table/recording-keys`. */
  tableArn: string;
  role: DynamoDbRole;
}

/** A statement of an IAM policy. */
export interface DynamoDbPolicyStatement {
  Sid: string;
  Effect: "Allow";
  Action: string[];
  Resource: string[];
  Condition?: {
    "ForAllValues:StringEquals": { "dynamodb:Attributes": string[] };
    StringEqualsIfExists: { "dynamodb:ReturnValues": string[] };
  };
}

/** An IAM policy. `JSON.stringify` makes it its text. */
export interface DynamoDbPolicy {
  Version: "2012-10-17";
  Statement: DynamoDbPolicyStatement[];
}

/**
 * Writes the IAM policy of a role that uses a `DynamoDbKeyPairStore`.
 *
 * IAM can't demand that a write be conditional: a `worker` that is taken over could overwrite records, though not choose a key
 * (the threat model). Point-in-time recovery brings them back. `encrypt-only` and `orphan-job` can set the attribute of the
 * status item alone, and write neither heads nor records.
 * @throws InvalidInputError
 */
export function dynamoDbPolicy(options: DynamoDbPolicyOptions): DynamoDbPolicy {
  const { tableArn, role } = knownOptions(options, { tableArn: true, role: true });
  if (typeof tableArn !== "string" || !/^arn:[\w-]+:dynamodb:[\w-]+:\d{12}:table\/[\w.-]{3,255}$/.test(tableArn))
    throw new InvalidInputError("tableArn", "must be the ARN of a DynamoDB table", tableArn);
  const statements = Object.hasOwn(statementsOf, role) ? statementsOf[role] : undefined;
  if (!statements) throw new InvalidInputError("role", `must be one of ${Object.keys(statementsOf).join(", ")}`, role);
  return { Version: "2012-10-17", Statement: statements.map((statement) => statement(tableArn)) };
}

type Statement = (tableArn: string) => DynamoDbPolicyStatement;

const reading: Statement = (tableArn) => ({
  Sid: "ReadKeyPairs",
  Effect: "Allow",
  Action: ["dynamodb:GetItem", "dynamodb:Query"],
  Resource: [tableArn, `${tableArn}/index/${historyIndex}`],
});

const statusWriting: Statement = (tableArn) => ({
  Sid: "WriteStatus",
  Effect: "Allow",
  Action: ["dynamodb:UpdateItem"],
  Resource: [tableArn],
  Condition: {
    "ForAllValues:StringEquals": { "dynamodb:Attributes": ["pk", "sk", "statusDoc"] },
    StringEqualsIfExists: { "dynamodb:ReturnValues": ["NONE"] },
  },
});

const recordWriting: Statement = (tableArn) => ({
  Sid: "WriteKeyPairs",
  Effect: "Allow",
  Action: ["dynamodb:PutItem"],
  Resource: [tableArn],
});

const removing: Statement = (tableArn) => ({
  Sid: "RemoveOrphanedKeyPairs",
  Effect: "Allow",
  Action: ["dynamodb:DeleteItem"],
  Resource: [tableArn],
});

const statementsOf: Readonly<Record<DynamoDbRole, readonly Statement[]>> = {
  worker: [reading, statusWriting, recordWriting],
  "encrypt-only": [reading, statusWriting],
  "orphan-job": [reading, statusWriting, removing],
};
