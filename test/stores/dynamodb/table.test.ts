import { describe, expect, it } from "vitest";
import { InvalidInputError } from "../../../src/errors.js";
import { dynamoDbTable, type DynamoDbTableOptions } from "../../../src/stores/dynamodb.js";

const kmsKeyArn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const schema = {
  TableName: "recording-keys",
  BillingMode: "PAY_PER_REQUEST",
  AttributeDefinitions: [
    { AttributeName: "pk", AttributeType: "S" },
    { AttributeName: "sk", AttributeType: "S" },
    { AttributeName: "pos", AttributeType: "S" },
  ],
  KeySchema: [
    { AttributeName: "pk", KeyType: "HASH" },
    { AttributeName: "sk", KeyType: "RANGE" },
  ],
  LocalSecondaryIndexes: [
    {
      IndexName: "history",
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "pos", KeyType: "RANGE" },
      ],
      Projection: { ProjectionType: "ALL" },
    },
  ],
  DeletionProtectionEnabled: true,
};
const backups = { PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true } };

describe("dynamoDbTable", () => {
  it("gives the inputs of CreateTable and UpdateContinuousBackups", () => {
    const { createTable, pointInTimeRecovery } = dynamoDbTable({ tableName: "recording-keys" });
    expect(createTable).toEqual(schema);
    expect(pointInTimeRecovery).toEqual({ TableName: "recording-keys", ...backups });
    expect(dynamoDbTable({ tableName: "recording-keys", deletionProtection: false }).createTable).toEqual({
      ...schema,
      DeletionProtectionEnabled: false,
    });
    expect(dynamoDbTable({ tableName: "recording-keys", kmsKeyArn }).createTable).toEqual({
      ...schema,
      SSESpecification: { Enabled: true, SSEType: "KMS", KMSMasterKeyId: kmsKeyArn },
    });
  });

  it("gives the same table to CloudFormation, which keeps it", () => {
    const templateOf = (options: Partial<DynamoDbTableOptions>) =>
      dynamoDbTable({ tableName: "recording-keys", ...options }).cloudFormation.Resources.KeyPairTable;
    expect(templateOf({})).toEqual({
      Type: "AWS::DynamoDB::Table",
      DeletionPolicy: "Retain",
      UpdateReplacePolicy: "Retain",
      Properties: { ...schema, ...backups },
    });
    expect(templateOf({ kmsKeyArn }).Properties.SSESpecification).toEqual({
      SSEEnabled: true,
      SSEType: "KMS",
      KMSMasterKeyId: kmsKeyArn,
    });
  });

  it("gives the same table to Terraform, which keeps it", () => {
    expect(dynamoDbTable({ tableName: "recording-keys" }).terraform).toBe(`resource "aws_dynamodb_table" "key_pairs" {
  name                        = "recording-keys"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = true

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  attribute {
    name = "pos"
    type = "S"
  }

  local_secondary_index {
    name            = "history"
    range_key       = "pos"
    projection_type = "ALL"
  }

  point_in_time_recovery {
    enabled = true
  }

  lifecycle {
    prevent_destroy = true
  }
}
`);
    const encrypted = dynamoDbTable({ tableName: "recording-keys", kmsKeyArn, deletionProtection: false }).terraform;
    expect(encrypted).toContain(`
  server_side_encryption {
    enabled     = true
    kms_key_arn = "${kmsKeyArn}"
  }

  lifecycle {`);
    expect(encrypted).toContain("deletion_protection_enabled = false");
  });

  it.each([
    ["tableName", {}],
    ["tableName", { tableName: 'x"\n}' }],
    ["deletionProtection", { tableName: "recording-keys", deletionProtection: "no" }],
    ["kmsKeyArn", { tableName: "recording-keys", kmsKeyArn: "alias/x" }],
    ["kmsKeyArn", { tableName: "recording-keys", kmsKeyArn: `${kmsKeyArn}"` }],
    ["name", { tableName: "recording-keys", name: "x" }],
  ])("refuses a wrong %s", (field, options) => {
    expect(() => dynamoDbTable(options as never)).toThrow(InvalidInputError);
    expect(() => dynamoDbTable(options as never)).toThrow(new RegExp(`^${field}: `));
  });
});
