/*
 * The function as a SAM template, with the least rights, for JSON.stringify:
 *
 *   npx tsx template.ts > template.json && sam deploy --template-file template.json --guided
 */
import { fileURLToPath } from "node:url";
import { recordingRolePolicy } from "recording-keystore/key-policy";
import { dynamoDbPolicy, dynamoDbTable } from "recording-keystore/stores/dynamodb";

const keyPairTable = "recording-keys";

/** @param options.kmsKeyArns - the organizations' KMS keys; by default every key whose own policy allows the role */
export function rotationTemplate(options: {
  region: string;
  accountId: string;
  organizationTable: string;
  kmsKeyArns?: string[];
}) {
  const { region, accountId, organizationTable, kmsKeyArns } = options;
  const tableArn = (name: string) => `arn:aws:dynamodb:${region}:${accountId}:table/${name}`;
  const { Resources: table } = dynamoDbTable({ tableName: keyPairTable }).cloudFormation;
  return {
    AWSTemplateFormatVersion: "2010-09-09",
    Transform: "AWS::Serverless-2016-10-31",
    Parameters: {
      FleetSecret: { Type: "String", NoEcho: true, Description: "32 bytes or more in base64, as all workers have it" },
    },
    Resources: {
      ...table, // kept when the stack goes, with backups
      KeyRotation: {
        Type: "AWS::Serverless::Function",
        Properties: {
          Handler: "function.handler",
          Runtime: "nodejs22.x",
          Timeout: 900,
          MemorySize: 512,
          // Two at once would do no harm, since one of them makes each change; they would only call KMS for nothing.
          ReservedConcurrentExecutions: 1,
          Environment: {
            Variables: {
              KEY_PAIR_TABLE: keyPairTable,
              ORGANIZATION_TABLE: organizationTable,
              FLEET_SECRET: { Ref: "FleetSecret" },
            },
          },
          Policies: [
            dynamoDbPolicy({ tableArn: tableArn(keyPairTable), role: "worker" }),
            recordingRolePolicy(kmsKeyArns ? { kmsKeyArns } : {}),
            {
              Version: "2012-10-17",
              Statement: [
                {
                  Sid: "ListOrganizations",
                  Effect: "Allow",
                  Action: "dynamodb:Scan",
                  Resource: tableArn(organizationTable),
                },
              ],
            },
          ],
          // A change falls due within 15 minutes of its time, another moment for each organization.
          Events: { Hourly: { Type: "ScheduleV2", Properties: { ScheduleExpression: "rate(1 hour)" } } },
        },
      },
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { AWS_REGION: region = "eu-central-1", AWS_ACCOUNT_ID: accountId = "444455556666" } = process.env;
  console.log(
    JSON.stringify(rotationTemplate({ region, accountId, organizationTable: "organizations" }), undefined, 2),
  );
}
