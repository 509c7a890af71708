/* Streams of every size, memory to discard, beside bare node:crypto at the same segment length. */
import { pipeline } from "node:stream/promises";
import { benchKeyStore } from "./shared/key-store.js";
import { floorDecrypt, floorEncrypt } from "./shared/floor.js";
import {
  byScale,
  bytesShown,
  GiB,
  interleaved,
  KiB,
  median,
  MiB,
  perSecond,
  repeated,
  speedRatios,
  spread,
} from "./shared/measure.js";
import { bytesStream, discard, plaintext, plaintextSource } from "./shared/streams.js";
import { atLeast, type Row, type Scale, type Subject } from "./shared/subject.js";

const recordingId = "recording-1";
/** Bytes that one measurement of a small size adds up to, and how many recordings it is at most. */
const enough = { bytes: 64 * MiB, recordings: 2_000 };

async function ofSize(size: number, rounds: number, promised: boolean): Promise<Row[]> {
  const { keyStore } = await benchKeyStore();
  const encrypted = (await keyStore.encryptRecording(plaintext(size), { recordingId })).body;
  const times = Math.max(1, Math.min(enough.recordings, Math.floor(enough.bytes / size)));
  const took = await interleaved(rounds, {
    floorEncrypt: repeated(times, () => floorEncrypt(size)),
    encrypt: repeated(times, async () =>
      pipeline((await keyStore.encryptRecording(plaintextSource(size), { recordingId })).body, discard()),
    ),
    floorDecrypt: repeated(times, floorDecrypt(size)),
    decrypt: repeated(times, async () =>
      pipeline((await keyStore.decryptRecording(bytesStream(encrypted), { recordingId })).body, discard()),
    ),
  });
  await keyStore.close();
  const row = (name: "encrypt" | "decrypt", floor: number[]): Row => {
    const ratios = speedRatios(took[name], floor);
    // Of small ones the number counts, of long ones the bytes.
    const long = size >= MiB;
    const speed = (seconds: number[]) =>
      long
        ? `${spread(perSecond((times * size) / 1e9, seconds))} GB/s`
        : `${spread(perSecond(times, seconds), 0)} per second`;
    return {
      what: `${name} ${bytesShown(size)}`,
      figure: speed(took[name]),
      against: `${spread(ratios, long ? 2 : 3)} of bare node:crypto, ${speed(floor)}`,
      ...(promised ? { promise: atLeast(median(ratios), 0.85) } : {}),
    };
  };
  return [row("encrypt", took.floorEncrypt), row("decrypt", took.floorDecrypt)];
}

async function run(scale: Scale): Promise<Row[]> {
  const all = [KiB, 64 * KiB, MiB, 64 * MiB, GiB];
  const sizes = byScale(scale, { quick: [KiB, 4 * MiB], default: all, full: all });
  const rounds = byScale(scale, { quick: 1, default: 7, full: 21 });
  const rows: Row[] = [];
  // The promise is about long streams: short ones pay for their key.
  for (const size of sizes) rows.push(...(await ofSize(size, rounds, size === sizes.at(-1))));
  return rows;
}

export const streamed: Subject = {
  title: "Streams, memory to discard",
  about:
    "A Node stream of chunks of 1 MiB through `encryptRecording` or `decryptRecording` on one core, as against nothing but the cipher: a context, AAD, IV and tag for each segment of 64 KiB, without streams. A small recording's time is that of its own data key, wrapped or unwrapped by X25519.",
  run,
};
