import { readFile } from "node:fs/promises";
import { describeErrno } from "../util/file-system.js";
import { UsageError, type CommandIo } from "./io.js";

/** Standard input and standard output, where the name of a file is expected. */
export const isStandard = (path: string) => path === "-";

/** Content of a file that an option or argument names. @throws UsageError, in the words of `what` */
export function readNamed(what: string, path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => {
    throw new UsageError(`${what}: ${describeErrno(error)}`);
  });
}

/** A text file, or standard input. @throws UsageError */
export async function readText(path: string, { input }: CommandIo): Promise<string> {
  const bytes = isStandard(path) ? Buffer.concat(await input.toArray()) : await readNamed(path, path);
  return bytes.toString("utf8");
}

/** JSON of a file. @throws UsageError */
export async function readJson(option: string, path: string): Promise<Readonly<Record<string, unknown>>> {
  const what = `${option} ${path}`;
  const text = (await readNamed(what, path)).toString("utf8");
  try {
    return JSON.parse(text) as Record<string, unknown>; // the key store checks what it is
  } catch {
    throw new UsageError(`${what}: is no JSON`);
  }
}
