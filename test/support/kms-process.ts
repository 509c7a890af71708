import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { KmsControl } from "../../src/in-memory-kms/index.js";

/** The command, of the sources as they are now. */
export const kmsCommandLine = [
  process.execPath,
  "--import",
  "tsx",
  fileURLToPath(new URL("../../src/cli/bin.ts", import.meta.url)),
  "kms",
] as const;

/** Starts `recording-keystore kms`. Whoever starts it ends it. */
export function spawnKms(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const [program, ...command] = kmsCommandLine;
  return spawn(program, [...command, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** The first lines that a process prints; fewer if it ends before. */
export async function firstLines(child: ChildProcess, count: number): Promise<string[]> {
  let text = "";
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    text += chunk.toString();
    if (text.split("\n").length > count) break;
  }
  return text.trim().split("\n");
}

export interface KmsProcess extends AsyncDisposable {
  readonly url: string;
  readonly control: KmsControl;
}

/** A `recording-keystore kms` that listens. */
export async function startKms(args: readonly string[]): Promise<KmsProcess> {
  const child = spawnKms(args);
  const exited = once(child, "exit");
  const [url = ""] = await firstLines(child, 1);
  return {
    url,
    control: new KmsControl(url),
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await exited;
    },
  };
}
