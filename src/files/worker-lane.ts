import { Worker } from "node:worker_threads";
import { wipe } from "../encoding/secrets.js";
import { RecordingKeyStoreError, type ErrorCode } from "../errors.js";
import { messageKeyLength, type FloeMessage, type FloeSegments } from "../recording/floe.js";
import { fileChanged, fileFailure } from "./failures.js";
import { LaneLost, type FileJob, type Lane } from "./lane.js";
import type { SegmentRange } from "../recording/segment-layout.js";
import { workerCode } from "./worker-code.js";
import type { WorkerAnswer, WorkerFailure, WorkerJob, WorkerOrder } from "./worker-job.js";

interface Pending {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Another thread, which reads and writes by itself. It ends with the job. */
export class WorkerLane implements Lane {
  /** Some milliseconds of work: so long keys may be used after they were had, and so quickly an abort is noticed. */
  readonly rangeBytes = 4_194_304;
  /** The thread never waits for this one, as long as this one gets around to answering every few milliseconds. */
  readonly depth = 3;
  readonly #job: FileJob;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #lost = false;

  private constructor(job: FileJob, worker: Worker) {
    this.#job = job;
    this.#worker = worker;
  }

  /**
   * @param ready - told when the thread can work; never, if it ends before
   * @returns `undefined` where threads can't be started
   */
  static start(job: FileJob, message: FloeMessage, ready: (lane: WorkerLane) => void): WorkerLane | undefined {
    const code = workerCode();
    if (code === undefined) return undefined;
    const workerData: WorkerJob = { input: job.input.handle.fd, output: job.output.handle.fd, layout: job.layout, message: unpooled(message) };
    let worker: Worker;
    try {
      // Neither the environment nor what the process was told to load first is any business of this thread.
      worker = new Worker(code, { eval: true, workerData, env: {}, execArgv: [], name: "recording-keystore", trackUnmanagedFds: false });
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
    try {
      await this.#job.keys.use((floe) => this.#order(floe, { id: (this.#lastId += 1), range, messageKey }));
    } finally {
      wipe(new Uint8Array(messageKey));
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
    const { input, output } = this.#job;
    switch (failure.kind) {
      case "recording":
        return new RecordingKeyStoreError(failure.code as ErrorCode, failure.message);
      case "changed":
        return fileChanged(input.path);
      case "file": {
        const { code, syscall, message, doing } = failure;
        return fileFailure(`${doing} ${doing === "read" ? input.path : output.path}`, Object.assign(new Error(message), { code, syscall }));
      }
      case "other":
        return new Error(failure.message);
    }
  }
}

/** A view of Node's buffer pool would take all of the pool along to the other thread. */
function unpooled({ aad, header, parameters }: FloeMessage): FloeMessage {
  return { aad: new Uint8Array(aad), header: new Uint8Array(header), parameters };
}
