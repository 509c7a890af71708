import type { FloeMessage } from "../../format/floe.js";
import type { SegmentLayout, SegmentRange } from "../../format/segments.js";

/** What a worker thread is given when it starts: no secret. */
export interface WorkerJob {
  readonly layout: SegmentLayout;
  readonly message: FloeMessage;
  /** Without them each order says where its bytes lie in memory. */
  readonly files?: FileDescriptors | undefined;
}

/** Open files of the process. Threads open no path again, which might be another file by then. */
export interface FileDescriptors {
  readonly input: number;
  readonly output: number;
}

/** Memory that two threads see, for the source and the target of one range. */
export interface RangeMemory {
  readonly source: SharedArrayBuffer;
  readonly target: SharedArrayBuffer;
}

export interface WorkerOrder {
  readonly id: number;
  readonly range: SegmentRange;
  /** The message key, in memory that both threads see. The sender wipes it when the answer arrives. */
  readonly messageKey: SharedArrayBuffer;
  readonly memory?: RangeMemory | undefined;
}

/** Errors lose their class and their fields on the way between threads. */
export type WorkerFailure =
  | { readonly kind: "recording"; readonly code: string; readonly message: string }
  | {
      readonly kind: "file";
      readonly doing: "read" | "write";
      readonly code: string;
      readonly message: string;
      readonly syscall: string;
    }
  | { readonly kind: "changed" }
  | { readonly kind: "other"; readonly message: string };

/** What only files can fail with. */
export type FileTrouble = Extract<WorkerFailure, { kind: "file" | "changed" }>;

export interface WorkerAnswer {
  readonly id: number;
  readonly failure?: WorkerFailure;
}
