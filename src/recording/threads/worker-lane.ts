import { Worker } from "node:worker_threads";
import { wipe } from "../../util/secrets.js";
import { RecordingKeyStoreError, type ErrorCode } from "../../errors.js";
import { messageKeyLength, type FloeMessage, type FloeSegments } from "../../format/floe.js";
import type { SegmentAccess } from "../segment-keys.js";
import type { SegmentLayout, SegmentRange } from "../../format/segments.js";
import { LaneLost, type Lane } from "./lane.js";
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

/** How the bytes of ranges get to a thread and back. */
export interface Medium {
  /** Source bytes of one range: some milliseconds of work. So long keys may be used after they were had. */
  readonly rangeBytes: number;
  /** Files that threads read and write by themselves. */
  readonly files?: FileDescriptors;
  /** What went wrong with them, as the error that this thread would have thrown. */
  fileFailure?(trouble: FileTrouble): Error;
  /** Otherwise: puts a range's source where the thread finds it. */
  lend?(range: SegmentRange): LentRange;
}

/** A range whose bytes lie in memory that two threads see. */
export interface LentRange {
  readonly memory: RangeMemory;
  /** Brings its target home. */
  takeHome(): void;
  /** The memory may be used for another range. */
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

/** Another thread. It ends with the job. */
export class WorkerLane implements Lane {
  readonly rangeBytes: number;
  /** The thread never waits for this one, as long as this one gets around to answering every few milliseconds. */
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
   * @param ready - told when the thread can work; never, if it ends before
   * @returns `undefined` where threads can't be started
   */
  static start(job: ThreadedJob, message: FloeMessage, ready: (lane: WorkerLane) => void): WorkerLane | undefined {
    const code = workerCode();
    if (code === undefined) return undefined;
    const workerData: WorkerJob = { files: job.medium.files, layout: job.layout, message: unpooled(message) };
    let worker: Worker;
    try {
      // Neither the environment nor what the process was told to load first is any business of this thread.
      worker = new Worker(code, {
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
    const lane = new WorkerLane(job, worker);
    worker.on("message", ({ id, failure }: WorkerAnswer) => {
      if (id === 0) ready(lane);
      else lane.#settle(id, failure);
    });
    worker.on("error", () => undefined); // the exit that follows says enough
    worker.on("exit", () => lane.#end());
    return lane;
  }

  async run(range: SegmentRange): Promise<void> {
    const messageKey = new SharedArrayBuffer(messageKeyLength);
    const lent = this.#job.medium.lend?.(range);
    try {
      await this.#job.keys.use((floe) =>
        this.#order(floe, { id: (this.#lastId += 1), range, messageKey, memory: lent?.memory }),
      );
      lent?.takeHome();
    } finally {
      wipe(new Uint8Array(messageKey));
      lent?.release();
    }
  }

  /** Resolves when the thread is gone. Only for a thread that has nothing to do. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #order(floe: FloeSegments, order: WorkerOrder): Promise<void> {
    if (this.#lost) return Promise.reject(new LaneLost());
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
    for (const { reject } of this.#pending.values()) reject(new LaneLost());
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

/** A view of Node's buffer pool would take all of the pool along to the other thread. */
function unpooled({ aad, header, parameters }: FloeMessage): FloeMessage {
  return { aad: new Uint8Array(aad), header: new Uint8Array(header), parameters };
}
