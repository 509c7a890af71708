import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { RecordingKeyStore } from "../../../src/key-store/recording-key-store.js";
import { DynamoDbKeyPairStore } from "../../../src/stores/dynamodb.js";
import { accountId, kms } from "../../support/kms-known-to-all.js";

/* What the processes of `dynamodb-processes.test.ts` do. */
let now = Date.UTC(2026, 0, 1);
const clock = { now: () => now, monotonic: () => performance.now() };

export function open(endpoint: string, tableName: string): RecordingKeyStore {
  const credentials = { accessKeyId: "AKIATEST", secretAccessKey: "test" };
  const client = new DynamoDBClient({ endpoint, region: "eu-west-1", credentials });
  return new RecordingKeyStore({
    organizationId: "org-1",
    homeRegion: "eu-west-1",
    kms,
    store: new DynamoDbKeyPairStore({ client, tableName, attemptTimeout: 30_000, deadline: 60_000 }),
    storeTimeout: 60_000,
    trustedKmsKeys: [accountId],
    clock,
    background: false,
    headTtl: 0,
  });
}

/** At each time that it is told, changes the key if that is due, and says which pair it then has. */
async function race(endpoint: string, tableName: string): Promise<void> {
  const keyStore = open(endpoint, tableName);
  const say = (line: string): void => void writeSync(1, `${line}\n`);
  say("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    now = Number(line);
    const { keyPair } = await keyStore.rotateIfDue();
    say(keyPair.keyPairId);
  }
}

const [role, endpoint = "", tableName = ""] = process.argv.slice(2);
if (role === "race") void race(endpoint, tableName);
