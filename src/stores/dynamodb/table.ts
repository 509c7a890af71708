import { InvalidInputError } from "../../errors.js";
import { knownOptions } from "../../util/check-input.js";
import { defined } from "../../util/defined.js";
import { historyIndex } from "./items.js";

/** Options of {@link dynamoDbTable}. */
export interface DynamoDbTableOptions {
  /** 3 to 255 characters of `A-Z`, `a-z`, `0-9`, `_`, `-` and `.`. */
  tableName: string;
  /** Whether DynamoDB refuses to delete the table. Default `true`. */
  deletionProtection?: boolean | undefined;
  /** ARN of the service's own KMS key that encrypts the table at rest. Default: a key that AWS owns. */
  kmsKeyArn?: string | undefined;
}

/** Keys and index of the table, as `CreateTable` and CloudFormation call them. */
export interface DynamoDbTableSchema {
  TableName: string;
  BillingMode: "PAY_PER_REQUEST";
  AttributeDefinitions: { AttributeName: string; AttributeType: "S" }[];
  KeySchema: { AttributeName: string; KeyType: "HASH" | "RANGE" }[];
  LocalSecondaryIndexes: {
    IndexName: string;
    KeySchema: { AttributeName: string; KeyType: "HASH" | "RANGE" }[];
    Projection: { ProjectionType: "ALL" };
  }[];
  DeletionProtectionEnabled: boolean;
}

/** Input of `CreateTable`. */
export interface DynamoDbCreateTable extends DynamoDbTableSchema {
  SSESpecification?: { Enabled: true; SSEType: "KMS"; KMSMasterKeyId: string };
}

/** Input of `UpdateContinuousBackups`. */
export interface DynamoDbPointInTimeRecovery {
  TableName: string;
  PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true };
}

/** A CloudFormation template. `JSON.stringify` makes it its text. */
export interface DynamoDbCloudFormationTemplate {
  AWSTemplateFormatVersion: "2010-09-09";
  Resources: {
    KeyPairTable: {
      Type: "AWS::DynamoDB::Table";
      DeletionPolicy: "Retain";
      UpdateReplacePolicy: "Retain";
      Properties: DynamoDbTableSchema & {
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true };
        SSESpecification?: { SSEEnabled: true; SSEType: "KMS"; KMSMasterKeyId: string };
      };
    };
  };
}

/** A table for a `DynamoDbKeyPairStore`, for whichever tool makes it. All describe the same table. */
export interface DynamoDbTable {
  /** Input of `CreateTable`. */
  readonly createTable: DynamoDbCreateTable;
  /** Input of `UpdateContinuousBackups`, once the table is active: it can then be restored to any second of 35 days. */
  readonly pointInTimeRecovery: DynamoDbPointInTimeRecovery;
  /** A template with the table, backups included. The table stays when the stack goes. */
  readonly cloudFormation: DynamoDbCloudFormationTemplate;
  /** A Terraform resource `aws_dynamodb_table.key_pairs`, backups included, that Terraform does not destroy. */
  readonly terraform: string;
}

/**
 * Describes the table of a `DynamoDbKeyPairStore`, paid by request, protected from deletion, with point-in-time recovery. The
 * index is a local one, which only `CreateTable` can make: a global one is never strongly consistent.
 * @throws InvalidInputError
 */
export function dynamoDbTable(options: DynamoDbTableOptions): DynamoDbTable {
  const {
    tableName,
    deletionProtection = true,
    kmsKeyArn,
  } = knownOptions(options, { tableName: true, deletionProtection: true, kmsKeyArn: true });
  if (typeof tableName !== "string" || !/^[\w.-]{3,255}$/.test(tableName))
    throw new InvalidInputError("tableName", "must be 3 to 255 of A-Z, a-z, 0-9, '_', '-' and '.'", tableName);
  if (typeof deletionProtection !== "boolean")
    throw new InvalidInputError("deletionProtection", "must be true or false", deletionProtection);
  if (kmsKeyArn !== undefined && !(typeof kmsKeyArn === "string" && /^arn:[\w-]+:kms:[\w:/-]+$/.test(kmsKeyArn)))
    throw new InvalidInputError("kmsKeyArn", "must be the ARN of a KMS key", kmsKeyArn);
  const pointInTimeRecovery = { PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true } } as const;
  const encryption = kmsKeyArn === undefined ? undefined : ({ SSEType: "KMS", KMSMasterKeyId: kmsKeyArn } as const);
  const schema = () => schemaOf(tableName, deletionProtection);
  return {
    createTable: {
      ...schema(),
      ...defined({ SSESpecification: encryption && { Enabled: true as const, ...encryption } }),
    },
    pointInTimeRecovery: { TableName: tableName, ...structuredClone(pointInTimeRecovery) },
    cloudFormation: {
      AWSTemplateFormatVersion: "2010-09-09",
      Resources: {
        KeyPairTable: {
          Type: "AWS::DynamoDB::Table",
          DeletionPolicy: "Retain",
          UpdateReplacePolicy: "Retain",
          Properties: {
            ...schema(),
            ...structuredClone(pointInTimeRecovery),
            ...defined({ SSESpecification: encryption && { SSEEnabled: true as const, ...encryption } }),
          },
        },
      },
    },
    terraform: terraformOf(schema(), kmsKeyArn),
  };
}

function schemaOf(tableName: string, deletionProtection: boolean): DynamoDbTableSchema {
  return {
    TableName: tableName,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: ["pk", "sk", "pos"].map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
    KeySchema: keySchema("pk", "sk"),
    LocalSecondaryIndexes: [
      { IndexName: historyIndex, KeySchema: keySchema("pk", "pos"), Projection: { ProjectionType: "ALL" } },
    ],
    DeletionProtectionEnabled: deletionProtection,
  };
}

function keySchema(hash: string, range: string): DynamoDbTableSchema["KeySchema"] {
  return [
    { AttributeName: hash, KeyType: "HASH" },
    { AttributeName: range, KeyType: "RANGE" },
  ];
}

function terraformOf(schema: DynamoDbTableSchema, kmsKeyArn: string | undefined): string {
  const [hash, range] = schema.KeySchema.map(({ AttributeName }) => AttributeName);
  const attributes = schema.AttributeDefinitions.map(
    ({ AttributeName, AttributeType }) => `
  attribute {
    name = "${AttributeName}"
    type = "${AttributeType}"
  }
`,
  );
  const indexes = schema.LocalSecondaryIndexes.map(
    ({ IndexName, KeySchema, Projection }) => `
  local_secondary_index {
    name            = "${IndexName}"
    range_key       = "${KeySchema[1]?.AttributeName}"
    projection_type = "${Projection.ProjectionType}"
  }
`,
  );
  const encryption = `
  server_side_encryption {
    enabled     = true
    kms_key_arn = "${kmsKeyArn}"
  }
`;
  return `resource "aws_dynamodb_table" "key_pairs" {
  name                        = "${schema.TableName}"
  billing_mode                = "${schema.BillingMode}"
  hash_key                    = "${hash}"
  range_key                   = "${range}"
  deletion_protection_enabled = ${schema.DeletionProtectionEnabled}
${attributes.join("")}${indexes.join("")}
  point_in_time_recovery {
    enabled = true
  }
${kmsKeyArn === undefined ? "" : encryption}
  lifecycle {
    prevent_destroy = true
  }
}
`;
}
