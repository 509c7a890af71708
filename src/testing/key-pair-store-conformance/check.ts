import type { KeyPairStore } from "../../stores/key-pair-store.js";
import { defined } from "../../util/defined.js";
import type { KeyPairStoreProcess } from "../key-pair-store-process.js";
import type { ConformanceRunner, KeyPairStoreConformanceOptions, KeyPairStoreUnderTest } from "./subject.js";
import { watched } from "./watched-store.js";

/** What a failure of a check means, for an author who does not know how the key store uses its store. */
export interface Explanation {
  /** What would become of recordings and their keys. */
  readonly means: string;
  /** Where the mistake is likely to be. */
  readonly look: string;
  /** Whether processes may see it otherwise than handles of one process do. */
  readonly betweenProcesses?: boolean;
}

/** Declares one test over two handles on one empty store. */
export type Check = (
  name: string,
  explanation: Explanation,
  body: (store: KeyPairStore, other: KeyPairStore, opened: KeyPairStoreUnderTest) => Promise<void>,
) => void;

/** What is opened, with calls that end. */
type WatchedSubject = KeyPairStoreUnderTest & { readonly other: KeyPairStore };

export const defaultCallTimeout = 15_000;

/** @param inProcess - makes the second handle that of another process, for the checks that it may matter to */
export function checkOf(
  { it }: ConformanceRunner,
  open: () => Promise<KeyPairStoreUnderTest>,
  { callTimeout = defaultCallTimeout }: KeyPairStoreConformanceOptions,
  { inProcess = false } = {},
): Check {
  return (name, explanation, body) => {
    if (inProcess && !explanation.betweenProcesses) return;
    it(name, async () => {
      const opened = watchedSubject(await open(), callTimeout);
      const ends = [async () => opened.close?.()];
      try {
        const started = inProcess ? await startedProcess(opened) : undefined;
        if (started) ends.unshift(() => started.kill());
        await body(opened.store, started?.store ?? opened.other, opened);
      } catch (error) {
        for (const end of ends) await end().catch(() => undefined); // the first failure says more
        throw explained(error, explanation);
      }
      for (const end of ends) await end();
    });
  };
}

/** @throws Error where the store under test names no way to start one */
export async function startedProcess(opened: KeyPairStoreUnderTest): Promise<KeyPairStoreProcess> {
  if (!opened.startProcess) throw new Error("`processes` is set, and what `open` gives has no `startProcess`");
  return opened.startProcess();
}

function watchedSubject(opened: KeyPairStoreUnderTest, timeout: number): WatchedSubject {
  const startProcess = async () => {
    const started = await startedProcess(opened);
    return { store: watched(started.store, timeout), kill: () => started.kill() };
  };
  return {
    store: watched(opened.store, timeout),
    other: watched(opened.other ?? opened.store, timeout),
    close: async () => opened.close?.(),
    ...defined({ outages: opened.outages, startProcess: opened.startProcess && startProcess }),
  };
}

/** Names what is left out. */
export function notChecked({ it, skip = it }: ConformanceRunner): (what: string, why: string) => void {
  return (what, why) => void skip(`not checked: ${what} (${why})`, async () => undefined);
}

function explained(error: unknown, { means, look }: Explanation): Error {
  const text = error instanceof Error ? error.message : String(error);
  return new Error(`${text}\n\nWhat it means: ${means}\nWhere to look: ${look}`, { cause: error });
}
