import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  writeSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { link, lstat, mkdir, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { DecryptFileOptions } from "../../../src/index.js";
import { createTestKeyStore, type TestKeyStore } from "../../../src/testing/index.js";
import { audio, useFolder } from "./support.js";

const recordingId = "call-1";
const plaintext = audio(300_000);

describe("files that are refused or fail", () => {
  const at = useFolder();
  const { path } = at;
  let parts: TestKeyStore;
  beforeEach(async () => {
    parts = await createTestKeyStore();
    await writeFile(path("plain"), plaintext);
    await parts.keyStore.encryptFile(path("plain"), path("encrypted"), { recordingId });
  });
  afterEach(() => parts.keyStore.close());

  const decrypt = (input: string, output: string, more: Partial<DecryptFileOptions> = {}) =>
    parts.keyStore.decryptFile(input, output, { recordingId, ...more });

  it.each([
    ["inputPath", "", "out"],
    ["inputPath", "a\0b", "out"],
    ["outputPath", "plain", ""],
    ["outputPath", "plain", "a\0b"],
  ])("name %s in an InvalidInputError: %j, %j", async (field, input, output) => {
    const full = (name: string) => (name ? path(name) : "");
    await expect(parts.keyStore.encryptFile(full(input), full(output), { recordingId })).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field,
    });
  });

  it.each([
    ["threads", { threads: -1 }],
    ["threads", { threads: 65 }],
    ["threads", { threads: 1.5 }],
    ["overwrite", { overwrite: "yes" }],
    ["onProgress", { onProgress: 1 }],
    ["segmentSize", { segmentSize: 1 }],
    ["recordingId", { recordingId: "" }],
    ["other", { other: 1 }],
  ])("name %s in an InvalidInputError: %j", async (field, more) => {
    const options = { recordingId, ...more } as never;
    await expect(parts.keyStore.encryptFile(path("plain"), path("out"), options)).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field,
    });
    expect(await readdir(at.folder)).toEqual(["encrypted", "plain"]);
  });

  it("without options are bad input, not a crash", async () => {
    await expect(parts.keyStore.encryptFile(path("plain"), path("out"), undefined as never)).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field: "recordingId",
    });
    await expect(parts.keyStore.decryptFile(path("plain"), path("out"), null as never)).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field: "recordingId",
    });
  });

  it("are not the output file, by whatever name", async () => {
    await symlink(path("plain"), path("symbolic"));
    await link(path("plain"), path("hard"));
    for (const output of ["plain", "symbolic", "hard"]) {
      await expect(
        parts.keyStore.encryptFile(path("plain"), path(output), { recordingId, overwrite: true }),
      ).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: "outputPath" });
      await expect(
        parts.keyStore.encryptFile(path("symbolic"), path(output), { recordingId, overwrite: true }),
      ).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: "outputPath" });
    }
    expect((await readFile(path("plain"))).equals(plaintext)).toBe(true);
  });

  it("are neither folders nor pipes", async () => {
    await mkdir(path("folder"));
    await symlink(path("folder"), path("to-folder"));
    execFileSync("mkfifo", [path("pipe")]);
    const before = await readdir(at.folder);
    for (const input of ["folder", "to-folder", "pipe"]) {
      await expect(decrypt(path(input), path("out"))).rejects.toMatchObject({
        code: expect.stringMatching(/ERR_INVALID_INPUT|ERR_FILE_IO/),
      });
    }
    for (const output of ["folder", "to-folder", "pipe", "new/", "folder/.", "folder/.."]) {
      await expect(decrypt(path("encrypted"), `${at.folder}/${output}`, { overwrite: true })).rejects.toMatchObject({
        code: "ERR_INVALID_INPUT",
        field: "outputPath",
      });
    }
    expect(await readdir(at.folder)).toEqual(before);
    expect((await stat(path("pipe"))).isFIFO()).toBe(true);
  });

  it("are not overwritten unless told, not even a symbolic link that leads nowhere, and then in one step", async () => {
    await writeFile(path("taken"), "before");
    await symlink(path("nowhere"), path("dangling"));
    await writeFile(path("elsewhere"), "elsewhere");
    await symlink(path("elsewhere"), path("linked"));
    for (const output of ["taken", "dangling", "linked"]) {
      await expect(decrypt(path("encrypted"), path(output))).rejects.toMatchObject({
        code: "ERR_FILE_EXISTS",
        retryable: false,
      });
    }
    expect(await readFile(path("taken"), "utf8")).toBe("before");
    expect(await readlink(path("dangling"))).toBe(path("nowhere"));
    for (const output of ["taken", "dangling", "linked"]) {
      await decrypt(path("encrypted"), path(output), { overwrite: true });
      expect((await readFile(path(output))).equals(plaintext)).toBe(true);
      expect((await lstat(path(output))).isFile(), "nothing is written through a link").toBe(true);
    }
    expect(await readFile(path("elsewhere"), "utf8")).toBe("elsewhere");
    expect(await readdir(at.folder)).toEqual(["dangling", "elsewhere", "encrypted", "linked", "plain", "taken"]);
  });

  it("lose against a file that appears while they are made, also if it is a link that leads nowhere", async () => {
    await writeFile(path("long"), audio(3_000_000));
    for (const appear of [() => writeFileSync(path("out"), "first"), () => symlinkSync(path("nowhere"), path("out"))]) {
      vi.spyOn(performance, "now").mockImplementation(tick());
      const appearOnce = vi.fn().mockImplementationOnce(appear);
      await expect(
        parts.keyStore.encryptFile(path("long"), path("out"), { recordingId, threads: 1, onProgress: appearOnce }),
      ).rejects.toMatchObject({ code: "ERR_FILE_EXISTS" });
      vi.restoreAllMocks();
      expect((await lstat(path("out"))).size).toBeLessThan(1_000);
      expect(await readdir(at.folder)).toEqual(["encrypted", "long", "out", "plain"]);
      await rm(path("out"));
    }
  });

  it("of two that want one name exactly one gets it", async () => {
    const outcomes = await Promise.allSettled([
      decrypt(path("encrypted"), path("out")),
      decrypt(path("encrypted"), path("out")),
      decrypt(path("encrypted"), path("out")),
    ]);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes)
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "ERR_FILE_EXISTS" });
    expect(await readdir(at.folder)).toEqual(["encrypted", "out", "plain"]);
  });

  it("are readable by their owner only when they hold plaintext, whatever the umask and the file before", async () => {
    await writeFile(path("old"), "", { mode: 0o666 });
    const before = process.umask(0o277);
    try {
      await decrypt(path("encrypted"), path("strict"));
    } finally {
      process.umask(before);
    }
    await decrypt(path("encrypted"), path("old"), { overwrite: true });
    for (const name of ["strict", "old"]) expect(((await stat(path(name))).mode & 0o777).toString(8)).toBe("600");
  });

  it.each([
    ["input", () => ["missing", "out"], "ENOENT"],
    ["output's folder", () => ["encrypted", "missing/out"], "ENOENT"],
    ["output, below a file", () => ["encrypted", "plain/out"], "ENOTDIR"],
  ])("that are not there or can't be made tell the system's error: %s", async (_name, names, code) => {
    const [input = "", output = ""] = names();
    await expect(decrypt(path(input), path(output))).rejects.toMatchObject({
      code: "ERR_FILE_IO",
      retryable: false,
      cause: { code },
    });
    expect(await readdir(at.folder)).toEqual(["encrypted", "plain"]);
  });

  it("ask KMS nothing before both paths are checked", async () => {
    parts.keyStore.forgetPrivateKeys();
    const calls = parts.kms.journal.count();
    await expect(decrypt(path("encrypted"), path("plain"))).rejects.toMatchObject({ code: "ERR_FILE_EXISTS" });
    await expect(decrypt(path("missing"), path("out"))).rejects.toMatchObject({ code: "ERR_FILE_IO" });
    await expect(decrypt(path("encrypted"), path("out"), { recordingId: "other" })).rejects.toMatchObject({
      code: "ERR_RECORDING_MISMATCH",
    });
    expect(parts.kms.journal.count()).toBe(calls);
    expect(await readdir(at.folder)).toEqual(["encrypted", "plain"]);
  });

  it("that are no recordings, or are cut in their header, are told apart", async () => {
    const encrypted = await readFile(path("encrypted"));
    for (const [bytes, code] of [
      [Buffer.alloc(0), "ERR_RECORDING_TRUNCATED"],
      [Buffer.from("RIFF, and so on"), "ERR_FORMAT_INVALID"],
      [encrypted.subarray(0, 8), "ERR_RECORDING_TRUNCATED"],
      [encrypted.subarray(0, 200), "ERR_RECORDING_TRUNCATED"],
    ] as const) {
      await writeFile(path("bad"), bytes);
      await expect(decrypt(path("bad"), path("out"))).rejects.toMatchObject({ code });
    }
    expect(await readdir(at.folder)).toEqual(["bad", "encrypted", "plain"]);
  });

  it("that change while they are read leave nothing, be it in place and of the same size", async () => {
    const patch = () => {
      const file = openSync(path("growing"), "r+");
      writeSync(file, "RIFF", 0);
      closeSync(file);
    };
    for (const change of [
      () => appendFileSync(path("growing"), "more"),
      () => truncateSync(path("growing"), 100),
      patch,
    ]) {
      await writeFile(path("growing"), audio(3_000_000));
      vi.spyOn(performance, "now").mockImplementation(tick());
      const changeOnce = vi.fn().mockImplementationOnce(change);
      const running = parts.keyStore.encryptFile(path("growing"), path("out"), {
        recordingId,
        threads: 1,
        onProgress: changeOnce,
      });
      await expect(running).rejects.toMatchObject({ code: "ERR_FILE_CHANGED", retryable: true });
      expect(changeOnce, "it was changed in the middle").toHaveBeenCalled();
      vi.restoreAllMocks();
      expect(await readdir(at.folder)).toEqual(["encrypted", "growing", "plain"]);
    }
  });

  it.runIf(existsSync("/proc/cpuinfo"))("that have content and no size are refused, not taken for empty", async () => {
    const encrypting = parts.keyStore.encryptFile("/proc/cpuinfo", path("out"), { recordingId });
    await expect(encrypting).rejects.toMatchObject({ field: "inputPath" });
    expect(await readdir(at.folder)).not.toContain("out");
  });
});

/** A clock that says at each look that a second has passed: each range is then reported. */
function tick(): () => number {
  let now = 0;
  return () => (now += 1_000);
}
