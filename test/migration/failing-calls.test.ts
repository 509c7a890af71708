import { existsSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { RecordingKeyStoreError } from "../../src/index.js";
import { migrateRecordings } from "../../src/migration/index.js";
import { createTestKeyStore, type TestKeyStore } from "../../src/testing/index.js";
import { atLength } from "../support/effort.js";
import { disk, errno, watch } from "../support/failing-disk.js";
import { temporaryFolder, withContents } from "../support/temporary-folder.js";
import { filesBelow, opened, plainFiles } from "./support.js";

vi.mock("node:fs/promises", async (original) => (await import("../support/failing-disk.js")).watched(await original()));

const one = { "a/1.wav": Buffer.alloc(100_000, "one") };
const contents = atLength<Readonly<Record<string, Buffer>>>({ ...one, "2.wav": Buffer.from("two") }, one);
const count = Object.keys(contents).length;
const codes = atLength(["ENOSPC", "EIO", "EPERM", "EACCES", "ENOENT"], ["ENOSPC"]);

describe("a migration on a file system that fails", () => {
  let folder: string;
  let remove: () => Promise<void>;
  let world: TestKeyStore;
  const plain = (path = "") => join(folder, "plain", path);
  const encrypted = (path = "") => join(folder, "encrypted", path);
  beforeEach(async () => {
    watch();
    ({ folder, remove } = await temporaryFolder("migration-"));
    world = await createTestKeyStore();
  });
  afterEach(async () => {
    watch();
    await remove();
  });

  const prepare = async () => {
    await rm(folder, withContents);
    await mkdir(folder);
    await plainFiles(plain(), contents);
  };
  const migrate = () =>
    migrateRecordings(world.keyStore, {
      directory: plain(),
      outputDirectory: encrypted(),
      reportPath: join(folder, "report.jsonl"),
      deletePlain: true,
      concurrency: 1,
    });

  /** Each content is in its plain file, or opens; and what has a name is whole. */
  const nothingIsLost = async (what: string) => {
    for (const [path, content] of Object.entries(contents)) {
      const output = encrypted(`${path}.rec`);
      const isPlain = existsSync(plain(path)) && readFileSync(plain(path)).equals(content);
      const opens = existsSync(output) && (await opened(world.keyStore, output)).equals(content);
      expect({ what, path, isThere: isPlain || opens }).toEqual({ what, path, isThere: true });
      expect({ what, path, isHalf: existsSync(output) && !opens }).toEqual({ what, path, isHalf: false });
    }
    expect({ what, open: disk.open.size }).toEqual({ what, open: 0 });
  };

  const fails = async (what: string, failure: typeof disk.failure) => {
    await prepare();
    watch(failure);
    const outcome = await migrate().catch((error: unknown) => error);
    watch();
    if (outcome instanceof Error) expect(outcome, what).toBeInstanceOf(RecordingKeyStoreError);
    await nothingIsLost(what);
    const { files, complete } = await migrate();
    expect({ what, deleted: files.deleted, complete }).toEqual({ what, deleted: count, complete: true });
    expect(await filesBelow(plain())).toEqual([]);
    await nothingIsLost(what);
  };

  it.each(codes)("loses nothing by any call that fails once, with %s, and the next run finishes", async (code) => {
    await prepare();
    watch();
    await migrate();
    const { calls } = disk;
    expect(calls.filter((name) => name === "unlink").length).toBeGreaterThanOrEqual(count);
    const isShort = (index: number, name: string) => [calls.indexOf(name), calls.lastIndexOf(name)].includes(index);
    for (const [index, name] of calls.entries())
      if (atLength(true, isShort(index, name)))
        await fails(`${index} ${name} ${code}`, (call) => (call === index ? errno(code) : undefined));
  });

  it(
    "loses nothing by a disk that fails from any call on, and the next run finishes",
    { timeout: 300_000 },
    async () => {
      await prepare();
      watch();
      await migrate();
      const { calls } = disk;
      for (let index = 0; index < calls.length; index += atLength(1, 4))
        await fails(`${index} on`, (call) => (call >= index ? errno("EIO") : undefined));
    },
  );
});
