/* 64 KiB anywhere in a long recording: reads per second, and what each fetches. */
import { randomBytes, randomInt } from "node:crypto";
import { mkdtemp, open, rm, writeFile, type FileHandle } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { encryptBody } from "../src/recording/bodies.js";
import { encodeHeader } from "../src/recording/header.js";
import { bytesSource, type RandomAccessSource } from "../src/recording/random-access-source.js";
import { SegmentReader } from "../src/recording/recording-reader.js";
import { defaultSegmentLength as segmentLength } from "../src/recording/sizes.js";
import { floorDecrypt } from "./shared/floor.js";
import { byScale, bytesShown, GiB, interleaved, KiB, MiB, perSecond, speedRatios, spread } from "./shared/measure.js";
import { plaintext } from "./shared/streams.js";
import { counted, type Row, type Scale, type Subject } from "./shared/subject.js";

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

function fileSource(handle: FileHandle, size: number): RandomAccessSource {
  return {
    size,
    read: async (offset, length) => {
      const bytes = Buffer.allocUnsafeSlow(length);
      const { bytesRead } = await handle.read(bytes, 0, length, offset);
      return bytes.subarray(0, bytesRead);
    },
  };
}

async function encryptedOf(size: number): Promise<{ body: Uint8Array; openReader: (source: RandomAccessSource) => Promise<SegmentReader> }> {
  const dataKey = randomBytes(32);
  const recipients = [{ birthRecord: randomBytes(300), wrappedDataKey: randomBytes(80) }];
  const header = encodeHeader({ organizationId: "org-1", recordingId: "recording-1", asset: "main", recipients, segmentLength, confirmation: "confirmed" });
  const { body } = await encryptBody(plaintext(size), { header, dataKey: Buffer.from(dataKey), segmentLength });
  const lease = { dataKey: async () => Buffer.from(dataKey), valid: () => true, onEnd: () => undefined, release: () => undefined };
  return { body, openReader: (source) => SegmentReader.open(source, { checkNames: () => undefined, open: async () => ({ lease, keyPairId: "" }) }) };
}

async function inFolder(body: Uint8Array, task: (handle: FileHandle) => Promise<Row[]>): Promise<Row[]> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "recording-keystore-bench-"));
  try {
    const file = path.join(folder, "recording");
    await writeFile(file, body);
    const handle = await open(file, "r");
    try {
      return await task(handle);
    } finally {
      await handle.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(scale: Scale): Promise<Row[]> {
  const size = byScale(scale, { quick: 4 * MiB, default: GiB, full: GiB });
  const reads = byScale(scale, { quick: 50, default: 2_000, full: 10_000 });
  const rounds = byScale(scale, { quick: 1, default: 7, full: 15 });
  const { body, openReader } = await encryptedOf(size);
  return inFolder(body, async (handle) => {
    const places = { memory: new CountingSource(bytesSource(body)), file: new CountingSource(fileSource(handle, body.length)) };
    const readers = { memory: await openReader(places.memory), file: await openReader(places.file) };
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
        for (let read = 0; read < reads; read += 1) await handle.read(Buffer.allocUnsafeSlow(readLength), 0, readLength, somewhere());
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
      { what: `segments fetched by each of ${segments.length.toLocaleString("en-US")} reads`, figure: `${most} at most, ${mean.toFixed(2)} on average`, promise: counted("≤ 2", most <= 2) },
    ];
  });
}

export const randomAccess: Subject = {
  title: "Random access",
  about: "One open reader, offsets by chance, one read after the other; nearly every 64 KiB lie in two segments. The file is in the operating system's cache.",
  run,
};
