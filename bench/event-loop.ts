/* How long everything else in the process waits while many recordings are under way at once. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { benchKeyStore } from "./shared/key-store.js";
import { byScale, bytesShown, median, MiB, seconds, spread } from "./shared/measure.js";
import { bytesStream, discard, plaintext, plaintextSource } from "./shared/streams.js";
import type { Row, Scale, Subject } from "./shared/subject.js";

const recordingId = "recording-1";
/** Of the histogram's own timer, milliseconds: it is part of what it records. */
const resolution = 1;

interface Delay {
  readonly p99: number;
  readonly max: number;
  readonly speed: number;
}

/** Hands chunks on as a socket or a file does: each in a turn of the event loop of its own, and none of them copied. */
function arriving(bytes: Uint8Array): Readable {
  let offset = 0;
  return new Readable({
    read() {
      setImmediate(() => {
        const next = bytes.subarray(offset, offset + MiB);
        offset += next.length;
        this.push(next.length > 0 ? next : null);
      });
    },
  });
}

async function delayOf(bytes: number, task: () => Promise<unknown>): Promise<Delay> {
  const histogram = monitorEventLoopDelay({ resolution });
  histogram.enable();
  // Its first interval is not recorded: what kept the loop from the start on would not be seen.
  await new Promise((resolve) => setTimeout(resolve, 10));
  const time = await seconds(task);
  // What kept the loop until the end is recorded in its next turns.
  await new Promise((resolve) => setTimeout(resolve, 10));
  histogram.disable();
  const milliseconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution);
  return { p99: milliseconds(histogram.percentile(99)), max: milliseconds(histogram.max), speed: bytes / 1e9 / time };
}

async function run(scale: Scale): Promise<Row[]> {
  const streams = byScale(scale, { quick: 10, default: 100, full: 100 });
  const size = byScale(scale, { quick: MiB, default: 16 * MiB, full: 64 * MiB });
  const rounds = byScale(scale, { quick: 1, default: 5, full: 9 });
  const { keyStore } = await benchKeyStore();
  const audio = plaintext(size);
  const { body } = await keyStore.encryptRecording(audio, { recordingId });
  const all = (one: () => Promise<unknown>) => () => Promise.all(Array.from({ length: streams }, one));
  const encrypt = async (source: Readable) =>
    pipeline((await keyStore.encryptRecording(source, { recordingId })).body, discard());
  const decrypt = async (source: Readable) =>
    pipeline((await keyStore.decryptRecording(source, { recordingId })).body, discard());
  const tasks: Record<string, () => Promise<unknown>> = {
    "encrypt, sources that arrive": all(() => encrypt(arriving(audio))),
    "decrypt, sources that arrive": all(() => decrypt(arriving(body))),
    "encrypt, sources in memory": all(() => encrypt(plaintextSource(size))),
    "decrypt, sources in memory": all(() => decrypt(bytesStream(body))),
  };
  const delays = new Map<string, Delay[]>(Object.keys(tasks).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, task] of Object.entries(tasks)) {
      const delay = await delayOf(streams * size, task);
      if (round > 0) delays.get(name)?.push(delay);
    }
  }
  await keyStore.close();
  return [...delays].map(([name, seen]) => ({
    what: `${streams} × ${bytesShown(size)} at once, ${name}`,
    figure: `p99 ${spread(
      seen.map(({ p99 }) => p99),
      1,
    )} ms, longest ${spread(
      seen.map(({ max }) => max),
      1,
    )} ms`,
    against: `${median(seen.map(({ speed }) => speed)).toFixed(2)} GB/s in all`,
  }));
}

export const eventLoop: Subject = {
  title: "Event loop delay",
  about:
    "By `perf_hooks.monitorEventLoopDelay`, less its own interval of 1 ms, while streams of chunks of 1 MiB run at once on one core: chunks that each arrive in a turn of the event loop, as from files and sockets, and chunks that are all in memory already.",
  run,
};
