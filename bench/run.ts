/*
 * npm run bench: the promises of speed and memory, as ratios against bare node:crypto in one and the same run.
 * Rounds are interleaved, medians and ranges are shown; nothing here fails a build.
 */
import { spawnSync } from "node:child_process";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { RecordingKeyStore } from "../src/index.js";
import { AwsKmsProvider } from "../src/aws.js";
import { InMemoryKms, MemoryKeyPairStore } from "../src/testing/index.js";
import { KMSClient } from "@aws-sdk/client-kms";

const MiB = 1_048_576;
const segment = 65_536;
const chunk = randomBytes(MiB);
const kmsKeyAliasArn = "arn:aws:kms:eu-west-1:111122223333:alias/recordings";

function zeros(bytes: number): Readable {
  let left = bytes;
  return new Readable({
    highWaterMark: 4 * MiB,
    read() {
      const next = left > 0 ? chunk.subarray(0, Math.min(left, MiB)) : null;
      left -= next?.length ?? 0;
      this.push(next);
    },
  });
}

const discard = () => new Writable({ highWaterMark: 4 * MiB, write: (_chunk, _encoding, callback) => callback() });

export async function keyStore(): Promise<{ keyStore: RecordingKeyStore; kms: InMemoryKms }> {
  const kms = new InMemoryKms();
  kms.createAlias("alias/recordings", kms.createKey({ accountId: "111122223333", region: "eu-west-1" }));
  kms.addPrincipal({ accessKeyId: "AKIASERVICE", arn: "arn:aws:iam::111122223333:root" });
  const provider = new AwsKmsProvider({ client: (region) => new KMSClient(kms.clientConfig(region, { accessKeyId: "AKIASERVICE" })) });
  const made = new RecordingKeyStore({ organizationId: "org-1", homeRegion: "eu-west-1", kms: provider, store: new MemoryKeyPairStore(), privateKeyTtl: 300_000 });
  await made.configure({ kmsKeyAliasArn });
  return { keyStore: made, kms };
}

/** Bare AES-256-GCM, a context per 64 KiB: what no recording format on node:crypto can beat. */
function floorEncrypt(bytes: number): void {
  const key = randomBytes(32);
  for (let offset = 0; offset < bytes; offset += segment) {
    const cipher = createCipheriv("aes-256-gcm", key, randomBytes(12), { authTagLength: 16 });
    cipher.update(chunk.subarray(offset % MiB, (offset % MiB) + segment));
    cipher.final();
    cipher.getAuthTag();
  }
}

/** The same for decryption, over as many different bytes as the recording has: a loop over one buffer would stay in cache. */
function floorDecrypt(bytes: number): () => void {
  const key = randomBytes(32);
  const iv = randomBytes(12);
  const whole = Buffer.alloc(bytes);
  const tags: Buffer[] = [];
  for (let offset = 0; offset < bytes; offset += segment) {
    const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: 16 });
    whole.set(cipher.update(chunk.subarray(offset % MiB, (offset % MiB) + segment)), offset);
    cipher.final();
    tags.push(cipher.getAuthTag());
  }
  return () => {
    for (const [index, tag] of tags.entries()) {
      const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: 16 });
      decipher.setAuthTag(tag);
      decipher.update(whole.subarray(index * segment, (index + 1) * segment));
      decipher.final();
    }
  };
}

