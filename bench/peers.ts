/* One long stream through us and through each peer, by turns. */
import { pipeline } from "node:stream/promises";
import { installPeers } from "./peers/install.js";
import type { Peer } from "./peers/peer.js";
import { benchKeyStore } from "./shared/key-store.js";
import { byScale, bytesShown, GiB, interleaved, median, MiB, perSecond, speedRatios, spread } from "./shared/measure.js";
import { bytesStream, collected, discard, plaintextSource } from "./shared/streams.js";
import { atLeast, type Row, type Scale, type Subject } from "./shared/subject.js";

const recordingId = "recording-1";

interface Contest {
  readonly peer: () => Promise<Peer>;
  /** How many times as fast as the peer we promise to be; nothing is promised without. */
  readonly limit?: number;
  /** Seconds for a GiB, roughly: slow peers run less often. */
  readonly slow: boolean;
}

const contests: readonly Contest[] = [
  { peer: async () => (await import("./peers/aws-encryption-sdk.js")).awsDefault(), limit: 8, slow: true },
  { peer: async () => (await import("./peers/aws-encryption-sdk.js")).awsFastest(), limit: 2.2, slow: false },
  { peer: async () => (await import("./peers/sodium.js")).sodiumNative(), limit: 1, slow: false },
  { peer: async () => (await import("./peers/libsodium.js")).libsodiumWrappers(), slow: true },
  { peer: async () => (await import("./peers/age.js")).age(), slow: true },
];

async function ours(): Promise<Peer> {
  const { keyStore } = await benchKeyStore();
  const encrypted = async (bytes: number) => (await keyStore.encryptRecording(plaintextSource(bytes), { recordingId })).body;
  return {
    name: "recording-keystore",
    encrypt: async (bytes) => pipeline(await encrypted(bytes), discard()),
    decryption: async (bytes) => {
      const body = await collected(await encrypted(bytes));
      return async () => pipeline((await keyStore.decryptRecording(bytesStream(body), { recordingId })).body, discard());
    },
  };
}

async function against(peer: Peer, { limit, slow }: Contest, scale: Scale): Promise<Row[]> {
  const size = byScale(scale, { quick: MiB, default: GiB, full: GiB });
  const rounds = byScale(scale, { quick: 1, default: slow ? 3 : 7, full: slow ? 7 : 15 });
  const own = await ours();
  const took = await interleaved(rounds, {
    ownEncrypt: () => own.encrypt(size),
    encrypt: () => peer.encrypt(size),
    ownDecrypt: await own.decryption(size),
    decrypt: await peer.decryption(size),
  });
  const row = (way: "encrypt" | "decrypt", ownTimes: number[]): Row => {
    const ratios = speedRatios(ownTimes, took[way]);
    const speed = (seconds: number[]) => `${spread(perSecond(size / 1e9, seconds))} GB/s`;
    return {
      what: `${way} ${bytesShown(size)}: ${peer.name}`,
      figure: speed(took[way]),
      against: `recording-keystore is ${spread(ratios)} times as fast, ${speed(ownTimes)}`,
      ...(limit ? { promise: atLeast(median(ratios), limit) } : {}),
    };
  };
  return [row("encrypt", took.ownEncrypt), row("decrypt", took.ownDecrypt)];
}

async function run(scale: Scale): Promise<Row[]> {
  installPeers();
  const rows: Row[] = [];
  for (const contest of contests) rows.push(...(await against(await contest.peer(), contest, scale)));
  return rows;
}

export const peers: Subject = {
  title: "Peers",
  about:
    "One recording, streamed from memory to discard on one core, by us and by one peer in turn. The AWS Encryption SDK's fastest settings are frames of 1 MiB, no signature, a raw RSA keyring and cached materials; libsodium gets a loop over messages of 64 KiB without any streams. Chunks of 1 MiB are the AWS Encryption SDK's best case at those settings, each being a frame: both then run at the speed of the cipher, and nothing on node:crypto could be 2.2 times as fast.",
  run,
};
