import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFile, mkdir, open, rename, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fileSource } from "../../src/sources/index.js";
import { openReader } from "../recording/open-reader.js";
import { encrypt } from "../recording/support.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const content = randomBytes(300_000);
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let file: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  file = join(folder.folder, "call.rec");
  await writeFile(file, content);
});
afterEach(() => folder.remove());

describe("a file as a source", () => {
  it("reads any range, many at once too", async () => {
    await using source = await fileSource(file);
    expect(source.size).toBe(content.length);
    const range = fc
      .tuple(fc.nat(content.length), fc.nat(content.length))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    await fc.assert(
      fc.asyncProperty(fc.array(range, { maxLength: 8 }), async (ranges) => {
        const read = await Promise.all(ranges.map(([start, end]) => source.read(start, end - start)));
        for (const [index, [start, end]] of ranges.entries())
          expect(content.subarray(start, end).equals(read[index]!)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("opens paths, file: URLs and links, and an empty file", async () => {
    await symlink(file, join(folder.folder, "link"));
    await writeFile(join(folder.folder, "empty"), "");
    for (const path of [file, pathToFileURL(file), join(folder.folder, "link")]) {
      await using source = await fileSource(path);
      expect(content.equals(await source.read(0, source.size))).toBe(true);
    }
    await using empty = await fileSource(join(folder.folder, "empty"));
    expect([empty.size, (await empty.read(0, 0)).length]).toEqual([0, 0]);
  });

  it("finds its file again after the working directory has changed", async () => {
    const program = `
      import { fileSource } from ${JSON.stringify(new URL("../../src/sources/index.ts", import.meta.url).href)};
      const source = await fileSource("call.rec");
      process.chdir("/");
      console.log((await source.read(0, 10)).length);
      await source.close();`;
    const script = join(folder.folder, "program.mts");
    await writeFile(script, program);
    const tsx = new URL("../../node_modules/tsx/dist/cli.mjs", import.meta.url).pathname;
    expect(execFileSync(process.execPath, [tsx, basename(script)], { cwd: dirname(file), encoding: "utf8" })).toBe(
      "10\n",
    );
  });

  const longAgo = new Date("2020-01-01T00:00:00Z");
  const changes: Record<string, () => Promise<void>> = {
    "appended to": () => appendFile(file, "x"),
    "cut short": () => truncate(file, 100),
    "written over in place": () => writeFile(file, randomBytes(content.length)),
    "given another time": () => utimes(file, new Date(), new Date(0)),
    "replaced by rename": async () => {
      await writeFile(`${file}.new`, content);
      await rename(`${file}.new`, file);
    },
    "replaced by one of the same size and time": async () => {
      await writeFile(`${file}.new`, randomBytes(content.length));
      await utimes(`${file}.new`, longAgo, longAgo);
      await rename(`${file}.new`, file);
    },
    deleted: () => rm(file),
    "moved away": () => rename(file, `${file}.old`),
  };
  for (const [name, change] of Object.entries(changes)) {
    it(`reports that it was ${name}`, async () => {
      await utimes(file, longAgo, longAgo);
      await using source = await fileSource(file);
      await source.read(0, 10);
      await change();
      await expect(source.read(50, 1_000)).rejects.toMatchObject({ code: "ERR_SOURCE_CHANGED", retryable: false });
    });
  }

  it("reads on after a short read", async () => {
    const handle = await open(file);
    await handle.close();
    const prototype = Object.getPrototypeOf(handle) as { read: (...args: unknown[]) => Promise<unknown> };
    const { read } = prototype;
    using spy = vi.spyOn(prototype, "read").mockImplementation(function (this: unknown, ...args: unknown[]) {
      const [buffer, offset, length, position] = args as [Buffer, number, number, number];
      return read.call(this, buffer, offset, Math.min(length, 1_000), position);
    });
    await using source = await fileSource(file);
    expect(content.subarray(77, 5_000).equals(await source.read(77, 4_923))).toBe(true);
    expect(spy).toHaveBeenCalledTimes(5);
  });

  it("refuses what is no regular file, and never waits for the writer of a pipe", async () => {
    await mkdir(join(folder.folder, "folder"));
    execFileSync("mkfifo", [join(folder.folder, "pipe")]);
    await symlink("loop", join(folder.folder, "loop"));
    const cases = [
      ["folder", "ERR_SOURCE_UNSUITABLE"],
      ["pipe", "ERR_SOURCE_UNSUITABLE"],
      ["loop", "ERR_SOURCE_UNSUITABLE"],
      ["missing", "ERR_SOURCE_NOT_FOUND"],
      ["call.rec/inside", "ERR_SOURCE_NOT_FOUND"],
    ] as const;
    for (const [name, code] of cases)
      await expect(fileSource(join(folder.folder, name)), name).rejects.toMatchObject({ code, retryable: false });
    for (const path of ["", "a\0b", 7, undefined, new URL("http://host/file")]) {
      await expect(fileSource(path as string)).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: "path" });
    }
  });

  it("refuses ranges outside, ends with the caller's signal, and is closed once", async () => {
    const source = await fileSource(file);
    for (const [offset, length] of [
      [-1, 1],
      [0, content.length + 1],
      [content.length, 1],
      [0.5, 1],
      [0, NaN],
    ] as const) {
      await expect(source.read(offset, length)).rejects.toMatchObject({ code: "ERR_INVALID_INPUT" });
    }
    const reason = new Error("the listener has left");
    await expect(source.read(0, 10, AbortSignal.abort(reason))).rejects.toBe(reason);
    const underWay = source.read(0, content.length);
    await Promise.all([source.close(), source.close(), underWay.catch(() => undefined)]);
    await expect(source.read(0, 10)).rejects.toMatchObject({ code: "ERR_CLOSED" });
  });

  it("is read by a recording's reader", async () => {
    const plaintext = randomBytes(50_000);
    await writeFile(file, await encrypt(plaintext));
    await using source = await fileSource(file);
    await using reader = await openReader(source);
    expect(plaintext.subarray(20_000, 30_000).equals(await reader.read(20_000, 10_000))).toBe(true);
  });
});
