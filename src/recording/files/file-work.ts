import { resolve } from "node:path";
import { InvalidInputError } from "../../errors.js";
import type { SegmentLayout } from "../../format/segments.js";
import type { SegmentAccess } from "../segment-keys.js";
import { Scheduler } from "../threads/scheduler.js";
import { Threads, threadsWorth } from "../threads/threads.js";
import { fileJob } from "./file-job.js";
import { InputFile } from "./input-file.js";
import { LocalWorker } from "./local-worker.js";
import { checkTarget, OutputFile } from "./output-file.js";
import { Progress, type FileProgress } from "./progress.js";

/**
 * Two threads gain little over the calling one, beside which the file system works on Node's own threads; more than four
 * wait for memory, not for the cipher.
 */
const unasked = { least: 3, most: 4, callerWorks: false };

export interface FileRequest {
  readonly inputPath: string;
  readonly outputPath: string;
  readonly overwrite: boolean;
  /** 0 for automatic. */
  readonly threads: number;
  readonly onProgress?: ((progress: FileProgress) => unknown) | undefined;
  readonly signal: AbortSignal;
}

/** What is to be made of an open input file. */
export interface FilePlan<T> {
  readonly layout: SegmentLayout;
  /** Written before the segments. */
  readonly preamble: Buffer;
  readonly keys: SegmentAccess;
  /** Wipes the keys. */
  readonly destroy: () => void;
  /** What the caller is told at the end. */
  readonly facts: T;
}

export interface FileWorkTotals {
  readonly inputSize: number;
  readonly outputSize: number;
  readonly threads: number;
}

/**
 * Works from one file to another. The target gets its name once all of it is verified and on disk. Both paths are checked
 * before anything else.
 */
export async function workOnFile<T>(
  request: FileRequest,
  secret: boolean,
  plan: (input: InputFile) => Promise<FilePlan<T>>,
): Promise<T & FileWorkTotals> {
  checkPath("inputPath", request.inputPath);
  checkPath("outputPath", request.outputPath);
  const input = await InputFile.open(resolve(request.inputPath));
  try {
    await checkTarget(request.outputPath, request.overwrite, input.identity);
    request.signal.throwIfAborted();
    // Before the work, so that what the file system can't do costs none.
    const output = await OutputFile.create(resolve(request.outputPath), { secret, overwrite: request.overwrite });
    try {
      const made = await plan(input);
      try {
        return await fill(output, input, made, request);
      } finally {
        made.destroy();
      }
    } finally {
      await output.discard();
    }
  } finally {
    await input.close();
  }
}

async function fill<T>(
  output: OutputFile,
  input: InputFile,
  { layout, preamble, keys, facts }: FilePlan<T>,
  { threads: wanted, onProgress, signal }: FileRequest,
): Promise<T & FileWorkTotals> {
  const job = fileJob({ input, output, layout, keys });
  const progress = new Progress(input.size, onProgress);
  const scheduler = new Scheduler(layout, new LocalWorker(job), signal, (bytes) => progress.add(bytes));
  const threads = new Threads();
  try {
    await output.write([preamble], 0);
    // The calling thread leaves everything to the others, so that one alone would gain nothing.
    const count = wanted || threadsWorth(input.size, unasked);
    if (count > 1) threads.start({ count, asked: wanted > 0 }, job, await keys.use((floe) => floe.message), scheduler);
    await scheduler.run();
  } finally {
    await threads.end();
  }
  await input.checkUnchanged();
  signal.throwIfAborted();
  await output.publish();
  progress.finish();
  return { ...facts, inputSize: input.size, outputSize: layout.target.end, threads: Math.max(1, threads.count) };
}

function checkPath(field: string, path: unknown): void {
  if (typeof path !== "string" || path === "" || path.includes("\0"))
    throw new InvalidInputError(field, "must be the path of a file", path);
}
