import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { installDebianPackages } from "../../support/debian-packages.js";
import { atLength } from "../../support/effort.js";

/** Debian's own, to which its packages belong; the first one on the PATH may be another. */
const python = "/usr/bin/python3";
export const program = fileURLToPath(new URL("../../../examples/python-decryptor", import.meta.url));
export const here = fileURLToPath(new URL(".", import.meta.url));

/** Whether there are Debian's libsodium, cryptography and boto3 for Python: at length, installed where they are missing. */
export async function hasPython(): Promise<boolean> {
  if (!atLength(true, false)) return false;
  const importable = () =>
    promisify(execFile)(python, ["-c", "import nacl, cryptography, boto3"]).then(
      () => true,
      () => false,
    );
  if (await importable()) return true;
  await installDebianPackages("python3-nacl", "python3-cryptography", "python3-boto3").catch(() => undefined);
  const installed = await importable();
  if (!installed)
    console.warn("not checked: the decryptor in Python, since Debian's packages for it can't be installed");
  return installed;
}

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
