import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InvalidInputError, type KeyPairStore, type RecordingKeyStoreOptions } from "../../../src/index.js";
import {
  DynamoDbKeyPairStore,
  dynamoDbPolicy,
  type DynamoDbClientLike,
  type DynamoDbPolicy,
  type DynamoDbRole,
} from "../../../src/stores/dynamodb.js";
import { kmsKeyAliasArn, overridden, setup } from "../../support/setup.js";
import { bytes } from "../records.js";
import { dynamoDbClient, patient, sentCommand, type SentCommand } from "../../support/aws-clients.js";
import { createTable, startDynalite, type DynamoDbServer } from "./store-kind.js";

const tableArnOf = (tableName: string) => `arn:aws:dynamodb:eu-west-1:111122223333:table/${tableName}`;

/** Attributes that a command names: its key's, and those that it sets. */
function attributesOf({ input }: SentCommand): string[] {
  const set = [...String(input["UpdateExpression"]).matchAll(/(\w+) = /g)].map(([, name]) => name ?? "");
  return [...Object.keys((input["Key"] ?? input["Item"]) as object), ...set];
}

/** Whether a policy allows a command, by the rules of IAM as far as the policy uses them. */
function allows({ Statement }: DynamoDbPolicy, command: SentCommand): boolean {
  const { operation, input } = command;
  const table = tableArnOf(String(input["TableName"]));
  const resource = input["IndexName"] === undefined ? table : `${table}/index/${input["IndexName"] as string}`;
  return Statement.some(({ Action, Resource, Condition }) => {
    if (!Action.includes(`dynamodb:${operation}`) || !Resource.includes(resource)) return false;
    if (!Condition) return true;
    const { "ForAllValues:StringEquals": attributes, StringEqualsIfExists: values } = Condition;
    return (
      attributesOf(command).every((name) => attributes["dynamodb:Attributes"].includes(name)) &&
      values["dynamodb:ReturnValues"].includes((input["ReturnValues"] ?? "NONE") as string)
    );
  });
}

/** A client under a policy, as DynamoDB would hold it to one. */
function underPolicy(client: DynamoDbClientLike, policy: DynamoDbPolicy) {
  const denied: string[] = [];
  const send: DynamoDbClientLike["send"] = async (command, options) => {
    const sent = sentCommand(command);
    if (allows(policy, sent)) return client.send(command, options);
    denied.push(sent.operation);
    throw Object.assign(new Error(`not authorized to perform: dynamodb:${sent.operation}`), {
      name: "AccessDeniedException",
      $metadata: { httpStatusCode: 400 },
    });
  };
  return { send, denied };
}

let server: DynamoDbServer;
beforeAll(async () => (server = await startDynalite()));
afterAll(() => server.stop());

/** A service whose processes each have the policy of their role. */
async function service(options: Partial<RecordingKeyStoreOptions> = { fleetSecret: new Uint8Array(32).fill(1) }) {
  const client = dynamoDbClient(server.endpoint);
  const tableName = await createTable(client);
  const parts = setup({ storeTimeout: 60_000, background: false, ...options });
  const process = (role: DynamoDbRole) => {
    const limited = underPolicy(client, dynamoDbPolicy({ tableArn: tableArnOf(tableName), role }));
    const store = new DynamoDbKeyPairStore({ client: limited, tableName, ...patient });
    return { store, client: limited, denied: limited.denied, keyStore: parts.keyStoreWith({ store }) };
  };
  return { ...parts, tableName, process };
}

/** Workers that change the key at once: each has stored its pair before the first swings the head. */
async function loseRaces(
  workers: number,
  open: () => KeyPairStore,
  keyStoreWith: Awaited<ReturnType<typeof service>>["keyStoreWith"],
): Promise<void> {
  let waiting = 0;
  let start: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (start = resolve));
  const racer = () => {
    const store = open();
    const swapHead: KeyPairStore["swapHead"] = async (...args) => {
      if ((waiting += 1) >= workers) start();
      await all;
      return store.swapHead(...args);
    };
    return keyStoreWith({ store: overridden(store, { swapHead }) });
  };
  await Promise.all(Array.from({ length: workers }, () => racer().rotate()));
}

const audio = Buffer.from("two channels of a call");

describe("a worker's policy", () => {
  it("is enough to configure, record, play, change keys, and look at them, and deletes nothing", async () => {
    const { process, clock } = await service();
    const { keyStore, store, denied } = process("worker");
    await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
    const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
    clock.advance(2 * 86_400_000);
    expect((await keyStore.rotateIfDue()).rotated).toBe(true);
    await keyStore.rotate();
    await keyStore.rewrapKeyPairs();
    await keyStore.confirm();
    expect((await keyStore.keyPairs()).items).toHaveLength(3);
    expect((await keyStore.status()).fleet?.authentic).toBe(true);
    const other = process("worker");
    expect(Buffer.from((await other.keyStore.decryptRecording(body, { recordingId: "r" })).body)).toEqual(audio);
    expect([...denied, ...other.denied]).toEqual([]);
    await expect(store.removeKeyPair("org-1", "pair")).rejects.toMatchObject({ kind: "access-denied" });
  });
});

