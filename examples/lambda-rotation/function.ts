/*
 * A scheduled Lambda function that changes the keys of all organizations that are due. Workers need not: with `background: false` they
 * encrypt, and leave this to the schedule.
 */
import { DynamoDBClient, paginateScan } from "@aws-sdk/client-dynamodb";
import type { Context, ScheduledEvent } from "aws-lambda";
import {
  RecordingKeyStoreRegistry,
  type KeyPairStore,
  type RecordingKeyStoreRegistryOptions,
} from "recording-keystore";
import { AwsKmsProvider } from "recording-keystore/aws";
import type { KmsProvider } from "recording-keystore/kms";
import { DynamoDbKeyPairStore } from "recording-keystore/stores/dynamodb";
import { rotateAll, type RotationReport } from "./rotate-all.js";

/** Time kept for what is under way when Lambda's own runs out, in ms. */
const reserve = 30_000;

export interface Settings {
  readonly store: KeyPairStore;
  /** Your table of organizations: `organizationId`, and the `accountId` of the AWS account that its KMS key must be in. */
  readonly organizationTable: string;
  readonly homeRegion: string;
  /** As all workers have it: without it nobody remembers here, between two runs, what KMS has confirmed. */
  readonly fleetSecret: Uint8Array;
  readonly dynamoDb: DynamoDBClient;
  readonly kms: KmsProvider;
  readonly log: (line: string) => void;
  /** For tests. */
  readonly clock?: NonNullable<RecordingKeyStoreRegistryOptions["clock"]>;
}

export function createHandler({ dynamoDb, kms, log, clock, ...settings }: Settings) {
  // Made once for each execution environment, not for each run. It holds no timer, socket or thread of its own.
  const accounts = new Map<string, string>();
  const registry = new RecordingKeyStoreRegistry({
    homeRegion: settings.homeRegion,
    kms,
    store: settings.store,
    fleetSecret: settings.fleetSecret,
    ...(clock && { clock }),
    background: false, // Lambda freezes whatever runs on behind the answer
    resolveOrganization: (organizationId) => {
      const accountId = accounts.get(organizationId);
      if (accountId === undefined) throw new Error("unknown organization");
      return { trustedKmsKeys: [accountId] };
    },
  });

  async function* organizationIds() {
    for await (const { Items = [] } of paginateScan({ client: dynamoDb }, { TableName: settings.organizationTable })) {
      for (const { organizationId, accountId } of Items) {
        if (organizationId?.S === undefined || accountId?.S === undefined) continue;
        accounts.set(organizationId.S, accountId.S);
        yield organizationId.S;
      }
    }
  }

  return async (
    _event: ScheduledEvent,
    { getRemainingTimeInMillis }: Pick<Context, "getRemainingTimeInMillis">,
  ): Promise<RotationReport> => {
    const report = await rotateAll(registry, organizationIds(), {
      timeLeft: () => getRemainingTimeInMillis() > reserve,
    });
    // Lists as lines of their own: a line in CloudWatch ends after 256 KiB, and metric filters count them.
    const { changed, refused, failed, ...counts } = report;
    for (const failure of refused) log(JSON.stringify({ event: "refused", ...failure }));
    for (const failure of failed) log(JSON.stringify({ event: "failed", ...failure }));
    const line = {
      event: "rotated",
      ...counts,
      changed: changed.length,
      refused: refused.length,
      failed: failed.length,
    };
    log(JSON.stringify(line));
    // What this service has to mend shows in the function's own error metric, and Lambda tries again: a change that was made
    // is not due any more. An organization that took its key away is no error of ours.
    if (failed.length > 0 || report.left > 0)
      throw new Error(`${failed.length} organizations failed, ${report.left} are left`);
    return report;
  };
}

/** As Lambda starts it: what it needs is made at its first run, so that a missing variable is an error of that run. */
let started: ReturnType<typeof createHandler> | undefined;
export const handler: ReturnType<typeof createHandler> = (event, context) => {
  started ??= createHandler(settingsOf(process.env));
  return started(event, context);
};

function settingsOf(environment: NodeJS.ProcessEnv): Settings {
  const variable = (name: string) => {
    const value = environment[name];
    if (value === undefined) throw new Error(`the environment has no ${name}`);
    return value;
  };
  const dynamoDb = new DynamoDBClient();
  return {
    store: new DynamoDbKeyPairStore({ client: dynamoDb, tableName: variable("KEY_PAIR_TABLE") }),
    organizationTable: variable("ORGANIZATION_TABLE"),
    homeRegion: variable("AWS_REGION"),
    fleetSecret: Buffer.from(variable("FLEET_SECRET"), "base64"),
    dynamoDb,
    kms: new AwsKmsProvider(),
    log: console.log,
  };
}
