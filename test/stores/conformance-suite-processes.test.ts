import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startKeyPairStoreProcess } from "../../src/testing/index.js";
import { compileWorker } from "../support/worker-process.js";
import { processMistakes } from "./mistakes/process-mistakes.js";
import { failureOf } from "./mistakes/run-suite.js";
import { temporaryFolder } from "../support/temporary-folder.js";

describe("a mistake between processes: the suite catches a store that", () => {
  let program: string;
  let remove: () => Promise<void>;
  beforeAll(async () => {
    const { folder, remove: removeProgram } = await temporaryFolder();
    remove = removeProgram;
    program = await compileWorker(new URL("./mistakes/process-mistakes-worker.ts", import.meta.url), folder);
  });
  afterAll(() => remove());

  it.each(Object.keys(processMistakes))("%s", async (mistake) => {
    const open = processMistakes[mistake] as (typeof processMistakes)[string];
    const failure = await failureOf(
      async () => {
        const { folder: directory, remove: close } = await temporaryFolder();
        return {
          store: open(directory),
          startProcess: () => startKeyPairStoreProcess(program, { args: [mistake, directory] }),
          close,
        };
      },
      { processes: true, callTimeout: 10_000 },
      { only: "a second process" },
    );
    expect(failure?.error.message).toMatch(/What it means: .{20,}\nWhere to look: /);
  });

  it("and says what a program wrote that does not serve a store", async () => {
    await expect(startKeyPairStoreProcess(program, { args: ["no such mistake"] })).rejects.toThrow(/before it served/);
  });
});
