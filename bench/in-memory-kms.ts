/*
 * The in-memory KMS through each of its doors, beside a bare node:crypto loop. One call at a time, one core.
 * By itself: `npx tsx bench/in-memory-kms.ts`.
 */
import { DecryptCommand, EncryptCommand, KMSClient } from "@aws-sdk/client-kms";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { InMemoryKms, InMemoryKmsProvider } from "../src/testing/index.js";
import { byScale, interleaved, median, perSecond, repeated, speedRatios, spread } from "./shared/measure.js";
import { table } from "./shared/report.js";
import { atLeast, type Row, type Scale, type Subject } from "./shared/subject.js";

const plaintext = randomBytes(32);
const context = { "genesys-cloud-organization-id": "org-1", purpose: "private-key" };
const key = randomBytes(32);

function barePair(): Buffer {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const decipher = createDecipheriv("aes-256-gcm", key, iv).setAuthTag(cipher.getAuthTag());
  return Buffer.concat([decipher.update(sealed), decipher.final()]);
}

async function run(scale: Scale): Promise<Row[]> {
  const pairs = byScale(scale, { quick: 20, default: 1_000, full: 10_000 });
  const rounds = byScale(scale, { quick: 1, default: 5, full: 5 });
  const kms = new InMemoryKms();
  const KeyId = kms.createKey();
  const provider = new InMemoryKmsProvider(kms);
  const providerPair = async () => {
    const { ciphertext } = await provider.encrypt({ keyId: KeyId, plaintext, encryptionContext: context });
    await provider.decrypt({ keyId: KeyId, ciphertext, encryptionContext: context });
  };
  const sdkPair = (client: KMSClient) => async () => {
    const { CiphertextBlob } = await client.send(
      new EncryptCommand({ KeyId, Plaintext: plaintext, EncryptionContext: context }),
    );
    await client.send(new DecryptCommand({ KeyId, CiphertextBlob, EncryptionContext: context }));
  };
  const inProcess = new KMSClient(kms.clientConfig("us-east-1"));
  const endpoint = await kms.listen();
  const overHttp = new KMSClient({
    region: "us-east-1",
    endpoint: endpoint.url,
    credentials: { accessKeyId: "AKIA", secretAccessKey: "any" },
  });
  const took = await interleaved(rounds, {
    bare: repeated(pairs, barePair),
    provider: repeated(pairs, providerPair),
    sdk: repeated(pairs, sdkPair(inProcess)),
    http: repeated(pairs, sdkPair(overHttp)),
  });
  overHttp.destroy();
  await endpoint.close();

  const row = (what: string, times: readonly number[]): Row => {
    const speed = perSecond(pairs, times);
    return {
      what,
      figure: `${spread(speed, 0)} pairs/s`,
      against: `10,000 pairs in ${(10_000 / median(speed)).toFixed(1)} s`,
    };
  };
  return [
    row("bare node:crypto AES-256-GCM, no service", took.bare),
    row("`InMemoryKmsProvider`, no SDK", took.provider),
    {
      ...row("`KMSClient` on its request handler", took.sdk),
      promise: atLeast(median(speedRatios(took.sdk, took.http)), 1.5, "1.5 of HTTP"),
    },
    row("`KMSClient` over HTTP on loopback", took.http),
  ];
}

export const inMemoryKms: Subject = {
  title: "The in-memory KMS",
  about:
    "Encrypt/Decrypt pairs of 32 bytes with an encryption context, one call at a time, through each door. The SDK's own signing, middleware and HTTP are most of the time of the last two.",
  run,
};

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(table(await run("default"), "default"));
