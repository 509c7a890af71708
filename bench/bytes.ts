/* Bytes to bytes, beside one call of node:crypto's cipher over all of them. */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import "./shared/worker-code.js";
import { benchKeyStore } from "./shared/key-store.js";
import {
  byScale,
  bytesShown,
  GiB,
  interleaved,
  median,
  MiB,
  perSecond,
  repeated,
  speedRatios,
  spread,
} from "./shared/measure.js";
import { plaintext } from "./shared/streams.js";
import { atLeast, type Row, type Scale, type Subject } from "./shared/subject.js";

const recordingId = "recording-1";
const algorithm = "aes-256-gcm";
/** So often in a row, so that each way pays for its own garbage: 64 MiB of another's cost a fifth of a run to give back. */
const inARow = 5;

/** Recordings long enough for a second thread: by the calling thread alone, and by two. */
async function overThreads(scale: Scale): Promise<Row[]> {
  const size = byScale(scale, { quick: 8 * MiB, default: GiB, full: GiB });
  const rounds = byScale(scale, { quick: 1, default: 7, full: 21 });
  const { keyStore } = await benchKeyStore();
  const audio = plaintext(size);
  const { body } = await keyStore.encryptRecording(audio, { recordingId });
  const took = await interleaved(rounds, {
    encryptAlone: () => keyStore.encryptRecording(audio, { recordingId, threads: 1 }),
    encryptByTwo: () => keyStore.encryptRecording(audio, { recordingId, threads: 2 }),
    decryptAlone: () => keyStore.decryptRecording(body, { recordingId, threads: 1 }),
    decryptByTwo: () => keyStore.decryptRecording(body, { recordingId, threads: 2 }),
  });
  await keyStore.close();
  const speed = (seconds: number[]) => `${spread(perSecond(size / 1e9, seconds))} GB/s`;
  const row = (name: "encrypt" | "decrypt", alone: number[], byTwo: number[]): Row => {
    const ratios = speedRatios(byTwo, alone);
    return {
      what: `${name} ${bytesShown(size)}, 2 threads`,
      figure: speed(byTwo),
      against: `${spread(ratios)} of the calling thread alone, ${speed(alone)}`,
      promise: atLeast(median(ratios), 1.25),
    };
  };
  return [row("encrypt", took.encryptAlone, took.encryptByTwo), row("decrypt", took.decryptAlone, took.decryptByTwo)];
}

async function run(scale: Scale): Promise<Row[]> {
  return [...(await besideOneShot(scale)), ...(await overThreads(scale))];
}

async function besideOneShot(scale: Scale): Promise<Row[]> {
  const size = byScale(scale, { quick: MiB, default: 64 * MiB, full: 64 * MiB });
  const rounds = byScale(scale, { quick: 1, default: 7, full: 21 });
  const { keyStore } = await benchKeyStore();
  const audio = plaintext(size);
  const { body } = await keyStore.encryptRecording(audio, { recordingId });
  const [key, iv] = [createSecretKey(randomBytes(32)), randomBytes(12)];
  const once = createCipheriv(algorithm, key, iv, { authTagLength: 16 });
  const [ciphertext, tag] = [Buffer.concat([once.update(audio), once.final()]), once.getAuthTag()];
  const took = await interleaved(rounds, {
    cipher: repeated(inARow, () => {
      const cipher = createCipheriv(algorithm, key, randomBytes(12), { authTagLength: 16 });
      return [cipher.update(audio), cipher.final(), cipher.getAuthTag()];
    }),
    encrypt: repeated(inARow, () => keyStore.encryptRecording(audio, { recordingId })),
    decipher: repeated(inARow, () => {
      const decipher = createDecipheriv(algorithm, key, iv, { authTagLength: 16 }).setAuthTag(tag);
      return [decipher.update(ciphertext), decipher.final()];
    }),
    decrypt: repeated(inARow, () => keyStore.decryptRecording(body, { recordingId })),
  });
  await keyStore.close();
  const row = (name: "encrypt" | "decrypt", oneShot: number[]): Row => {
    const ratios = speedRatios(took[name], oneShot);
    const speed = (seconds: number[]) => `${spread(perSecond((inARow * size) / 1e9, seconds))} GB/s`;
    return {
      what: `${name} ${bytesShown(size)}`,
      figure: speed(took[name]),
      against: `${spread(ratios)} of a one-shot cipher, ${speed(oneShot)}`,
      promise: atLeast(median(ratios), 1),
    };
  };
  return [row("encrypt", took.cipher), row("decrypt", took.decipher)];
}

export const bytes: Subject = {
  title: "Bytes, memory to memory",
  about:
    "A `Uint8Array` in, a `Uint8Array` out, by the calling thread as against one context of node:crypto and one `update` over the whole, and by `threads: 2`, whose start is counted. What a cipher gives is memory of its own each time: it is copied to its place and given back at once, while the one call of the whole has to have as much memory as the recording is long from the kernel.",
  run,
};