describe("the policy of a worker that only encrypts", () => {
  it("is enough to record with the confirmed key and to tell the fleet, and makes no key pair", async () => {
    const { process, clock } = await service();
    const { keyStore, store } = process("worker");
    await keyStore.configure({ kmsKeyAliasArn });
    const recorder = process("encrypt-only");
    for (let hour = 0; hour < 3; hour += 1) {
      const result = await recorder.keyStore.encryptRecording(audio, { recordingId: `r-${hour}` });
      expect(result).toMatchObject({ confirmation: "confirmed", usedLastKnownKey: false });
      const before = await store.readStatus("org-1");
      clock.advance(3_600_000);
      await recorder.keyStore.confirm();
      expect(await store.readStatus("org-1")).not.toEqual(before);
    }
    expect((await recorder.keyStore.keyPairs()).items).toHaveLength(1);
    expect(recorder.denied).toEqual([]);
    await expect(recorder.keyStore.rotate()).rejects.toMatchObject({
      kind: "access-denied",
      operation: "createKeyPair",
    });
    expect(await recorder.keyStore.encryptRecording(audio, { recordingId: "r" })).toMatchObject({
      confirmation: "confirmed",
    });
  });

  it("is enough without a fleet, where it can't write down that it has taken up the pair", async () => {
    const { process } = await service({});
    await process("worker").keyStore.configure({ kmsKeyAliasArn });
    const recorder = process("encrypt-only");
    expect(await recorder.keyStore.encryptRecording(audio, { recordingId: "r" })).toMatchObject({
      confirmation: "confirmed",
    });
    expect(new Set(recorder.denied)).toEqual(new Set(["PutItem"]));
  });

  it("lets nobody write to heads and records", async () => {
    const { process, tableName } = await service();
    const { keyStore, store } = process("worker");
    await keyStore.configure({ kmsKeyAliasArn });
    const head = await store.readHead("org-1");
    const policy = dynamoDbPolicy({ tableArn: tableArnOf(tableName), role: "encrypt-only" });
    const update = (name: string, more: object = {}): SentCommand => ({
      operation: "UpdateItem",
      input: {
        TableName: tableName,
        Key: { pk: { S: "org-1" }, sk: { S: "head" } },
        UpdateExpression: `SET ${name} = :value`,
        ...more,
      },
    });
    expect(allows(policy, update("statusDoc"))).toBe(true); // an attribute of a head that nobody reads
    for (const name of ["doc", "rev", "prev", "pos"]) expect(allows(policy, update(name)), name).toBe(false);
    expect(allows(policy, update("statusDoc", { ReturnValues: "ALL_OLD" }))).toBe(false);
    for (const operation of ["PutItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems", "Scan", "DeleteTable"])
      expect(allows(policy, { ...update("doc"), operation }), operation).toBe(false);
    const recorder = process("encrypt-only");
    await expect(recorder.store.swapHead("org-1", head?.revision, bytes("mine"))).rejects.toMatchObject({
      kind: "access-denied",
    });
    await expect(recorder.store.removeKeyPair("org-1", "pair")).rejects.toMatchObject({ kind: "access-denied" });
    expect(await store.readHead("org-1")).toEqual(head);
  });
});

describe("the policy of the job that removes orphans", () => {
  it("is enough for that, and for nothing else that writes records", async () => {
    const { process, keyStoreWith } = await service();
    const { keyStore } = process("worker");
    await keyStore.configure({ kmsKeyAliasArn });
    await loseRaces(4, () => process("worker").store, keyStoreWith);
    await expect(process("worker").keyStore.removeOrphanedKeyPairs()).rejects.toMatchObject({
      kind: "access-denied",
      operation: "removeKeyPair",
    });
    const job = process("orphan-job");
    const { removed } = await job.keyStore.removeOrphanedKeyPairs();
    expect(removed).toHaveLength(3);
    expect(await job.keyStore.removeOrphanedKeyPairs()).toMatchObject({ removed: [] });
    expect(job.denied).toEqual([]);
    await expect(job.keyStore.rotate()).rejects.toMatchObject({ kind: "access-denied" });
  });
});

describe("dynamoDbPolicy", () => {
  it("refuses what names no table, and no role", () => {
    const tableArn = tableArnOf("recording-keys");
    for (const options of [
      { tableArn: "recording-keys", role: "worker" },
      { tableArn: `${tableArn}/*`, role: "worker" },
      { tableArn, role: "constructor" },
      { tableArn },
      { tableArn, role: "worker", table: "x" },
    ])
      expect(() => dynamoDbPolicy(options as never)).toThrow(InvalidInputError);
  });

  it("lets one role alone delete", () => {
    const actions = (["worker", "encrypt-only", "orphan-job"] as const).map((role) =>
      dynamoDbPolicy({ tableArn: tableArnOf("recording-keys"), role }).Statement.flatMap(({ Action }) => Action),
    );
    expect(actions.map((allowed) => allowed.includes("dynamodb:DeleteItem"))).toEqual([false, false, true]);
    expect(actions.map((allowed) => allowed.includes("dynamodb:PutItem"))).toEqual([true, false, false]);
  });
});
