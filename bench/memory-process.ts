/*
 * memory-process.ts WAY BYTES ENDPOINT FOLDER: streams so many bytes through one way and reports its peak of resident
 * memory. WAY is `encrypt`, `decrypt`, or `send`, which encrypts to standard output. The KMS is another process's.
 */
import { spawn } from "node:child_process";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { FileKeyPairStore } from "../src/stores/file.js";
import { clientOf, keyStoreOn } from "./shared/key-store.js";
import { MiB } from "./shared/measure.js";
import { plaintextSource } from "./shared/streams.js";

const [way, bytes = "", endpoint = "", folder = ""] = process.argv.slice(2);
const recordingId = "recording-1";
const keyStore = keyStoreOn(clientOf(endpoint), { store: new FileKeyPairStore({ directory: folder }) });

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
  const sender = spawn(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), "send", bytes, endpoint, folder], { stdio: ["ignore", "pipe", "inherit"] });
  return (await keyStore.decryptRecording(sender.stdout, { recordingId })).body;
}

if (way === "send") await pipeline(await encrypted(), process.stdout);
else {
  const timer = setInterval(sample, 2);
  await pipeline(way === "encrypt" ? await encrypted() : await decrypted(), sampling);
  clearInterval(timer);
  sample();
  process.send?.(peak);
}
await keyStore.close();
