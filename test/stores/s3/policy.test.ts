import { describe, expect, it } from "vitest";
import { InvalidInputError } from "../../../src/errors.js";
import { S3KeyPairStore, s3Policy, type S3ClientLike, type S3Policy, type S3Role } from "../../../src/stores/s3.js";
import { kmsKeyAliasArn, setup } from "../../support/setup.js";
import { bytes } from "../records.js";
import { sentCommand, type SentCommand } from "../../support/aws-clients.js";
import { ServiceClient } from "./clients.js";
import { S3Service } from "./s3-service.js";

/** Whether a policy allows a command, by the rules of IAM as far as the policy uses them. */
function allows({ Statement }: S3Policy, { operation, input }: SentCommand): boolean {
  const bucket = `arn:aws:s3:::${input["Bucket"] as string}`;
  const resource = operation === "ListObjectsV2" ? bucket : `${bucket}/${input["Key"] as string}`;
  const action = `s3:${operation === "ListObjectsV2" ? "ListBucket" : operation}`;
  const given = { "s3:if-none-match": input["IfNoneMatch"], "s3:if-match": input["IfMatch"] };
  return Statement.some(({ Action, Resource, Condition }) => {
    if (!Action.includes(action) || !Resource.some((pattern) => matches(pattern, resource))) return false;
    const needed = Object.keys(Condition?.Null ?? {}) as (keyof typeof given)[];
    return needed.every((key) => given[key] !== undefined);
  });
}

function matches(pattern: string, resource: string): boolean {
  const [start = "", end] = pattern.split("*");
  return end === undefined ? resource === pattern : resource.startsWith(start) && resource.endsWith(end);
}

/** A client under a policy, as S3 would hold it to one. */
function underPolicy(client: S3ClientLike, policy: S3Policy) {
  const denied: string[] = [];
  const send: S3ClientLike["send"] = async (command, options) => {
    const sent = sentCommand(command);
    if (allows(policy, sent)) return client.send(command, options);
    denied.push(sent.operation);
    throw Object.assign(new Error("Access Denied"), { name: "AccessDenied", $metadata: { httpStatusCode: 403 } });
  };
  return { send, denied };
}

/** A service whose processes each have the policy of their role. */
async function service() {
  const s3 = new S3Service();
  const bucket = s3.createBucket();
  const parts = setup({ storeTimeout: 60_000, background: false, fleetSecret: new Uint8Array(32).fill(1) });
  const process = (role: S3Role) => {
    const client = underPolicy(new ServiceClient(s3), s3Policy({ bucket, role }));
    const store = new S3KeyPairStore({ client, bucket, attemptTimeout: 30_000, deadline: 60_000 });
    return { store, denied: client.denied, keyStore: parts.keyStoreWith({ store }) };
  };
  return { ...parts, bucket, process };
}

const audio = Buffer.from("two channels of a call");
const denied = { code: "ERR_STORE_UNAVAILABLE", kind: "access-denied" };

describe("a worker's policy", () => {
  it("is enough to configure, record, play, change keys, and look at them, and deletes nothing", async () => {
    const { process, clock } = await service();
    const worker = process("worker");
    await worker.keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
    const { body } = await worker.keyStore.encryptRecording(audio, { recordingId: "r" });
    clock.advance(2 * 86_400_000);
    expect((await worker.keyStore.rotateIfDue()).rotated).toBe(true);
    await worker.keyStore.rotate();
    await worker.keyStore.rewrapKeyPairs();
    await worker.keyStore.confirm();
    expect((await worker.keyStore.keyPairs()).items).toHaveLength(3);
    const other = process("worker");
    expect(Buffer.from((await other.keyStore.decryptRecording(body, { recordingId: "r" })).body)).toEqual(audio);
    expect([...worker.denied, ...other.denied]).toEqual([]);
    const [pair] = await worker.store.listKeyPairs("org-1", { limit: 1 });
    await expect(worker.store.removeKeyPair("org-1", pair?.keyPairId ?? "")).rejects.toMatchObject(denied);
    expect(await worker.store.listKeyPairs("org-1", { limit: 1 })).toEqual([pair]);
  });

  it("overwrites no record, and no head but under a condition", async () => {
    const { bucket } = await service();
    const policy = s3Policy({ bucket, role: "worker" });
    const put = (name: string, condition: object = {}): SentCommand => ({
      operation: "PutObject",
      input: { Bucket: bucket, Key: `recording-keystore/${name}`, ...condition },
    });
    const [isNew, isStill] = [{ IfNoneMatch: "*" }, { IfMatch: '"e"' }];
    for (const name of ["pairs/o/p", "history/o/1-p", "wrappings/o/p/w"]) {
      expect(allows(policy, put(name, isNew)), name).toBe(true);
      for (const condition of [{}, isStill]) expect(allows(policy, put(name, condition)), name).toBe(false);
    }
    expect([{}, isNew, isStill].map((condition) => allows(policy, put("heads/o", condition)))).toEqual([
      false,
      true,
      true,
    ]);
    const outside = { operation: "PutObject", input: { Bucket: bucket, Key: "other/pairs/o/p", ...isNew } };
    expect(allows(policy, outside)).toBe(false);
    for (const operation of ["DeleteObject", "DeleteObjects", "PutObjectRetention", "PutBucketLifecycleConfiguration"])
      expect(allows(policy, { ...put("pairs/o/p", isNew), operation }), operation).toBe(false);
  });
});

