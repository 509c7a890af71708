import { linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkHardLinks, createFile, removeTemporary, renameOver } from "../../src/util/new-file.js";
import { linkOnce, syncFile } from "../../src/util/file-system.js";
import { disk, errno, watch } from "../support/failing-disk.js";

vi.mock("node:fs/promises", async (original) => (await import("../support/failing-disk.js")).watched(await original()));
vi.mock("node:timers/promises", () => ({ setTimeout: (ms: number) => waited(ms) }));
const waited = vi.hoisted(() => vi.fn(async (_ms: number) => undefined));

let folder = "";
const path = (name: string) => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "recording-keystore-new-"));
  waited.mockClear();
  watch();
});
afterEach(() => {
  vi.unstubAllGlobals();
  rmSync(folder, { recursive: true });
});

const on = (platform: NodeJS.Platform) =>
  vi.stubGlobal("process", Object.create(process, { platform: { value: platform } }));
/** Another process has a file open for so many attempts. */
const heldFor = (attempts: number, call: string, code: string) =>
  watch((_number, name) =>
    name === call && disk.calls.filter((made) => made === call).length <= attempts ? errno(code) : undefined,
  );

describe("a name given to a file", () => {
  const operations = [
    ["rename", () => renameOver(path("new"), path("old"))],
    ["link", () => linkOnce(path("new"), path("free"))],
    ["unlink", () => removeTemporary(path("new"))],
  ] as const;
  beforeEach(() => {
    writeFileSync(path("new"), "new");
    writeFileSync(path("old"), "old");
  });

  for (const code of ["EPERM", "EACCES", "EBUSY"]) {
    it.each(operations)(`by %s is tried again on Windows while the file is held (${code})`, async (call, operation) => {
      on("win32");
      heldFor(5, call, code);
      await operation();
      expect(waited.mock.calls).toEqual([[10], [20], [40], [80], [160]]);
      expect(readdirSync(folder).sort().join()).toBe({ rename: "old", link: "free,new,old", unlink: "old" }[call]);
    });
  }

  it("is given up on Windows after less than a store call may take, with the system's failure", async () => {
    on("win32");
    heldFor(Infinity, "rename", "EPERM");
    await expect(renameOver(path("new"), path("old"))).rejects.toMatchObject({ code: "EPERM" });
    const total = waited.mock.calls.reduce((sum, [ms]) => sum + ms, 0);
    expect(total).toBeGreaterThan(2_000);
    expect(total).toBeLessThan(5_000);
    expect(readFileSync(path("old"), "utf8")).toBe("old");
  });

  it.each([
    ["linux", "EPERM"],
    ["darwin", "EBUSY"],
    ["win32", "ENOSPC"],
  ] as const)("is not tried again on %s after %s", async (platform, code) => {
    on(platform);
    heldFor(1, "rename", code);
    await expect(renameOver(path("new"), path("old"))).rejects.toMatchObject({ code });
    expect(waited).not.toHaveBeenCalled();
  });
});

describe("the trial of hard links", () => {
  beforeEach(() => writeFileSync(path("new"), "new"));

  it("passes on NFS where the answer was lost and the second request finds the first one's link", async () => {
    linkSync(path("new"), path("second"));
    await checkHardLinks(path("new"), path("second"));
    expect(readdirSync(folder)).toEqual(["new"]);
  });

  it("leaves alone what somebody else has put there", async () => {
    writeFileSync(path("second"), "another's");
    await checkHardLinks(path("new"), path("second"));
    expect(readFileSync(path("second"), "utf8")).toBe("another's");
  });
});

describe("a new file", () => {
  it("leaves neither file nor descriptor where its mode can't be looked at", async () => {
    watch((_number, name) => (name === "handle.stat" ? errno("EIO") : undefined));
    await expect(createFile(path("new"), { mode: 0o600, denied: 0o077 })).rejects.toMatchObject({ code: "EIO" });
    expect({ files: readdirSync(folder), open: disk.open.size }).toEqual({ files: [], open: 0 });
  });

  it("is given back what the umask has taken from its owner, and nothing else", async () => {
    const before = process.umask(0o277);
    try {
      await (await createFile(path("strict"), { mode: 0o600, denied: 0o077 })).close();
      process.umask(0o022);
      watch();
      await (await createFile(path("usual"), { mode: 0o600, denied: 0o077 })).close();
    } finally {
      process.umask(before);
    }
    expect(disk.calls).not.toContain("handle.chmod");
    for (const name of ["strict", "usual"]) expect((statSync(path(name)).mode & 0o777).toString(8)).toBe("600");
  });

  it("is synced by its descriptor where the handle can't, as under Yarn's Plug'n'Play", async () => {
    const handle = await createFile(path("new"));
    const sync = () => {
      throw new Error("Method not implemented.");
    };
    const limitedTo = (fd: number) => Object.create(handle, { sync: { value: sync }, fd: { value: fd } }) as FileHandle;
    await syncFile(limitedTo(handle.fd));
    await expect(syncFile(limitedTo(2 ** 30))).rejects.toMatchObject({ code: "EBADF" });
    await handle.close();
  });
});
