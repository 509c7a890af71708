import { randomBytes } from "node:crypto";
import { CreateTableCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { KMSClient } from "@aws-sdk/client-kms";
import type { ScheduledEvent } from "aws-lambda";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RecordingKeyStore } from "recording-keystore";
import { AwsKmsProvider } from "recording-keystore/aws";
import { recordingKeyPolicy } from "recording-keystore/key-policy";
import { DynamoDbKeyPairStore } from "recording-keystore/stores/dynamodb";
import { InMemoryKms, TestClock } from "recording-keystore/testing";
import { createHandler } from "../../examples/lambda-rotation/function.js";
import { rotationTemplate } from "../../examples/lambda-rotation/template.js";
import { createTable, startDynalite } from "../stores/dynamodb/store-kind.js";
import { dynamoDbClient, patient } from "../support/aws-clients.js";

const homeRegion = "eu-west-1";
const organizationTable = "organizations";
const service = "444455556666";
const account = "111122223333";
const { Policies: policies } = rotationTemplate({ region: homeRegion, accountId: service, organizationTable }).Resources
  .KeyRotation.Properties;
const event = {} as ScheduledEvent;
const context = (ms = 900_000) => ({ getRemainingTimeInMillis: () => ms });

let server: Awaited<ReturnType<typeof startDynalite>>;
let dynamoDb: ReturnType<typeof dynamoDbClient>;
beforeAll(async () => {
  server = await startDynalite();
  dynamoDb = dynamoDbClient(server.endpoint);
  await dynamoDb.send(
    new CreateTableCommand({
      TableName: organizationTable,
      KeySchema: [{ AttributeName: "organizationId", KeyType: "HASH" }],
      AttributeDefinitions: [{ AttributeName: "organizationId", AttributeType: "S" }],
      BillingMode: "PAY_PER_REQUEST",
    }),
  );
});
afterAll(async () => {
  dynamoDb.destroy();
  await server.stop();
});

it("changes what is due, reports who refuses, and fails the run for what is ours to mend", async () => {
  const clock = new TestClock();
  const kms = new InMemoryKms({ clock });
  // With the rights of the template, and no other.
  const identityPolicy = policies[1];
  const role = kms.addPrincipal({
    arn: `arn:aws:iam::${service}:role/KeyRotation`,
    identityPolicy: identityPolicy ?? {},
  });
  const provider = new AwsKmsProvider({ client: (region) => new KMSClient(kms.clientConfig(region, role)) });
  const keyPairTable = await createTable(dynamoDb);
  const fleetSecret = randomBytes(32);
  const store = new DynamoDbKeyPairStore({ client: dynamoDb, tableName: keyPairTable, ...patient });

  const organizations = ["daily-1", "daily-2", "refuses", "never", "not-configured"];
  const keys = new Map<string, string>();
  const keyStores = new Map<string, RecordingKeyStore>();
  for (const organizationId of organizations) {
    await dynamoDb.send(
      new PutItemCommand({
        TableName: organizationTable,
        Item: { organizationId: { S: organizationId }, accountId: { S: account } },
      }),
    );
    const policy = recordingKeyPolicy({
      accountId: account,
      grants: [{ serviceAccountId: service, organizationIds: [organizationId] }],
    });
    const alias = `alias/${organizationId}`;
    keys.set(organizationId, kms.createKey({ accountId: account, region: homeRegion, policy, alias }));
    const options = {
      homeRegion,
      kms: provider,
      store,
      trustedKmsKeys: [account],
      fleetSecret,
      background: false,
      clock,
    };
    const keyStore = new RecordingKeyStore({ organizationId, ...options });
    keyStores.set(organizationId, keyStore);
    if (organizationId === "not-configured") continue;
    await keyStore.configure({
      kmsKeyAliasArn: `arn:aws:kms:${homeRegion}:${account}:${alias}`,
      periodicKeyChange: organizationId === "never" ? "never" : "daily",
    });
  }

  const lines: Record<string, unknown>[] = [];
  const log = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const settings = { store, organizationTable, homeRegion, fleetSecret, dynamoDb, kms: provider, log, clock };
  const handler = createHandler(settings);
  const pairs = async (organizationId: string) => (await keyStores.get(organizationId)?.keyPairs())?.items.length;

  // Nothing is due.
  expect(await handler(event, context())).toMatchObject({ checked: 5, changed: [], notConfigured: 1, failed: [] });

  clock.advance(2 * 86_400_000);
  kms.disableKey(keys.get("refuses") ?? "");
  const report = await handler(event, context());
  expect({ ...report, changed: report.changed.sort() }).toEqual({
    checked: 5,
    changed: ["daily-1", "daily-2"],
    notConfigured: 1,
    refused: [{ organizationId: "refuses", code: "ERR_KMS_REFUSED", kind: "key-disabled" }],
    failed: [],
    left: 0,
  });
  expect(lines.at(-1)).toEqual({
    ...{ event: "rotated", checked: 5, changed: 2, notConfigured: 1, refused: 1, failed: 0, left: 0 },
  });
  expect([await pairs("daily-1"), await pairs("refuses"), await pairs("never")]).toEqual([2, 1, 1]);

  // An outage: the run is an error, and the next one makes up for it.
  clock.advance(86_400_000);
  kms.enableKey(keys.get("refuses") ?? "");
  kms.faults.serverError();
  await expect(handler(event, context())).rejects.toThrow("3 organizations failed, 0 are left");
  kms.faults.heal();
  clock.advance(3_600_000); // the next hour
  expect((await handler(event, context())).changed.sort()).toEqual(["daily-1", "daily-2", "refuses"]);

  // What the time does not suffice for is left to the next run.
  await expect(handler(event, context(1_000))).rejects.toThrow("0 organizations failed, 5 are left");
  for (const keyStore of keyStores.values()) await keyStore.close();
});

it("has a template with the library's own table and least policies", () => {
  const template = rotationTemplate({ region: homeRegion, accountId: service, organizationTable });
  const actions = template.Resources.KeyRotation.Properties.Policies.flatMap(({ Statement }) =>
    (Statement as { Action: string | string[] }[]).flatMap(({ Action }) => Action),
  );
  expect(actions.filter((action) => action.includes("*"))).toEqual(["kms:GenerateDataKey*"]);
  expect(actions).not.toContain("dynamodb:DeleteItem");
  expect(JSON.parse(JSON.stringify(template))).toMatchObject({
    Resources: { KeyPairTable: { DeletionPolicy: "Retain", Properties: { TableName: "recording-keys" } } },
  });
});
