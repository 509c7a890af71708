/*
 * How a service tests what it does with recordings: its own code against a key store whose AWS KMS is in memory.
 * `createTestKeyStore()` gives a configured key store, the KMS behind it, and a clock that moves both.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createTestKeyStore, type TestKeyStore } from "recording-keystore/testing";

const audio = Buffer.from("two channels of a call");
const day = 86_400_000;

describe("recordings under the organization's own KMS key", () => {
  let world: TestKeyStore;
  beforeEach(async () => {
    world = await createTestKeyStore({ privateKeyTtl: 0, configuration: { periodicKeyChange: "monthly" } });
  });
  afterEach(() => world.keyStore.close());

  const record = async (recordingId = "call-1") => (await world.keyStore.encryptRecording(audio, { recordingId })).body;
  const play = async (body: Uint8Array, recordingId = "call-1") =>
    Buffer.from((await world.keyStore.decryptRecording(body, { recordingId })).body);

  test("what was recorded plays", async () => {
    expect(await play(await record())).toEqual(audio);
  });

  test("outage: recording goes on, playing waits, and works again by itself", async () => {
    world.kms.faults.outage();
    const body = await record();
    await expect(play(body)).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE", retryable: true });
    world.kms.faults.heal();
    expect(await play(body)).toEqual(audio);
  });

  test("throttling of one operation only", async () => {
    const body = await record();
    const throttling = world.kms.faults.throttling({ operation: "Decrypt", times: 1 });
    await expect(play(body)).rejects.toMatchObject({ kind: "throttled" });
    expect(throttling.hits).toBe(1);
    expect(await play(body)).toEqual(audio);
  });

  test("denial: an organization that takes its permission back is obeyed", async () => {
    const body = await record();
    world.kms.putKeyPolicy(world.kmsKeyArn, {
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Principal: { AWS: "arn:aws:iam::111122223333:root" }, Action: "kms:*", Resource: "*" },
      ],
    });
    await expect(play(body)).rejects.toMatchObject({ code: "ERR_KMS_REFUSED", kind: "access-denied" });
  });

  test("a disabled key: no playing until it is enabled again", async () => {
    const body = await record();
    world.kms.disableKey(world.kmsKeyArn);
    await expect(play(body)).rejects.toMatchObject({ kind: "key-disabled" });
    world.kms.enableKey(world.kmsKeyArn);
    expect(await play(body)).toEqual(audio);
  });

  test("rotation: the service's key pair, the KMS key's material, and the KMS key behind the alias", async () => {
    const recordings = [await record("call-0")];
    await world.keyStore.rotate();
    recordings.push(await record("call-1"));
    world.kms.rotateKey(world.kmsKeyArn);
    recordings.push(await record("call-2"));
    const nextKey = world.kms.createKey({ accountId: "111122223333", policy: world.kms.getKeyPolicy(world.kmsKeyArn) });
    world.kms.pointAlias(world.kmsKeyAliasArn, nextKey);
    await world.keyStore.rotate();
    recordings.push(await record("call-3"));

    for (const [index, body] of recordings.entries()) expect(await play(body, `call-${index}`)).toEqual(audio);
    expect((await world.keyStore.keyPairs()).items).toHaveLength(3);
    expect(world.kms.journal.calls({ operation: "Decrypt", keyArn: nextKey })).not.toHaveLength(0);
  });

  test("time: a month later the key pair changes by itself", async () => {
    world.clock.advance(32 * day);
    await world.keyStore.rotateIfDue();
    expect((await world.keyStore.keyPairs()).items).toHaveLength(2);
  });

  test("deletion: during the waiting period it can be called off, afterwards recordings are gone", async () => {
    const body = await record();
    world.kms.scheduleKeyDeletion(world.kmsKeyArn, 7);
    await expect(play(body)).rejects.toMatchObject({ kind: "key-pending-deletion" });
    world.kms.cancelKeyDeletion(world.kmsKeyArn);
    world.kms.enableKey(world.kmsKeyArn);
    expect(await play(body)).toEqual(audio);

    world.kms.scheduleKeyDeletion(world.kmsKeyArn, 7);
    world.clock.advance(7 * day);
    // That the key is gone AWS tells only the account that owned it.
    await expect(play(body)).rejects.toMatchObject({ code: "ERR_KMS_REFUSED", kind: "access-denied" });
  });

  test("the journal: no call to KMS for a recording, and no secret in it", async () => {
    world.kms.journal.clear();
    for (let call = 0; call < 100; call += 1) await record(`call-${call}`);
    expect(world.kms.journal.count()).toBe(0);
  });
});
