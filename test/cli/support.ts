import { PassThrough, Readable } from "node:stream";
import { main } from "../../src/cli/main.js";
import { noPaint, paintFor, ProgressBar } from "../../src/cli/terminal.js";

export interface Ran {
  readonly code: number;
  /** Lines of standard output. */
  readonly out: string;
  readonly err: string;
  /** What went to standard output as bytes. */
  readonly bytes: Buffer;
}

interface RunOptions {
  readonly input?: Buffer;
  readonly signal?: AbortSignal;
  /** Stands for the terminal behind both outputs. */
  readonly terminal?: FakeTerminal;
  /** Told of each line of standard output when it is printed. */
  readonly onLine?: (line: string) => void;
}

/** Runs a command line in this process. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { input = Buffer.alloc(0), signal = new AbortController().signal, terminal, onLine } = options;
  const [out, err, bytes]: [string[], string[], Buffer[]] = [[], [], []];
  const output = new PassThrough();
  output.on("data", (chunk: Buffer) => bytes.push(chunk));
  const paint = terminal ? paintFor(terminal, {}) : noPaint;
  const code = await main(argv, {
    print: (line) => {
      out.push(line);
      onLine?.(line);
    },
    printError: (line) => err.push(line),
    input: Readable.from([input]),
    output,
    paint,
    paintError: paint,
    showProgress: terminal && new ProgressBar(terminal, () => (terminal.time += 1_000)).show,
    signal,
  });
  return { code, out: out.join("\n"), err: err.join("\n"), bytes: Buffer.concat(bytes) };
}

/** A terminal that remembers what was written to it. */
export class FakeTerminal {
  readonly isTTY = true;
  columns: number | undefined = 100;
  /** In ms: of the clock by which bars are drawn. */
  time = 0;
  readonly written: string[] = [];

  write(text: string): void {
    this.written.push(text);
  }

  /** The lines that were drawn, one after the other in the same place. */
  get drawn(): string[] {
    return this.written
      .join("")
      .split("\r\u001B[K")
      .filter((line) => line !== "");
  }
}
