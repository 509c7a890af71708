/*
 * tsx bench/in-memory-kms.ts: Encrypt/Decrypt pairs per second through each door of the in-memory KMS, beside a bare
 * node:crypto loop. One core, one call at a time.
 */
import { DecryptCommand, EncryptCommand, KMSClient } from "@aws-sdk/client-kms";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { InMemoryKms, InMemoryKmsProvider } from "../src/testing/index.js";

const plaintext = randomBytes(32);
const context = { "genesys-cloud-organization-id": "org-1", purpose: "private-key" };

async function measure(name: string, pairs: number, pair: () => unknown): Promise<void> {
  for (let i = 0; i < pairs / 10; i += 1) await pair();
  // Processor time, so that a busy machine does not count.
  const start = process.cpuUsage();
  for (let i = 0; i < pairs; i += 1) await pair();
  const { user, system } = process.cpuUsage(start);
  const seconds = (user + system) / 1_000_000;
  console.log(`${name.padEnd(38)} ${pairs} pairs in ${seconds.toFixed(2)} s, ${Math.round(pairs / seconds)} pairs per core and second`);
}

const kms = new InMemoryKms();
const KeyId = kms.createKey();

async function throughSdk(client: KMSClient): Promise<void> {
  const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId, Plaintext: plaintext, EncryptionContext: context }));
  await client.send(new DecryptCommand({ KeyId, CiphertextBlob, EncryptionContext: context }));
}

const key = randomBytes(32);
await measure("bare node:crypto AES-256-GCM", 100_000, () => {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const decipher = createDecipheriv("aes-256-gcm", key, iv).setAuthTag(cipher.getAuthTag());
  return Buffer.concat([decipher.update(sealed), decipher.final()]);
});

const provider = new InMemoryKmsProvider(kms);
await measure("InMemoryKmsProvider, without the SDK", 10_000, async () => {
  const { ciphertext } = await provider.encrypt({ keyId: KeyId, plaintext, encryptionContext: context });
  await provider.decrypt({ keyId: KeyId, ciphertext, encryptionContext: context });
});

const inProcess = new KMSClient(kms.clientConfig("us-east-1"));
await measure("KMSClient on its request handler", 10_000, () => throughSdk(inProcess));

const endpoint = await kms.listen();
const overHttp = new KMSClient({ region: "us-east-1", endpoint: endpoint.url, credentials: { accessKeyId: "AKIA", secretAccessKey: "any" } });
await measure("KMSClient over HTTP on loopback", 2_000, () => throughSdk(overHttp));
overHttp.destroy();
await endpoint.close();