async function seconds(task: () => unknown): Promise<number> {
  const start = performance.now();
  await task();
  return (performance.now() - start) / 1_000;
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
const shown = (values: number[], digits: number) => `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`;

async function streaming(rounds: number, size: number): Promise<string[]> {
  const { keyStore: store } = await keyStore();
  const encrypted = Buffer.from((await store.encryptRecording(Buffer.concat(Array.from({ length: size / MiB }, () => chunk)), { recordingId: "r" })).body);
  const encryptedSource = () => {
    let offset = 0;
    return new Readable({
      highWaterMark: 4 * MiB,
      read() {
        const next = encrypted.subarray(offset, offset + MiB);
        offset += next.length;
        this.push(next.length > 0 ? next : null);
      },
    });
  };
  const runs: Record<string, () => unknown> = {
    "floor encrypt": () => floorEncrypt(size),
    encrypt: async () => pipeline((await store.encryptRecording(zeros(size), { recordingId: "r" })).body, discard()),
    "floor decrypt": floorDecrypt(size),
    decrypt: async () => pipeline((await store.decryptRecording(encryptedSource(), { recordingId: "r" })).body, discard()),
  };
  const speeds: Record<string, number[]> = {};
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, run] of Object.entries(runs)) {
      const speed = size / 1e9 / (await seconds(run));
      if (round > 0) (speeds[name] ??= []).push(speed);
    }
  }
  return ["encrypt", "decrypt"].map((name) => {
    const own = speeds[name] ?? [];
    const floor = speeds[`floor ${name}`] ?? [];
    return `| ${name}, ${size / MiB} MiB streamed, memory to discard | ${shown(own, 2)} GB/s | ${(median(own) / median(floor)).toFixed(2)} of bare node:crypto (${shown(floor, 2)} GB/s) | ≥ 0.85 |`;
  });
}

async function small(count: number): Promise<string[]> {
  const { keyStore: store, kms } = await keyStore();
  const audio = randomBytes(1_024);
  const bodies: Uint8Array[] = [];
  kms.journal.clear();
  const encrypting = await seconds(async () => {
    for (let index = 0; index < count; index += 1) bodies.push((await store.encryptRecording(audio, { recordingId: "r" })).body);
  });
  const encryptCalls = kms.journal.count();
  const decrypting = await seconds(async () => {
    for (const body of bodies) await store.decryptRecording(body, { recordingId: "r" });
  });
  return [
    `| encrypt, recordings of 1 KiB per second | ${Math.round(count / encrypting)} | ${encryptCalls} KMS calls for ${count} | ≥ 5,000; 0 calls |`,
    `| decrypt, recordings of 1 KiB per second, key warm | ${Math.round(count / decrypting)} | ${kms.journal.count() - encryptCalls} KMS calls for ${count} | ≥ 5,000; 1 call |`,
  ];
}

/** Peak resident memory of a process of its own that streams this much through encryption and decryption. */
function peakOf(size: number): number {
  const child = spawnSync(process.execPath, ["--import", "tsx", fileURLToPath(import.meta.url), "peak", String(size)], { encoding: "utf8" });
  const peak = Number(child.stdout);
  if (!(peak > 0)) throw new Error(`the memory run failed: ${child.stderr}`);
  return peak;
}

if (process.argv[2] === "peak") {
  const { keyStore: store } = await keyStore();
  const { body } = await store.encryptRecording(zeros(Number(process.argv[3])), { recordingId: "r" });
  // Sampled: the kernel's own maximum begins with that of the process which started this one.
  let peak = 0;
  let seen = 0;
  const sampling = new Writable({
    write(_chunk, _encoding, callback) {
      if ((seen += 1) % 32 === 0) peak = Math.max(peak, process.memoryUsage.rss());
      callback();
    },
  });
  await pipeline((await store.decryptRecording(body, { recordingId: "r" })).body, sampling);
  console.log(Math.max(peak, process.memoryUsage.rss()) / MiB);
} else {
  console.log(`Node ${process.version}, OpenSSL ${process.versions.openssl}\n`);
  console.log("| what | figure | against | promised |\n|---|---|---|---|");
  for (const row of await streaming(5, 256 * MiB)) console.log(row);
  for (const row of await small(10_000)) console.log(row);
  const [little, much] = [peakOf(16 * MiB), peakOf(2_048 * MiB)];
  console.log(`| peak resident memory, 16 MiB and 2 GiB through both ways | ${little.toFixed(0)} and ${much.toFixed(0)} MiB | grows by ${(much - little).toFixed(0)} MiB | < 32 MiB |`);
}
