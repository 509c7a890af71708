import { open, stat, type FileHandle } from "node:fs/promises";
import { resolve } from "node:path";
import { finished, pipeline } from "node:stream/promises";
import type { Readable } from "node:stream";
import { fileFailure } from "../recording/files/failures.js";
import { OutputFile } from "../recording/files/output-file.js";
import type { CommandIo } from "./io.js";
import { isStandard } from "./named-files.js";

/** Bytes of a file, or of standard input. @throws RecordingKeyStoreError `ERR_FILE_IO` */
export async function readFrom(path: string, { input }: CommandIo): Promise<Readable> {
  if (isStandard(path)) return input;
  let handle: FileHandle | undefined;
  try {
    handle = await open(path); // waits for whoever writes into a pipe
    if ((await handle.stat()).isDirectory()) throw Object.assign(new Error("a folder"), { code: "EISDIR" });
    return handle.createReadStream();
  } catch (error) {
    await handle?.close();
    throw fileFailure(`read ${path}`, error);
  }
}

/** Size of an input in bytes, as far as it is known before it is read. */
export async function sizeOf(path: string): Promise<number | undefined> {
  if (isStandard(path)) return undefined;
  const found = await stat(path).catch(() => undefined); // reading it says why
  return found?.isFile() ? found.size : undefined;
}

interface Target {
  readonly overwrite: boolean;
  /** For its owner alone. */
  readonly secret: boolean;
  /** Size of what it is made of, in bytes, for whoever watches. */
  readonly total?: number | undefined;
}

/** Writes a stream to standard output, or to a file that gets its name once it is whole and on disk. */
export async function writeTo(
  path: string,
  body: Readable,
  { overwrite, secret, total }: Target,
  io: CommandIo,
): Promise<void> {
  const { output, signal } = io;
  // Ctrl-C before anybody reads must not end the process: whoever reads meets the error.
  body.on("error", () => undefined);
  if (isStandard(path)) {
    // A bar on the terminal to which the recording goes would be in its midst.
    const isTerminal = (output as { isTTY?: boolean }).isTTY === true;
    const counted = watched(body, isTerminal ? undefined : io.showProgress, total);
    await pipeline(counted, output, { signal, end: output !== process.stdout });
    return;
  }
  let file: OutputFile | undefined;
  try {
    file = await OutputFile.create(resolve(path), { overwrite, secret });
    let offset = 0;
    for await (const chunk of watched(body, io.showProgress, total)) {
      signal.throwIfAborted();
      await file.write([chunk], offset);
      offset += chunk.length;
    }
    await file.publish();
  } finally {
    body.destroy();
    await finished(body).catch(() => undefined);
    await file?.discard();
  }
}

/** The chunks, of which whoever watches is told. What comes out is about as long as what went in. */
async function* watched(
  body: Readable,
  show: CommandIo["showProgress"],
  total: number | undefined,
): AsyncGenerator<Buffer> {
  let done = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    yield chunk;
    done += chunk.length;
    show?.({ done, total });
  }
}
