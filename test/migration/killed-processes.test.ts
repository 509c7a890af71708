import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { migrateRecordings } from "../../src/migration/index.js";
import { open } from "../key-store/in-folder.js";
import { atLength } from "../support/effort.js";
import { kmsKeyAliasArn } from "../support/kms-known-to-all.js";
import { temporaryFolder, withContents } from "../support/temporary-folder.js";
import { compileWorker, WorkerProcess } from "../support/worker-process.js";
import { filesBelow, opened, plainFiles } from "./support.js";

/** Kills in the middle of a run, and those among them in the middle of writing a file. */
const hits = atLength({ runs: 40, writes: 10 }, { runs: 2, writes: 1 });
const contents = Object.fromEntries(
  Array.from({ length: 6 }, (_, index) => [`${index % 3}/call-${index}.wav`, randomBytes(300_000 + index)]),
);
const paths = Object.keys(contents);

describe("a migration that is killed with kill -9 in its middle", () => {
  let worker: string;
  let folder: string;
  let remove: () => Promise<void>;
  const at = (name: string) => join(folder, name);
  beforeAll(async () => {
    ({ folder, remove } = await temporaryFolder("migration-"));
    worker = await compileWorker(new URL("./migration-worker.ts", import.meta.url), folder);
    await open(at("pairs")).configure({ kmsKeyAliasArn });
  });
  afterAll(() => remove());

  const belowOf = async (name: string) => (existsSync(at(name)) ? filesBelow(at(name)) : []);

  it.each([
    ["beside the plain files, with a report", "plain", "report.jsonl"],
    ["into another folder, without a report", "encrypted", ""],
  ])("loses nothing, and the next run finishes: %s", { timeout: 600_000 }, async (_, output, report) => {
    const keyStore = open(at("pairs"));
    const args = [at("pairs"), at("plain"), at(output), report && at(report)];
    const hit = { runs: 0, writes: 0 };
    for (let lives = 0; hit.runs < hits.runs || hit.writes < hits.writes; lives += 1) {
      // A tree is killed twice, and then a run is let finish.
      if (lives % 2 === 0) {
        for (const name of ["plain", "encrypted", "report.jsonl"]) await rm(at(name), withContents);
        await plainFiles(at("plain"), contents);
      }
      const plainBefore = (await belowOf("plain")).filter((path) => path.endsWith(".wav")).length;
      const running = new WorkerProcess(worker, args);
      // Behind one of the files that it will finish, and then at any moment of the next.
      await running.line(Math.floor(Math.random() * (report ? paths.length : plainBefore)));
      await sleep(Math.random() * 20);
      await running.kill();
      const there = new Set([...(await belowOf("plain")), ...(await belowOf(output))]);
      if (!running.lines.includes("complete")) hit.runs += 1;
      if ([...there].some((path) => path.endsWith(".tmp"))) hit.writes += 1;
      for (const [path, content] of Object.entries(contents)) {
        const isPlain = there.has(path) && readFileSync(join(at("plain"), path)).equals(content);
        const isNamed = there.has(`${path}.rec`);
        const opens = isNamed && (await opened(keyStore, join(at(output), `${path}.rec`))).equals(content);
        expect({ path, kept: isPlain || opens, half: isNamed && !opens }).toEqual({ path, kept: true, half: false });
      }
      if (lives % 2 === 0) continue;
      const last = await migrateRecordings(keyStore, {
        directory: at("plain"),
        outputDirectory: at(output),
        deletePlain: true,
        ...(report && { reportPath: at(report) }),
      });
      expect(last).toMatchObject({ complete: true, files: { failed: 0, changed: 0 } });
      if (report) expect(last.files.deleted).toBe(paths.length);
      expect((await belowOf("plain")).filter((path) => path.endsWith(".wav"))).toEqual([]);
      for (const [path, content] of Object.entries(contents))
        expect((await opened(keyStore, join(at(output), `${path}.rec`))).equals(content)).toBe(true);
    }
    console.log(`killed in the middle of ${hit.runs} runs, ${hit.writes} of them in the middle of a write`);
  });
});
