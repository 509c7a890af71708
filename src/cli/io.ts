import type { Readable, Writable } from "node:stream";
import type { Paint, Shown } from "./terminal.js";

/** Where a command reads and writes. */
export interface CommandIo {
  /** Writes one line to standard output. */
  readonly print: (line: string) => void;
  /** Writes one line to standard error. */
  readonly printError: (line: string) => void;
  /** Standard input and output, for recordings. */
  readonly input: Readable;
  readonly output: Writable;
  /** Colours of standard output and of standard error. */
  readonly paint: Paint;
  readonly paintError: Paint;
  /** Shows how far a long command is, in place of what was shown before; missing unless a person is watching. */
  readonly showProgress?: ((shown: Shown) => void) | undefined;
  /** Aborts when the user gives up. */
  readonly signal: AbortSignal;
}

/** A mistake of the user's. Shown without a stack, with the exit code for usage. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
