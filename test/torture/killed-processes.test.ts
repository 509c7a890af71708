import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.js";
import { atLength } from "../support/effort.js";
import { compileWorker } from "../support/worker-process.js";
import { killProcesses } from "./kills.js";
import { placeNames } from "./places.js";

const kills = atLength(60, 4);

describe("processes that are killed in the middle of configure(), rotate() and rewrapKeyPairs()", () => {
  let program: string;
  let remove: () => Promise<void>;
  beforeAll(async () => {
    const made = await temporaryFolder();
    remove = made.remove;
    program = await compileWorker(new URL("./kill-worker.ts", import.meta.url), made.folder);
  });
  afterAll(() => remove());

  it.each(placeNames)(`lose nothing acknowledged over ${kills} kill -9: %s`, { timeout: 600_000 }, async (kind) => {
    const report = await killProcesses({ kind, kills, program });
    expect(report).toMatchObject({ kills, faults: [] });
    expect(report.pairs).toBeGreaterThan(0);
    expect(report.recordings).toBeGreaterThan(0);
    // By chance alone a few may all fall between two deeds; sixty don't.
    const { configure, rotate, rewrap } = report.during;
    expect(configure + rotate + rewrap).toBeGreaterThan(atLength(kills / 4, -1));
    console.log(`${kind}: ${JSON.stringify({ ...report, faults: undefined })}`);
  });
});
