import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Debian's own, to which its packages belong; the first one on the PATH may be another. */
const python = "/usr/bin/python3";
export const program = fileURLToPath(new URL("../../../examples/python-decryptor", import.meta.url));
export const here = fileURLToPath(new URL(".", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a Python program of a folder. `ended` never rejects: how it ended is for the test to say. */
export function start(folder: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const [script = "", ...rest] = args;
  const child = spawn(python, [join(folder, script), ...rest], {
    env: { PATH: process.env["PATH"], PYTHONDONTWRITEBYTECODE: "1", ...env },
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => (output[name] += text));
  const ended: Promise<Ended> = once(child, "close").then(() => ({ code: child.exitCode, ...output }));
  return { child, ended };
}
