/*
 * From file to file, by the calling thread and by two threads, on a file system in memory: the disk is not the subject.
 */
import { closeSync, createReadStream, createWriteStream, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { pipeline } from "node:stream/promises";
import "./shared/worker-code.js";
import { memoryFolder } from "./shared/folder.js";
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
import { chunk } from "./shared/streams.js";
import { atLeast, type Row, type Scale, type Subject } from "./shared/subject.js";

const recordingId = "recording-1";
const ways = ["one", "two"] as const;

async function run(scale: Scale): Promise<Row[]> {
  const size = byScale(scale, { quick: 64 * MiB, default: GiB, full: 4 * GiB });
  const rounds = byScale(scale, { quick: 1, default: 5, full: 9 });
  const folder = mkdtempSync(join(memoryFolder(4 * size), "recording-keystore-bench-"));
  try {
    return await rowsOf(size, rounds, (name) => join(folder, name));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function rowsOf(size: number, rounds: number, path: (name: string) => string): Promise<Row[]> {
  const { keyStore } = await benchKeyStore();
  writeChunks(path("plain"), size);
  const delays = new Map<string, number[]>();
  /** Seconds of all cores for each second that passed. */
  const cores = new Map<string, number[]>();
  const byFile = (direction: "encrypt" | "decrypt", threads: number) => async () => {
    const options = { recordingId, threads, overwrite: true };
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const [before, start] = [process.cpuUsage(), performance.now()];
    delay.enable();
    if (direction === "encrypt") await keyStore.encryptFile(path("plain"), path("encrypted"), options);
    else await keyStore.decryptFile(path("encrypted"), path("again"), options);
    delay.disable();
    const { user, system } = process.cpuUsage(before);
    const name = `${direction} ${threads}`;
    cores.set(name, [...(cores.get(name) ?? []), (user + system) / 1e3 / (performance.now() - start)]);
    delays.set(name, [...(delays.get(name) ?? []), delay.percentile(99) / 1e6 - 1]);
  };
  await byFile("encrypt", 1)();
  const highWaterMark = MiB;
  const took = await interleaved(rounds, {
    "encrypt one": byFile("encrypt", 1),
    "encrypt two": byFile("encrypt", 2),
    "encrypt streams": async () => {
      const { body } = await keyStore.encryptRecording(createReadStream(path("plain"), { highWaterMark }), {
        recordingId,
      });
      await pipeline(body, createWriteStream(path("streamed"), { highWaterMark }));
    },
    "decrypt one": byFile("decrypt", 1),
    "decrypt two": byFile("decrypt", 2),
    "decrypt streams": async () => {
      const { body } = await keyStore.decryptRecording(createReadStream(path("encrypted"), { highWaterMark }), {
        recordingId,
      });
      await pipeline(body, createWriteStream(path("streamed"), { highWaterMark }));
    },
  });
  await keyStore.close();
  return (["encrypt", "decrypt"] as const).flatMap((direction) => {
    const streams = took[`${direction} streams`];
    return ways.map((way): Row => {
      const times = took[`${direction} ${way}`];
      const ofRounds = (values: Map<string, number[]>) =>
        spread(values.get(`${direction} ${way === "one" ? 1 : 2}`)?.slice(1) ?? [], 1);
      const speed = `${spread(perSecond(size / 1e9, times))} GB/s, p99 of the event loop's delay ${ofRounds(delays)} ms, ${ofRounds(cores)} cores busy`;
      const beside = `${spread(speedRatios(times, streams))} of the file streams of Node`;
      if (way === "one")
        return { what: `${direction}File, ${bytesShown(size)}, the calling thread`, figure: speed, against: beside };
      const ratios = speedRatios(times, took[`${direction} one`]);
      return {
        what: `${direction}File, ${bytesShown(size)}, 2 threads`,
        figure: speed,
        against: `${spread(ratios)} of the calling thread, ${beside}`,
        promise: atLeast(median(ratios), 1.7),
      };
    });
  });
}

function writeChunks(path: string, size: number): void {
  const file = openSync(path, "w");
  for (let offset = 0; offset < size; offset += chunk.length) writeSync(file, chunk);
  closeSync(file);
}

export const files: Subject = {
  title: "File to file",
  about:
    "`encryptFile` and `decryptFile` on a file system in memory, with `threads: 1` (the calling thread; the file system's calls overlap with it on Node's own threads) and with `threads: 2`, beside the same through `createReadStream` and `createWriteStream`. The calling thread gives the outputs of its ciphers back at once, and with the file system's threads beside it keeps about one and a half cores busy: on two, threads have little left to win, and none are started unasked.",
  run,
};
