/* What users of the AWS Encryption SDK do with KMS, by a client that finds the endpoint in the environment. */
import {
  buildClient,
  CommitmentPolicy,
  getLocalCryptographicMaterialsCache,
  KmsKeyringNode,
  NodeCachingMaterialsManager,
} from "@aws-crypto/client-node";
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  KMSClient,
} from "@aws-sdk/client-kms";
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { calls, context, control, heal, inject } from "./server.mjs";

const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
const kms = new KMSClient();
const generatorKeyId = "arn:aws:kms:eu-west-1:111122223333:alias/recordings";
const plaintext = Buffer.from("a recording".repeat(1_000));

/** A key elsewhere, under whose alias the message's data key is encrypted too. */
async function secondKey(alias) {
  const central = new KMSClient({ region: "eu-central-1" });
  const { KeyMetadata } = await central.send(new CreateKeyCommand({}));
  await central.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: KeyMetadata.KeyId }));
  return KeyMetadata.Arn;
}

beforeEach(() => control("DELETE", "journal"));
afterEach(heal);

describe("keyrings", () => {
  it("opens what it has encrypted, with the context in the message", async () => {
    const keyring = new KmsKeyringNode({ generatorKeyId });
    const { result } = await encrypt(keyring, plaintext, { encryptionContext: context });
    const keyArn = (await calls({ operation: "GenerateDataKey" }))[0].keyArn;
    const opened = await decrypt(new KmsKeyringNode({ keyIds: [keyArn] }), result);
    assert.deepEqual(opened.plaintext, plaintext);
    const { encryptionContext } = opened.messageHeader;
    assert.deepEqual({ ...encryptionContext, ...context }, { ...encryptionContext });
    const [decrypted] = await calls({ operation: "Decrypt" });
    assert.deepEqual(decrypted.encryptionContext, { ...encryptionContext });
  });

  it("opens with the key that is left when another is disabled", async () => {
    const keyArn = await secondKey("alias/second");
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
    const keyring = new KmsKeyringNode({ generatorKeyId: KeyMetadata.Arn, keyIds: [keyArn] });
    const { result } = await encrypt(keyring, plaintext, { encryptionContext: context });
    assert.deepEqual(
      (await calls()).filter((call) => /^(GenerateDataKey|Encrypt)$/.test(call.operation)).map((call) => call.region),
      ["eu-west-1", "eu-central-1"],
    );
    await kms.send(new DisableKeyCommand({ KeyId: KeyMetadata.Arn }));
    assert.deepEqual((await decrypt(keyring, result)).plaintext, plaintext);
    const alone = new KmsKeyringNode({ keyIds: [KeyMetadata.Arn] });
    await assert.rejects(decrypt(alone, result), /is disabled/);
    await kms.send(new EnableKeyCommand({ KeyId: KeyMetadata.Arn }));
    assert.deepEqual((await decrypt(alone, result)).plaintext, plaintext);
  });

  it("finds the key by itself where it may", async () => {
    const { result } = await encrypt(new KmsKeyringNode({ generatorKeyId }), plaintext);
    const own = { accountIDs: ["111122223333"], partition: "aws" };
    const discovery = new KmsKeyringNode({ discovery: true, discoveryFilter: own });
    assert.deepEqual((await decrypt(discovery, result)).plaintext, plaintext);
    const foreign = { accountIDs: ["444455556666"], partition: "aws" };
    await assert.rejects(decrypt(new KmsKeyringNode({ discovery: true, discoveryFilter: foreign }), result));
  });

  it("says what KMS has said", async () => {
    const missing = new KmsKeyringNode({ generatorKeyId: generatorKeyId.replace("recordings", "missing") });
    await assert.rejects(encrypt(missing, plaintext), {
      name: "NotFoundException",
      message: /alias\/missing is not found/,
    });
  });

  it("goes through throttling, and asks KMS once for all that its cache covers", async () => {
    await inject("throttling", { operation: "GenerateDataKey", times: 2 });
    const backingMaterials = new KmsKeyringNode({ generatorKeyId });
    const cache = getLocalCryptographicMaterialsCache(10);
    const manager = new NodeCachingMaterialsManager({ backingMaterials, cache, maxAge: 3_600_000 });
    for (let message = 0; message < 5; message += 1) {
      const { result } = await encrypt(manager, plaintext, { plaintextLength: plaintext.length });
      assert.ok(result.length > plaintext.length);
    }
    assert.deepEqual(
      (await calls({ operation: "GenerateDataKey" })).map((call) => call.outcome),
      ["ThrottlingException", "ThrottlingException", "ok"],
    );
  });
});
