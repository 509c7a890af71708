import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { open } from "../../key-store/in-folder.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { atLength } from "../../support/effort.js";
import { kmsKeyAliasArn } from "../../support/kms-known-to-all.js";
import { compileWorker, WorkerProcess } from "../../support/worker-process.js";
import { audio } from "./support.js";

const rounds = atLength(24, 8);
const plaintext = audio(24 * 1_048_576 + 5);

describe("processes that work on files", () => {
  let worker: string;
  let folder: string;
  let remove: () => Promise<void>;
  const at = (name: string) => join(folder, name);
  const pairs = () => at("pairs");
  const out = (name = "") => join(folder, "out", name);
  beforeAll(async () => {
    ({ folder, remove } = await temporaryFolder());
    worker = await compileWorker(new URL("./file-worker.ts", import.meta.url), folder);
    const keyStore = open(pairs());
    await keyStore.configure({ kmsKeyAliasArn });
    await writeFile(at("plain"), plaintext);
    await keyStore.encryptFile(at("plain"), at("encrypted"), { recordingId: "r" });
  });
  afterAll(() => remove());

  it.each([
    ["encrypt-files", "plain", "1"],
    ["encrypt-files", "plain", "2"],
    ["decrypt-files", "encrypted", "1"],
    ["decrypt-files", "encrypted", "2"],
  ])(
    "%s, from %s, threads: %s: killed at any moment, the target is there whole or not at all",
    { timeout: 120_000 },
    async (role, input, threads) => {
      let whole = 0;
      let absent = 0;
      let left = 0;
      for (let round = 0; round < rounds; round += 1) {
        await mkdir(out());
        const running = new WorkerProcess(worker, [role, pairs(), at(input), out("target"), threads]);
        await running.line(0);
        // Every second round is killed during its first file, the others somewhere in the second one.
        if (round % 2 === 1) await running.line(1);
        await sleep((round / rounds) * 36);
        await running.kill();
        for (const name of await readdir(out())) {
          if (name !== "target") expect(name).toMatch(/^\.recording-keystore-[0-9a-f]{24}\.tmp$/);
        }
        const names = await readdir(out());
        left += names.filter((name) => name !== "target").length;
        if (names.includes("target")) {
          whole += 1;
          const bytes = await readFile(out("target"));
          const content =
            role === "encrypt-files" ? (await open(pairs()).decryptRecording(bytes, { recordingId: "r" })).body : bytes;
          expect(plaintext.equals(content), "whole").toBe(true);
        } else absent += 1;
        await rm(out(), { recursive: true });
      }
      expect(whole, "some were killed after their first file").toBeGreaterThan(0);
      expect(absent, "some were killed in their first file").toBeGreaterThan(0);
      expect(left, "some were killed while they wrote").toBeGreaterThan(0);
    },
  );

  it.each([
    ["encrypt-files", "plain", "1"],
    ["encrypt-files", "plain", "2"],
    ["decrypt-files", "encrypted", "1"],
    ["decrypt-files", "encrypted", "2"],
  ])(
    "%s, from %s, threads: %s: a file system that takes no more ends them with the system's error and nothing is left",
    async (role, input, threads) => {
      await mkdir(out());
      // Blocks of 1 KiB: the file may grow to 8 MiB. The shell's limit stands for a full disk, and cuts a write short first.
      const { stdout, status } = spawnSync(
        "bash",
        [
          "-c",
          'ulimit -f 8192; exec "$@"',
          "bash",
          process.execPath,
          worker,
          role,
          pairs(),
          at(input),
          out("target"),
          threads,
        ],
        { encoding: "utf8" },
      );
      expect(status).toBe(1);
      expect(JSON.parse(stdout.split("\n")[1] ?? "")).toEqual({
        code: "ERR_FILE_IO",
        retryable: false,
        cause: "EFBIG",
      });
      expect(await readdir(out())).toEqual([]);
      await rm(out(), { recursive: true });
    },
  );
});
