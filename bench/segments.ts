/* What the length of segments costs and gives: long streams, whole recordings in memory, and short reads anywhere. */
import { randomInt } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { bytesSource } from "../src/index.js";
import { benchKeyStore } from "./shared/key-store.js";
import { byScale, bytesShown, interleaved, KiB, median, MiB, perSecond, spread } from "./shared/measure.js";
import { discard, plaintext, plaintextSource } from "./shared/streams.js";
import type { Row, Scale, Subject } from "./shared/subject.js";

const recordingId = "recording-1";
const lengths = [16 * KiB, 64 * KiB, 256 * KiB, MiB];
const readLength = 16 * KiB;

async function run(scale: Scale): Promise<Row[]> {
  const size = byScale(scale, { quick: 4 * MiB, default: 256 * MiB, full: 256 * MiB });
  const reads = byScale(scale, { quick: 20, default: 1_000, full: 5_000 });
  const rounds = byScale(scale, { quick: 1, default: 5, full: 15 });
  const { keyStore } = await benchKeyStore();
  const audio = plaintext(size);
  const tasks: Record<string, () => Promise<void>> = {};
  for (const segmentSize of lengths) {
    const { body } = await keyStore.encryptRecording(audio, { recordingId, segmentSize });
    const reader = await keyStore.openRecording(bytesSource(body), { recordingId });
    tasks[`stream ${segmentSize}`] = async () =>
      pipeline((await keyStore.encryptRecording(plaintextSource(size), { recordingId, segmentSize })).body, discard());
    tasks[`memory ${segmentSize}`] = async () => {
      await keyStore.encryptRecording(audio, { recordingId, segmentSize });
    };
    tasks[`reads ${segmentSize}`] = async () => {
      for (let read = 0; read < reads; read += 1) await reader.read(randomInt(size - readLength), readLength);
    };
  }
  const took = await interleaved(rounds, tasks);
  await keyStore.close();
  const times = (what: string, segmentSize: number) => took[`${what} ${segmentSize}`] ?? [];
  const speed = (what: string, segmentSize: number) => spread(perSecond(size / 1e9, times(what, segmentSize)));
  return lengths.map((segmentSize) => ({
    what: `segments of ${bytesShown(segmentSize)}`,
    figure: `streams ${speed("stream", segmentSize)} GB/s, memory ${speed("memory", segmentSize)} GB/s`,
    against: `${Math.round(median(perSecond(reads, times("reads", segmentSize)))).toLocaleString("en-US")} reads of ${bytesShown(readLength)} per second, each of which fetches and opens up to ${bytesShown(2 * segmentSize)}`,
  }));
}

export const segments: Subject = {
  title: "Length of segments",
  about:
    "One recording encrypted in segments of each length, streamed and in memory, and reads of 16 KiB at offsets by chance through one open reader in memory. 64 KiB is the default: longer segments gain some speed, and cost every seek in a player what must be fetched and opened around it.",
  run,
};
