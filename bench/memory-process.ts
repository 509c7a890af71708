/*
 * memory-process.ts WAY BYTES ENDPOINT FOLDER: streams so many bytes through one way and reports its peak of resident
 * memory. WAY is `encrypt`, `decrypt`, `bare`, which is the cipher alone in a stream, or `send`, which encrypts to standard
 * output. The KMS is another process's.
 */
import { spawn } from "node:child_process";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { floorPieces } from "./shared/floor.js";
import { clientOf, fileStoreIn, keyStoreOn } from "./shared/key-store.js";
import { MiB } from "./shared/measure.js";
import { plaintextSource } from "./shared/streams.js";

const [way, bytes = "", endpoint = "", folder = ""] = process.argv.slice(2);
const recordingId = "recording-1";
const keyStore = keyStoreOn(clientOf(endpoint), { store: fileStoreIn(folder) });

// Sampled: the kernel's own maximum begins with that of the process which started this one.
let peak = 0;
const sample = () => {
  peak = Math.max(peak, process.memoryUsage.rss());
};
let unseen = 0;
const sampling = new Writable({
  write(piece: Buffer, _encoding, callback) {
    unseen += piece.length;
    if (unseen >= MiB) {
      unseen = 0;
      sample();
    }
    callback();
  },
});

async function encrypted() {
  return (await keyStore.encryptRecording(plaintextSource(Number(bytes)), { recordingId })).body;
}

async function decrypted() {
  const sender = spawn(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), "send", bytes, endpoint, folder],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  return (await keyStore.decryptRecording(sender.stdout, { recordingId })).body;
}

/** What Node itself takes for a stream of buffers that ciphers have made. */
async function* bare(): AsyncGenerator {
  for await (const chunk of plaintextSource(Number(bytes))) yield* floorPieces(chunk as Buffer);
}

const made = { encrypt: encrypted, decrypt: decrypted, bare: async () => Readable.from(bare(), { objectMode: false }) };

if (way === "send") await pipeline(await encrypted(), process.stdout);
else {
  const timer = setInterval(sample, 2);
  await pipeline(await made[way as keyof typeof made](), sampling);
  clearInterval(timer);
  sample();
  process.send?.(peak);
}
await keyStore.close();
