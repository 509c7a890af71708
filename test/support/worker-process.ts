import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "tsup";
import { compileWorkerCode } from "../../scripts/worker-code.js";

/** Compiles the worker into one file, so that starting it takes no longer than starting Node. */
export async function compileWorker(entry: URL, outDir: string): Promise<string> {
  await build({
    config: false,
    silent: true,
    entry: { worker: fileURLToPath(entry) },
    outDir,
    format: ["cjs"],
    target: "node20",
    removeNodeProtocol: false, // `node:test` has no other name
    define: { RECORDING_KEYSTORE_WORKER: JSON.stringify(compileWorkerCode()) },
    noExternal: [/./], // there is no node_modules where it runs
    outExtension: () => ({ js: ".cjs" }),
  });
  return join(outDir, "worker.cjs");
}

/** A running worker and the lines that it has said so far. */
export class WorkerProcess {
  readonly lines: string[] = [];
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  #complaints = "";
  /** Those who wait for a line. */
  readonly #waiting = new Set<() => void>();

  constructor(worker: string, args: readonly string[]) {
    this.#process = spawn(process.execPath, [worker, ...args], { stdio: ["pipe", "pipe", "pipe"] });
    this.#process.stderr?.on("data", (data: Buffer) => (this.#complaints += data.toString()));
    const lines = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream });
    lines.on("line", (line) => {
      this.lines.push(line);
      this.#wake();
    });
    // All lines are known once the pipe has ended, after a kill too.
    this.#closed = Promise.all([once(this.#process, "close"), once(lines, "close")]);
    this.#closed.then(
      () => this.#wake(),
      () => this.#wake(),
    );
  }

  tell(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  /** The line with this index, once it is there. */
  async line(index: number): Promise<string> {
    while (this.lines.length <= index) {
      if (this.#process.exitCode !== null) throw new Error(`worker ended: ${this.#complaints}`);
      await new Promise<void>((arrived) => this.#waiting.add(arrived));
    }
    return this.lines[index] as string;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#closed;
    if (this.#complaints) throw new Error(`worker failed before the kill: ${this.#complaints}`);
  }
}
