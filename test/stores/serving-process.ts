import { rmSync } from "node:fs";
import { startKeyPairStoreProcess, type KeyPairStoreProcess } from "../../src/testing/index.js";
import { temporaryFolder, withContents } from "../support/temporary-folder.js";
import { compileWorker } from "../support/worker-process.js";
import type { Place } from "./store-at.js";

let program: Promise<string> | undefined;

/** Starts the second process of the conformance suite, whose program is compiled once for stores of every kind. */
export async function startServingProcess(place: Place): Promise<KeyPairStoreProcess> {
  program ??= compile();
  return startKeyPairStoreProcess(await program, { args: [JSON.stringify(place)] });
}

async function compile(): Promise<string> {
  const { folder } = await temporaryFolder("serving-");
  process.on("exit", () => rmSync(folder, withContents));
  return compileWorker(new URL("./serving-worker.ts", import.meta.url), folder);
}
