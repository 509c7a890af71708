import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { finished, pipeline } from "node:stream/promises";
import type { Readable } from "node:stream";
import { OutputFile } from "../recording/files/output-file.js";
import { UsageError, type CommandIo } from "./io.js";

/** Standard input and standard output, where the name of a file is expected. */
export const isStandard = (path: string) => path === "-";

/** A text file, or standard input. @throws UsageError */
export async function readText(path: string, { input }: CommandIo): Promise<string> {
  if (isStandard(path)) return Buffer.concat(await input.toArray()).toString("utf8");
  return readFile(path, "utf8").catch((error: unknown) => {
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  });
}

/** A JSON object of a file. @throws UsageError */
export async function readJson(option: string, path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>; // the key store checks what it is
  } catch (error) {
    throw new UsageError(`${option} ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Bytes of a file, or of standard input. */
export const readFrom = (path: string, { input }: CommandIo): Readable =>
  isStandard(path) ? input : createReadStream(path);

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
