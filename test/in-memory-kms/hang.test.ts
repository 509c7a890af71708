import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileWorker } from "../support/worker-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const run = promisify(execFile);

describe("a call that hangs in process", () => {
  let remove: () => Promise<void>;
  let worker: string;
  beforeAll(async () => {
    const temporary = await temporaryFolder("hang-");
    remove = temporary.remove;
    worker = await compileWorker(new URL("./hang-worker.ts", import.meta.url), temporary.folder);
  });
  afterAll(() => remove());

  it.each([
    ["abort", "AbortError"],
    ["timeout", "TimeoutError"],
  ])("holds the process until its %s", async (mode, name) => {
    const { stdout } = await run(process.execPath, [worker, mode]);
    expect(stdout.trim()).toBe(name);
  });

  it("ends no other test of the file under node:test", async () => {
    const { stdout } = await run(process.execPath, ["--test-reporter=tap", worker, "node:test"]);
    for (const line of ["abort ended", "timeout ended", "# pass 2", "# cancelled 0"]) expect(stdout).toContain(line);
  });
});
