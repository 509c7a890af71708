import { Worker } from "node:worker_threads";
import { RecordingKeyStoreError, type ErrorCode } from "../../errors.js";
import { messageKeyLength, type FloeMessage, type FloeSegments } from "../../format/floe.js";
import type { SegmentLayout, SegmentRange } from "../../format/segments.js";
import { wipe } from "../../util/secrets.js";
import type { SegmentAccess } from "../segment-keys.js";
import { WorkerLost, type SegmentWorker } from "./segment-worker.js";
import { workerCode } from "./worker-code.js";
import type {
  FileDescriptors,
  FileTrouble,
  RangeMemory,
  WorkerAnswer,
  WorkerFailure,
  WorkerJob,
  WorkerOrder,
} from "./worker-job.js";

/** How the bytes of ranges reach a thread, and come back. */
export interface Medium {
  /** Source bytes of one range. Keys may be used for as long as it takes, some milliseconds. */
  readonly rangeBytes: number;
  /** Files that threads read and write by themselves. */
  readonly files?: FileDescriptors;
  /** The error that the calling thread would have thrown. */
  fileFailure?(trouble: FileTrouble): Error;
  /** Puts a range's source where the thread finds it; absent where it reads files by itself. */
  share?(range: SegmentRange): SharedRange;
}

/** A range whose bytes lie in memory that two threads see. */
export interface SharedRange {
  readonly memory: RangeMemory;
  /** Copies its target to its place. */
  copyBack(): void;
  /** Lets the memory be used for another range. */
  release(): void;
}

/** One encryption or decryption that several threads share. */
export interface ThreadedJob {
  readonly layout: SegmentLayout;
  readonly keys: SegmentAccess;
  readonly medium: Medium;
}

interface Pending {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Another thread, which ends with the job. */
export class ThreadWorker implements SegmentWorker {
  readonly rangeBytes: number;
  /** Enough that the thread never waits for this one, if this one answers every few milliseconds. */
  readonly depth = 3;
  readonly #job: ThreadedJob;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #lost = false;

  private constructor(job: ThreadedJob, worker: Worker) {
    this.rangeBytes = job.medium.rangeBytes;
    this.#job = job;
    this.#worker = worker;
  }

  /**
   * @param ready - called when the thread can work; never if it ends before
   * @returns `undefined` where threads can't be started
   */
  static start(
    job: ThreadedJob,
    message: FloeMessage,
    ready: (worker: ThreadWorker) => void,
  ): ThreadWorker | undefined {
    const code = workerCode();
    if (code === undefined) return undefined;
    const workerData: WorkerJob = { files: job.medium.files, layout: job.layout, message: unpooled(message) };
    let thread: Worker;
    try {
      // The thread gets neither the environment nor the modules that the process preloads.
      thread = new Worker(code, {
        eval: true,
        workerData,
        env: {},
        execArgv: [],
        name: "recording-keystore",
        trackUnmanagedFds: false,
      });
    } catch {
      return undefined;
    }
    const worker = new ThreadWorker(job, thread);
    thread.on("message", ({ id, failure }: WorkerAnswer) => {
      if (id === 0) ready(worker);
      else worker.#settle(id, failure);
    });
    thread.on("error", () => undefined); // the exit that follows says enough
    thread.on("exit", () => worker.#end());
    return worker;
  }

  async run(range: SegmentRange): Promise<void> {
    const messageKey = new SharedArrayBuffer(messageKeyLength);
    const shared = this.#job.medium.share?.(range);
    try {
      await this.#job.keys.use((floe) =>
        this.#order(floe, { id: (this.#lastId += 1), range, messageKey, memory: shared?.memory }),
      );
      shared?.copyBack();
    } finally {
      wipe(new Uint8Array(messageKey));
      shared?.release();
    }
  }

  /** Resolves when the thread is gone. Only for a thread that has nothing to do. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #order(floe: FloeSegments, order: WorkerOrder): Promise<void> {
    if (this.#lost) return Promise.reject(new WorkerLost());
    floe.copyMessageKey(new Uint8Array(order.messageKey));
    return new Promise((resolve, reject) => {
      this.#pending.set(order.id, { resolve, reject });
      this.#worker.postMessage(order);
    });
  }

  #settle(id: number, failure: WorkerFailure | undefined): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (failure) pending?.reject(this.#errorOf(failure));
    else pending?.resolve();
  }

  #end(): void {
    this.#lost = true;
    for (const { reject } of this.#pending.values()) reject(new WorkerLost());
    this.#pending.clear();
  }

  #errorOf(failure: WorkerFailure): Error {
    switch (failure.kind) {
      case "recording":
        return new RecordingKeyStoreError(failure.code as ErrorCode, failure.message);
      case "changed":
      case "file":
        return this.#job.medium.fileFailure?.(failure) ?? new Error(failure.kind);
      case "other":
        return new Error(failure.message);
    }
  }
}

/** Copies, since a view of Node's buffer pool would take the whole pool to the other thread. */
function unpooled({ aad, header, parameters }: FloeMessage): FloeMessage {
  return { aad: new Uint8Array(aad), header: new Uint8Array(header), parameters };
}
