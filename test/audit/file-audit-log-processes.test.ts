import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyAuditLog } from "../../src/audit/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { atLength } from "../support/effort.js";
import { compileWorker, WorkerProcess } from "../support/worker-process.js";
import { secret } from "./logs.js";

const kills = atLength(200, 8);

describe("an audit log of several processes", () => {
  let worker: string;
  let removeWorker: () => Promise<void>;
  beforeAll(async () => {
    const { folder, remove } = await temporaryFolder();
    removeWorker = remove;
    worker = await compileWorker(new URL("./audit-log-worker.ts", import.meta.url), folder);
  });
  afterAll(() => removeWorker());

  it(
    `has every entry that was said to be written, and verifies, over ${kills} kill -9`,
    { timeout: 240_000 },
    async () => {
      const { folder, remove } = await temporaryFolder();
      const acknowledged: string[] = [];
      for (let kill = 0; kill < kills; kill += 2) {
        const both = [0, 1].map(() => new WorkerProcess(worker, [folder]));
        await Promise.all(both.map((process) => process.line(5 + ((kill * 7) % 40))));
        await Promise.all(both.map((process) => process.kill()));
        acknowledged.push(...both.flatMap(({ lines }) => lines.filter((line) => /^\d+-\d+-\d+$/.test(line))));
      }
      const found = new Set<string | undefined>();
      const { ok, problems, files } = await verifyAuditLog({
        directory: folder,
        secret,
        onEvent: ({ resources }) => found.add(resources?.[0]?.uid),
      });
      expect({ ok, problems }).toEqual({ ok: true, problems: [] });
      expect(files.length).toBeGreaterThanOrEqual(kills);
      expect(acknowledged.filter((id) => !found.has(id))).toEqual([]);
      expect(acknowledged.length).toBeGreaterThanOrEqual(kills * 5);
      await remove();
    },
  );
});
