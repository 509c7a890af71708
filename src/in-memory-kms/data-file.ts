import { readFile } from "node:fs/promises";
import { InvalidInputError } from "../errors.js";
import { errnoOf } from "../util/file-system.js";
import { createFile, removeTemporary, renameOver, type Rights } from "../util/new-file.js";
import { contentsOf, type KmsSnapshot } from "./snapshot.js";
import type { KmsState } from "./state.js";

/** Keys are in it: nobody else may read or write it. */
const rights: Rights = { mode: 0o600, denied: 0o077 };

/** A file in which an in-memory KMS keeps its keys and aliases. */
export class KmsDataFile {
  readonly #path: string;
  readonly #state: KmsState;
  #written: string | undefined;
  /** Revision of the state that is in the file. */
  #revision: number | undefined;
  #writing: Promise<void> | undefined;

  /** @internal @param written - what is in the file */
  constructor(path: string, state: KmsState, written: string | undefined) {
    this.#path = path;
    this.#state = state;
    this.#written = written;
  }

  /** Resolves once everything that has happened until now is in the file. @throws the file system's error */
  async upToDate(): Promise<void> {
    await this.#writing?.catch(() => undefined);
    while (this.#revision !== this.#state.revision)
      await (this.#writing ??= this.#writeState().finally(() => (this.#writing = undefined)));
  }

  /** Writes what is not in the file yet. The in-memory KMS goes on, and goes on writing after each call that has changed something. */
  async close(): Promise<void> {
    await this.#writing?.catch(() => undefined);
    // When keys were last used is no change that a call waits for.
    this.#revision = undefined;
    await this.upToDate();
  }

  async #writeState(): Promise<void> {
    const { revision } = this.#state;
    const text = this.#text();
    if (text !== this.#written) await this.#write(text);
    this.#revision = revision;
  }

  #text(): string {
    return `${JSON.stringify(this.#state.snapshot())}\n`;
  }

  /** Writes a file beside the old one, and gives it the name when it is whole and durable. */
  async #write(text: string): Promise<void> {
    const temporary = `${this.#path}.new`;
    await removeTemporary(temporary); // what a killed process has left
    const handle = await createFile(temporary, rights);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await renameOver(temporary, this.#path);
    this.#written = text;
  }
}

/** Takes what is in the file, or makes one of what there is. */
export async function openDataFile(path: string, state: KmsState): Promise<KmsDataFile> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  });
  if (text !== undefined) state.restore(snapshotIn(text));
  const file = new KmsDataFile(path, state, text);
  await file.upToDate();
  return file;
}

function snapshotIn(text: string): KmsSnapshot {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // A parser's message quotes the text, in which keys are.
    throw new InvalidInputError("snapshot", "must be JSON");
  }
  contentsOf(json);
  return json as KmsSnapshot;
}
