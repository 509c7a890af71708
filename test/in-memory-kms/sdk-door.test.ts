import { DecryptCommand, EncryptCommand, GenerateDataKeyPairWithoutPlaintextCommand, KMSClient } from "@aws-sdk/client-kms";
import { HttpResponse } from "@smithy/protocol-http";
import { expect, test } from "vitest";
import { InMemoryKms } from "../../src/testing/index.js";

test("the SDK's own client encrypts and decrypts", async () => {
  const kms = new InMemoryKms();
  const KeyId = kms.createKey({ alias: "alias/recordings" });
  const client = new KMSClient(kms.clientConfig("us-east-1"));
  const EncryptionContext = { organization: "1" };
  const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from("hello"), EncryptionContext }));
  const opened = await client.send(new DecryptCommand({ KeyId: "alias/recordings", CiphertextBlob, EncryptionContext }));
  expect(Buffer.from(opened.Plaintext ?? []).toString()).toBe("hello");
  expect(opened.KeyId).toBe(KeyId);
  const error = await client.send(new DecryptCommand({ CiphertextBlob })).catch((e: unknown) => e);
  expect(error).toMatchObject({ name: "InvalidCiphertextException", message: "UnknownError", $metadata: { httpStatusCode: 400 } });
  const pair = await client.send(new GenerateDataKeyPairWithoutPlaintextCommand({ KeyId, KeyPairSpec: "RSA_2048" }));
  expect(pair.PublicKey?.byteLength).toBeGreaterThan(200);
  expect(kms.journal.calls().map(({ operation, outcome }) => [operation, outcome])).toEqual([
    ["Encrypt", "ok"], ["Decrypt", "ok"], ["Decrypt", "InvalidCiphertextException"], ["GenerateDataKeyPairWithoutPlaintext", "ok"],
  ]);
});

test("answers pass as the SDK's HttpResponse", async () => {
  const { response } = await new InMemoryKms().requestHandler.handle({ method: "POST", headers: {} });
  expect(HttpResponse.isInstance(response)).toBe(true);
});
