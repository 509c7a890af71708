import { createCipheriv } from "node:crypto";
import { createWriteStream, openSync, writeSync } from "node:fs";
import { Readable, Writable } from "node:stream";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { open } from "./in-folder.js";

/*
 * What the processes of `live-recording-processes.test.ts` do: record for ever, until they are killed. After each chunk
 * they say how many bytes they have handed over, and how many of those are still on their way to the file.
 */

/** The same endless sound in every process: one call after the other gives its next bytes. */
export function sound(): (length: number) => Buffer {
  const noise = createCipheriv("aes-256-ctr", Buffer.alloc(32, 1), Buffer.alloc(16));
  return (length) => noise.update(Buffer.alloc(length));
}

/** With chunks of any length up to this there are about three to a segment. */
export const longestChunk = (segmentSize: number) => Math.floor(0.6 * segmentSize);
export const shapes = ["readable", "readable to a slow disk", "async iterable"] as const;

const [shape, directory = "", file = "", segmentSize = ""] = process.argv.slice(2);
// Synchronous: what the parent reads was so before the kill.
const say = (handedOver: number, onItsWay: number): void => void writeSync(1, `${handedOver} ${onItsWay}\n`);
const options = { recordingId: "r", segmentSize: Number(segmentSize) };
const chunkLength = () => Math.ceil(Math.random() * longestChunk(options.segmentSize));
const nextChunkIsThere = () => sleep(Math.random() * 2);

async function recordReadable(writer: Writable): Promise<void> {
  const next = sound();
  const source = new Readable({ read: () => undefined });
  const { body } = await open(directory).encryptRecording(source, options);
  body.pipe(writer);
  for (let handedOver = 0; ;) {
    await nextChunkIsThere();
    const chunk = next(chunkLength());
    source.push(chunk);
    handedOver += chunk.length;
    await turn();
    say(handedOver, source.readableLength + body.readableLength + writer.writableLength);
  }
}

async function recordIterable(): Promise<void> {
  const next = sound();
  async function* live() {
    for (let handedOver = 0; ;) {
      await nextChunkIsThere();
      const chunk = next(chunkLength());
      yield chunk;
      // Asked for more: the reader below has written whatever came of the chunks before, and waits.
      handedOver += chunk.length;
      say(handedOver, 0);
    }
  }
  const { body } = await open(directory).encryptRecording(live(), options);
  const descriptor = openSync(file, "w");
  for await (const piece of body) writeSync(descriptor, piece);
}

function slowDisk(): Writable {
  const descriptor = openSync(file, "w");
  return new Writable({
    write(chunk: Buffer, _encoding, callback) {
      setTimeout(() => {
        writeSync(descriptor, chunk);
        callback();
      }, Math.random() * 4);
    },
  });
}

if (shape === "readable") void recordReadable(createWriteStream(file));
else if (shape === "readable to a slow disk") void recordReadable(slowDisk());
else if (shape === "async iterable") void recordIterable();
