/* 64 KiB anywhere in a long recording: reads per second, and what each fetches. */
import { randomInt } from "node:crypto";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { bytesSource, type RandomAccessSource } from "../src/index.js";
import { fileSource } from "../src/sources/index.js";
import { floorDecrypt } from "./shared/floor.js";
import { benchKeyStore } from "./shared/key-store.js";
import { byScale, bytesShown, GiB, interleaved, KiB, MiB, perSecond, speedRatios, spread } from "./shared/measure.js";
import { plaintext } from "./shared/streams.js";
import { counted, type Row, type Scale, type Subject } from "./shared/subject.js";
import { defaultSegmentLength as segmentLength } from "../src/format/segments.js";

const recordingId = "recording-1";
const readLength = 64 * KiB;

/** Counts what is fetched from a source, in segments begun. */
class CountingSource implements RandomAccessSource {
  readonly size: number;
  readonly #source: RandomAccessSource;
  /** Of the read under way, bytes. */
  fetched = 0;

  constructor(source: RandomAccessSource) {
    this.#source = source;
    this.size = source.size;
  }

  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    this.fetched += length;
    return this.#source.read(offset, length, signal);
  }
}

/** The recording as a file, for as long as the task takes. */
async function inFile(body: Uint8Array, task: (file: string) => Promise<Row[]>): Promise<Row[]> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "recording-keystore-bench-"));
  try {
    const file = path.join(folder, "recording");
    await writeFile(file, body);
    return await task(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(scale: Scale): Promise<Row[]> {
  const size = byScale(scale, { quick: 4 * MiB, default: GiB, full: GiB });
  const reads = byScale(scale, { quick: 50, default: 2_000, full: 10_000 });
  const rounds = byScale(scale, { quick: 1, default: 7, full: 15 });
  const { keyStore } = await benchKeyStore();
  const { body } = await keyStore.encryptRecording(plaintext(size), { recordingId });
  return inFile(body, async (file) => {
    const [source, handle] = [await fileSource(file), await open(file)];
    const places = { memory: new CountingSource(bytesSource(body)), file: new CountingSource(source) };
    const readers = {
      memory: await keyStore.openRecording(places.memory, { recordingId }),
      file: await keyStore.openRecording(places.file, { recordingId }),
    };
    const segments: number[] = [];
    const somewhere = () => randomInt(size - readLength + 1);
    const readAround = (place: keyof typeof places) => async () => {
      for (let read = 0; read < reads; read += 1) {
        places[place].fetched = 0;
        await readers[place].read(somewhere(), readLength);
        segments.push(Math.ceil(places[place].fetched / segmentLength));
      }
    };
    const took = await interleaved(rounds, {
      memory: readAround("memory"),
      cipher: floorDecrypt(reads * 2 * readLength),
      file: readAround("file"),
      plain: async () => {
        for (let read = 0; read < reads; read += 1)
          await handle.read(Buffer.allocUnsafeSlow(readLength), 0, readLength, somewhere());
      },
    });
    for (const reader of Object.values(readers)) await reader.close();
    const most = segments.reduce((a, b) => Math.max(a, b), 0);
    const mean = segments.reduce((a, b) => a + b, 0) / segments.length;
    const rate = (seconds: number[]) => spread(perSecond(reads, seconds), 0);
    return [
      {
        what: `64 KiB anywhere in ${bytesShown(size)} in memory`,
        figure: `${rate(took.memory)} reads per second`,
        against: `${spread(speedRatios(took.memory, took.cipher))} of bare node:crypto opening two segments for each`,
      },
      {
        what: `64 KiB anywhere in a file of ${bytesShown(size)}`,
        figure: `${rate(took.file)} reads per second`,
        against: `${spread(speedRatios(took.file, took.plain))} of reading 64 KiB of a file that is not encrypted`,
      },
      {
        what: `segments fetched by each of ${segments.length.toLocaleString("en-US")} reads`,
        figure: `${most} at most, ${mean.toFixed(2)} on average`,
        promise: counted("≤ 2", most <= 2),
      },
    ];
  });
}

export const randomAccess: Subject = {
  title: "Random access",
  about:
    "One open reader, offsets by chance, one read after the other; nearly every 64 KiB lie in two segments. The file is in the operating system's cache.",
  run,
};
