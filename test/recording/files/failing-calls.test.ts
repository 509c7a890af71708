import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreError } from "../../../src/errors.js";
import { createTestKeyStore, type TestKeyStore } from "../../../src/testing/index.js";
import { disk, errno, watch } from "../../support/failing-disk.js";
import { atLength } from "../../support/effort.js";
import { audio, useFolder } from "./support.js";

vi.mock("node:fs/promises", async (original) =>
  (await import("../../support/failing-disk.js")).watched(await original()),
);

const recordingId = "call-1";
const plaintext = audio(100_000);
const codes = ["EIO", "ENOSPC", "EPERM", "ENOSYS", "ERR_ACCESS_DENIED", undefined];
const failureOf = (code: string | undefined) =>
  code === undefined ? new Error("Method not implemented.") : errno(code);

describe("files on a file system of which a call fails", () => {
  const at = useFolder();
  const { path } = at;
  let parts: TestKeyStore;
  beforeEach(async () => {
    watch();
    parts ??= await createTestKeyStore();
    writeFileSync(path("plain"), plaintext);
    await parts.keyStore.encryptFile(path("plain"), path("encrypted"), { recordingId });
  });

  const work = (direction: "encrypt" | "decrypt", overwrite: boolean) =>
    direction === "encrypt"
      ? parts.keyStore.encryptFile(path("plain"), path("out"), { recordingId, overwrite, threads: 1 })
      : parts.keyStore.decryptFile(path("encrypted"), path("out"), { recordingId, overwrite, threads: 1 });
  const outcome = (promise: Promise<unknown>) =>
    promise.then(
      () => undefined,
      (error: unknown) => error,
    );

  for (const direction of ["encrypt", "decrypt"] as const) {
    for (const overwrite of [false, true]) {
      it(`${direction} with overwrite ${overwrite}: each call, once: typed, and nothing is left`, async () => {
        watch();
        await work(direction, overwrite);
        const calls = disk.calls;
        expect(calls.length).toBeGreaterThan(12);
        for (const code of atLength(codes, codes.slice(-2))) {
          for (const [index, name] of calls.entries()) {
            rmSync(path("out"));
            if (overwrite) writeFileSync(path("out"), "before");
            watch((call) => (call === index ? failureOf(code) : undefined));
            const failure = await outcome(work(direction, overwrite));
            watch();
            const what = `${index} ${name} ${code}`;
            const names = readdirSync(at.folder).filter((file) => file !== "out");
            expect({ what, names, open: disk.open.size }).toEqual({ what, names: ["encrypted", "plain"], open: 0 });
            if (failure === undefined) await checkOutput(direction);
            else {
              expect(failure, what).toBeInstanceOf(RecordingKeyStoreError);
              expect((failure as RecordingKeyStoreError).code, what).toMatch(/^ERR_FILE_/);
              if (!overwrite) expect(readdirSync(at.folder), what).not.toContain("out");
              await work(direction, overwrite); // it can be done again
            }
          }
        }
      });
    }
  }

  async function checkOutput(direction: "encrypt" | "decrypt"): Promise<void> {
    if (direction === "decrypt") return expect(readFileSync(path("out")).equals(plaintext)).toBe(true);
    const { body } = await parts.keyStore.decryptRecording(readFileSync(path("out")), { recordingId });
    expect(plaintext.equals(body)).toBe(true);
  }

  it("are made where no mode can be changed, and with the right one", async () => {
    watch((_call, name) => (name.endsWith("chmod") ? errno("EPERM") : undefined));
    await work("decrypt", false);
    expect(disk.calls).not.toContain("handle.chmod");
    expect((statSync(path("out")).mode & 0o777).toString(8)).toBe("600");
  });

  it("are refused before KMS is asked where a decrypted one would be open to others", async () => {
    parts.keyStore.forgetPrivateKeys();
    const asked = parts.kms.journal.count();
    // A file system with modes of its own, as FAT has by its mount options.
    watch((_call, name) => {
      if (name === "handle.chmod") return errno("EPERM");
      if (name === "handle.stat") for (const file of readdirSync(at.folder)) openUp(file);
      return undefined;
    });
    const openUp = (file: string) => file.endsWith(".tmp") && chmodSync(path(file), 0o755);
    await expect(work("decrypt", true)).rejects.toMatchObject({
      code: "ERR_FILE_IO",
      retryable: false,
      message: expect.stringMatching(/mode 0755.*umask=077/),
    });
    expect(parts.kms.journal.count()).toBe(asked);
    expect(readdirSync(at.folder)).toEqual(["encrypted", "plain"]);
    expect(disk.open.size).toBe(0);
    await work("encrypt", true);
  });

  it.each(["EPERM", "ENOTSUP", "EISDIR"])(
    "without hard links (%s) need overwrite, said before KMS is asked",
    async (code) => {
      parts.keyStore.forgetPrivateKeys();
      const asked = parts.kms.journal.count();
      const noLinks = () => watch((_call, name) => (name === "link" ? errno(code) : undefined));
      noLinks();
      await expect(work("decrypt", false)).rejects.toMatchObject({
        code: "ERR_FILE_IO",
        message: expect.stringMatching(/without overwrite.*no hard links/),
        cause: { code },
      });
      expect(parts.kms.journal.count()).toBe(asked);
      expect(readdirSync(at.folder)).toEqual(["encrypted", "plain"]);
      noLinks();
      await work("decrypt", true);
      expect(disk.open.size).toBe(0);
    },
  );
});
