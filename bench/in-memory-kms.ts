/*
 * The in-memory KMS through each of its doors, beside a bare node:crypto loop and, where KMS_PEERS names some, other servers that speak
 * KMS: `KMS_PEERS=moto=http://127.0.0.1:5000,local-kms=http://127.0.0.1:8081 npm run bench -- inmemory`. Whoever starts them ends them.
 * By itself: `npx tsx bench/in-memory-kms.ts`.
 */
import { CreateKeyCommand, DecryptCommand, EncryptCommand, KMSClient } from "@aws-sdk/client-kms";
import { mockClient } from "aws-sdk-client-mock";
import { spawn } from "node:child_process";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { InMemoryKms, InMemoryKmsProvider, installInMemoryKms } from "../src/in-memory-kms/index.js";
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

/** A pair through an SDK's client. */
const sdkPair = (client: KMSClient, KeyId: string) => async () => {
  const { CiphertextBlob } = await client.send(
    new EncryptCommand({ KeyId, Plaintext: plaintext, EncryptionContext: context }),
  );
  await client.send(new DecryptCommand({ KeyId, CiphertextBlob, EncryptionContext: context }));
};

const credentials = { accessKeyId: "AKIA", secretAccessKey: "any" };
const clientOf = (endpoint: string) => new KMSClient({ region: "us-east-1", endpoint, credentials });

/** A pair over HTTP, under a key of its own on a server that speaks KMS. */
async function serverPair(url: string): Promise<() => Promise<void>> {
  const client = clientOf(url);
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
  return sdkPair(client, KeyMetadata?.KeyId ?? "");
}

/** `recording-keystore kms`, in a process of its own as other servers are. */
async function startCommand(): Promise<{ url: string; stop: () => Promise<void> }> {
  const bin = fileURLToPath(new URL("../src/cli/bin.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", bin, "kms"], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const [line] = (await Promise.race([
    once(child.stdout, "data"),
    exited.then(() => Promise.reject(new Error("recording-keystore kms ended without a word"))),
  ])) as [Buffer];
  return {
    url: line.toString().trim(),
    stop: async () => {
      child.kill();
      await exited;
    },
  };
}

/** Other servers by name. @throws Error for a text that is no list of `NAME=URL` */
function peerUrls(text = process.env["KMS_PEERS"] ?? ""): [name: string, url: string][] {
  return text.split(",").flatMap((peer): [string, string][] => {
    if (peer.trim() === "") return [];
    const [, name, url] = /^\s*([^=]+)=(https?:\/\/.+?)\s*$/.exec(peer) ?? [];
    if (!name || !url) throw new Error(`KMS_PEERS: not NAME=URL: ${peer}`);
    return [[name, url]];
  });
}

async function run(scale: Scale): Promise<Row[]> {
  const pairs = byScale(scale, { quick: 20, default: 1_000, full: 10_000 });
  const rounds = byScale(scale, { quick: 1, default: 5, full: 5 });
  const kms = new InMemoryKms();
  const KeyId = kms.createKey();
  const provider = new InMemoryKmsProvider(kms);
  const mocked = clientOf("http://nobody.invalid");
  installInMemoryKms(mockClient(mocked), kms);
  const [endpoint, command] = await Promise.all([kms.listen(), startCommand()]);
  const own = {
    bare: barePair,
    provider: async () => {
      const { ciphertext } = await provider.encrypt({ keyId: KeyId, plaintext, encryptionContext: context });
      await provider.decrypt({ keyId: KeyId, ciphertext, encryptionContext: context });
    },
    handler: sdkPair(new KMSClient(kms.clientConfig("us-east-1")), KeyId),
    mocked: sdkPair(mocked, KeyId),
    listening: sdkPair(clientOf(endpoint.url), KeyId),
    command: await serverPair(command.url),
  };
  const peers = await Promise.all(
    peerUrls().map(async ([name, url]) => [`peer ${name}`, await serverPair(url)] as const),
  );
  const tasks: Record<string, () => unknown> = { ...own, ...Object.fromEntries(peers) };
  const took = await interleaved(
    rounds,
    Object.fromEntries(Object.entries(tasks).map(([name, pair]) => [name, repeated(pairs, pair)])),
  );
  await endpoint.close();
  await command.stop();

  const row = (what: string, task: string): Row => {
    const times = took[task] ?? [];
    const ratio = speedRatios(times, took["command"] ?? []);
    return {
      what,
      figure: `${spread(perSecond(pairs, times), 0)} pairs/s`,
      ...(task === "command" ? {} : { against: `${spread(ratio)} of the command's` }),
    };
  };
  return [
    row("bare node:crypto AES-256-GCM, no service", "bare"),
    row("`InMemoryKmsProvider`, no SDK", "provider"),
    {
      ...row("`KMSClient` on its request handler", "handler"),
      promise: atLeast(median(speedRatios(took["handler"] ?? [], took["listening"] ?? [])), 1.5, "1.5 of `listen()`"),
    },
    row("`KMSClient` under `aws-sdk-client-mock`", "mocked"),
    row("`KMSClient` over HTTP to `listen()`, the same process", "listening"),
    row("`KMSClient` over HTTP to `recording-keystore kms`, another process", "command"),
    ...peers.map(([task]) => row(`\`KMSClient\` over HTTP to ${task.replace("peer ", "")}, another process`, task)),
  ];
}

export const inMemoryKms: Subject = {
  title: "The in-memory KMS",
  about:
    "Encrypt/Decrypt pairs of 32 bytes with an encryption context, one call at a time, through each door. The SDK's own signing, middleware and HTTP are most of the time of all that go through it. Other servers stand beside it where `KMS_PEERS` names some (`KMS_PEERS=moto=http://127.0.0.1:5000 npm run bench -- inmemory`).",
  run,
};

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(table(await run("default"), "default"));
