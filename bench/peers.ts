/* One long stream through us and through each peer, by turns. */
import { pipeline } from "node:stream/promises";
import { installPeers } from "./peers/install.js";
import type { Peer } from "./peers/peer.js";
import { floorDecrypt, floorEncrypt } from "./shared/floor.js";
import { benchKeyStore } from "./shared/key-store.js";
import {
  byScale,
  bytesShown,
  GiB,
  interleaved,
  median,
  MiB,
  perSecond,
  speedRatios,
  spread,
} from "./shared/measure.js";
import { bytesStream, collected, discard, plaintextSource } from "./shared/streams.js";
import { atLeast, type Row, type Scale, type Subject } from "./shared/subject.js";

const recordingId = "recording-1";

interface Contest {
  readonly peer: () => Promise<Peer>;
  /** How many times as fast as the peer we promise to be; nothing is promised without. */
  readonly limit?: number;
  /** Seconds for a GiB, roughly: slow peers run less often. */
  readonly slow: boolean;
  /** Of the chunks that come in, bytes; 1 MiB unless given. */
  readonly chunkSize?: number;
  /** Plaintext of our segments, bytes; the default unless given. */
  readonly segmentSize?: number;
  /** Whether the cipher alone is shown too: what nothing on node:crypto can beat. */
  readonly ceiling?: boolean;
}

/** As sockets and Node's file streams give them, and our segments by default. */
const smallChunks = 65_536;

const contests: readonly Contest[] = [
  { peer: async () => (await import("./peers/aws-encryption-sdk.js")).awsDefault(), limit: 8, slow: true },
  {
    peer: async () => (await import("./peers/aws-encryption-sdk.js")).awsFastest(smallChunks),
    limit: 1,
    slow: false,
    chunkSize: smallChunks,
    ceiling: true,
  },
  {
    peer: async () => (await import("./peers/aws-encryption-sdk.js")).awsFastest(MiB),
    limit: 1,
    slow: false,
    segmentSize: MiB,
    ceiling: true,
  },
  { peer: async () => (await import("./peers/sodium.js")).sodiumNative(), limit: 1, slow: false },
  { peer: async () => (await import("./peers/libsodium.js")).libsodiumWrappers(), slow: true },
  { peer: async () => (await import("./peers/age.js")).age(), slow: true },
];

async function ours(chunkSize: number, segmentSize?: number): Promise<Peer> {
  const { keyStore } = await benchKeyStore();
  const options = { recordingId, ...(segmentSize ? { segmentSize } : {}) };
  const encrypted = async (bytes: number) =>
    (await keyStore.encryptRecording(plaintextSource(bytes, chunkSize), options)).body;
  return {
    name: "recording-keystore",
    encrypt: async (bytes) => pipeline(await encrypted(bytes), discard()),
    decryption: async (bytes) => {
      const body = await collected(await encrypted(bytes));
      return async () =>
        pipeline((await keyStore.decryptRecording(bytesStream(body, chunkSize), { recordingId })).body, discard());
    },
  };
}

async function against(
  peer: Peer,
  { limit, slow, chunkSize = MiB, segmentSize, ceiling = false }: Contest,
  scale: Scale,
): Promise<Row[]> {
  const size = byScale(scale, { quick: MiB, default: GiB, full: GiB });
  const rounds = byScale(scale, { quick: 1, default: slow ? 3 : 7, full: slow ? 7 : 15 });
  const own = await ours(chunkSize, segmentSize);
  const took = await interleaved(rounds, {
    ownEncrypt: () => own.encrypt(size),
    encrypt: () => peer.encrypt(size),
    ownDecrypt: await own.decryption(size),
    decrypt: await peer.decryption(size),
    bareEncrypt: () => floorEncrypt(size),
    bareDecrypt: floorDecrypt(size),
  });
  const speed = (seconds: number[]) => `${spread(perSecond(size / 1e9, seconds))} GB/s`;
  const row = (way: "encrypt" | "decrypt", ownTimes: number[]): Row => {
    const ratios = speedRatios(ownTimes, took[way]);
    return {
      what: `${way} ${bytesShown(size)} in chunks of ${bytesShown(chunkSize)}: ${peer.name}`,
      figure: speed(took[way]),
      against: `recording-keystore is ${spread(ratios)} times as fast, ${speed(ownTimes)}`,
      ...(limit ? { promise: atLeast(median(ratios), limit) } : {}),
    };
  };
  const bare = (way: "encrypt" | "decrypt", times: number[]): Row[] => {
    if (!ceiling) return [];
    return [
      {
        what: `${way} ${bytesShown(size)}: bare node:crypto, no streams`,
        figure: speed(times),
        against: `${spread(speedRatios(times, took[way]))} times as fast as that peer: nothing on node:crypto can be more`,
      },
    ];
  };
  return [
    row("encrypt", took.ownEncrypt),
    ...bare("encrypt", took.bareEncrypt),
    row("decrypt", took.ownDecrypt),
    ...bare("decrypt", took.bareDecrypt),
  ];
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
    "One recording, streamed from memory to discard on one core, by us and by one peer in turn. The AWS Encryption SDK's fastest settings are no signature, a raw RSA keyring and cached materials; our segments are as long as its frames. libsodium gets a loop over messages of 64 KiB without any streams. At those settings the SDK runs at nearly the speed of the cipher, like we do: what bare node:crypto, a context for each 64 KiB, is beside it shows how much is left.",
  run,
};
