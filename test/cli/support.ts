import { PassThrough, Readable } from "node:stream";
import { main } from "../../src/cli/main.js";

export interface Ran {
  readonly code: number;
  /** Lines of standard output. */
  readonly out: string;
  readonly err: string;
  /** What went to standard output as bytes. */
  readonly bytes: Buffer;
}

/** Runs a command line in this process. */
export async function run(
  argv: readonly string[],
  { input = Buffer.alloc(0), signal = new AbortController().signal }: { input?: Buffer; signal?: AbortSignal } = {},
): Promise<Ran> {
  const [out, err, bytes]: [string[], string[], Buffer[]] = [[], [], []];
  const output = new PassThrough();
  output.on("data", (chunk: Buffer) => bytes.push(chunk));
  const code = await main(argv, {
    print: (line) => out.push(line),
    printError: (line) => err.push(line),
    input: Readable.from([input]),
    output,
    signal,
  });
  return { code, out: out.join("\n"), err: err.join("\n"), bytes: Buffer.concat(bytes) };
}