describe("the policy of a worker that only encrypts", () => {
  it("is enough to record with the confirmed key and to tell the fleet, and makes no key pair", async () => {
    const { process, clock } = await service();
    const { keyStore, store } = process("worker");
    await keyStore.configure({ kmsKeyAliasArn });
    const recorder = process("encrypt-only");
    expect(await recorder.keyStore.encryptRecording(audio, { recordingId: "r" })).toMatchObject({
      confirmation: "confirmed",
      usedLastKnownKey: false,
    });
    const before = await store.readStatus("org-1");
    clock.advance(3_600_000);
    await recorder.keyStore.confirm();
    expect(await store.readStatus("org-1")).not.toEqual(before);
    expect((await recorder.keyStore.keyPairs()).items).toHaveLength(1);
    expect(recorder.denied).toEqual([]);
    await expect(recorder.keyStore.rotate()).rejects.toMatchObject({ ...denied, operation: "createKeyPair" });
    const head = await store.readHead("org-1");
    await expect(recorder.store.swapHead("org-1", head?.revision, bytes("mine"))).rejects.toMatchObject(denied);
    expect(await store.readHead("org-1")).toEqual(head);
  });

  it("writes no record that is named as a status item is", async () => {
    const { process } = await service();
    const recorder = process("encrypt-only");
    await expect(
      recorder.store.createKeyPair({
        organizationId: "statuses",
        keyPairId: "statuses",
        sequence: 1,
        document: bytes(""),
      }),
    ).rejects.toMatchObject(denied);
  });
});

describe("the policy of the job that removes orphans", () => {
  it("is enough for that, and for nothing else that writes records", async () => {
    const { process } = await service();
    const worker = process("worker");
    await worker.keyStore.configure({ kmsKeyAliasArn });
    const [active] = await worker.store.listKeyPairs("org-1", { limit: 1 });
    // A pair that lost its race: beside the active one, and never named by a head.
    await worker.store.createKeyPair({ organizationId: "org-1", keyPairId: "lost", sequence: 1, document: bytes("") });
    await worker.store.createWrapping("org-1", "lost", { wrappingId: "w", document: bytes("") });
    const job = process("orphan-job");
    expect(await job.store.removeKeyPair("org-1", "lost")).toBe(true);
    expect(await job.store.listKeyPairs("org-1", { limit: 9 })).toEqual([active]);
    expect(await job.store.listWrappings("org-1", "lost")).toEqual([]);
    expect(await job.keyStore.removeOrphanedKeyPairs()).toMatchObject({ removed: [] });
    expect(job.denied).toEqual([]);
    await expect(job.keyStore.rotate()).rejects.toMatchObject(denied);
  });
});

describe("s3Policy", () => {
  it("refuses what names no bucket, and no role", () => {
    for (const options of [
      { bucket: "recording-keys/*", role: "worker" },
      { bucket: "*", role: "worker" },
      { bucket: "arn:aws:s3:::recording-keys/*", role: "worker" },
      { bucket: "recording-keys", prefix: "*", role: "worker" },
      { bucket: "recording-keys", role: "constructor" },
      { bucket: "recording-keys" },
      { bucket: "recording-keys", role: "worker", region: "x" },
    ])
      expect(() => s3Policy(options as never)).toThrow(InvalidInputError);
  });

  it("is about the bucket and the prefix that it is given", () => {
    const bucket = "arn:aws-us-gov:s3:::recording-keys";
    const { Statement } = s3Policy({ bucket, prefix: "a/b", role: "encrypt-only" });
    expect(Statement.map(({ Action, Resource }) => [Action, Resource])).toEqual([
      [["s3:ListBucket"], [bucket]],
      [["s3:GetObject"], [`${bucket}/a/b/*`]],
      [["s3:PutObject"], [`${bucket}/a/b/statuses/*`]],
    ]);
  });

  it("lets one role alone delete", () => {
    const roles = ["worker", "encrypt-only", "orphan-job"] as const;
    const actions = roles.map((role) => s3Policy({ bucket: "keys", role }).Statement.flatMap(({ Action }) => Action));
    expect(actions.map((allowed) => allowed.includes("s3:DeleteObject"))).toEqual([false, false, true]);
  });
});
