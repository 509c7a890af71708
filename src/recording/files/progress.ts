import { callOthers } from "../../util/call-others.js";

/** How far an encryption or decryption of files has come. */
export interface FileProgress {
  /** Bytes of the input that are done, in any order. Equals `totalBytes` only once the output has its name. */
  readonly doneBytes: number;
  /** Size of the input. */
  readonly totalBytes: number;
}

/** Milliseconds between two reports. */
const pause = 100;

/** Reports at a limited rate, and is never in the way of the work. */
export class Progress {
  readonly #totalBytes: number;
  readonly #report: ((progress: FileProgress) => unknown) | undefined;
  #doneBytes = 0;
  #next = performance.now() + pause;

  constructor(totalBytes: number, report: ((progress: FileProgress) => unknown) | undefined) {
    this.#totalBytes = totalBytes;
    this.#report = report;
  }

  add(bytes: number): void {
    this.#doneBytes += bytes;
    const now = performance.now();
    if (now < this.#next || this.#doneBytes >= this.#totalBytes) return;
    this.#next = now + pause;
    this.#tell(this.#doneBytes);
  }

  finish(): void {
    this.#tell(this.#totalBytes);
  }

  #tell(doneBytes: number): void {
    // The recording matters more than whoever watches it.
    callOthers(() => this.#report?.({ doneBytes, totalBytes: this.#totalBytes }));
  }
}
