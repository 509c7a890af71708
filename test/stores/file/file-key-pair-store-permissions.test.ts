import { chmod, chown, mkdir, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FileKeyPairStore, FileLastConfirmedStore } from "../../../src/stores/file.js";
import { bytes, fillOrganization, textWith } from "../records.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

// Facts of mode and owner are checked, not failures to open: these tests must hold for root too.
describe("permissions of the file store", () => {
  let folder: string;
  let remove: () => Promise<void>;
  beforeEach(async () => ({ folder, remove } = await temporaryFolder()));
  afterEach(async () => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
    await remove();
  });

  async function modesBelow(root: string): Promise<Record<"folders" | "files", Set<string>>> {
    const modes = { folders: new Set<string>(), files: new Set<string>() };
    for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
      const { mode } = await stat(join(entry.parentPath, entry.name));
      modes[entry.isDirectory() ? "folders" : "files"].add((mode & 0o7777).toString(8));
    }
    return modes;
  }

  it.each([
    ["open", 0o000],
    ["usual", 0o022],
    ["one that takes rights from the owner", 0o277],
  ])("are the owner's alone under a umask that is %s", async (_name, umask) => {
    vi.stubEnv("XDG_STATE_HOME", join(folder, "nor", "this"));
    const store = new FileKeyPairStore({ directory: join(folder, "not", "there", "yet") });
    const before = process.umask(umask);
    try {
      await fillOrganization(store, "org");
      await store.hostLastConfirmed().save("org", bytes("key"));
    } finally {
      process.umask(before);
    }
    const modes = await modesBelow(folder);
    expect(modes.folders).toEqual(new Set(["700"]));
    expect(modes.files).toEqual(new Set(["600"]));
  });

  it.each([0o720, 0o702, 0o777, 0o1777])("refuses a folder of mode %o, to which others can write", async (mode) => {
    await fillOrganization(new FileKeyPairStore({ directory: folder }), "org");
    await chmod(folder, mode);
    const store = new FileKeyPairStore({ directory: folder });
    const refusal = { code: "ERR_INVALID_INPUT", field: "directory", message: textWith(folder) };
    await expect(store.readHead("org")).rejects.toMatchObject(refusal);
    await expect(store.writeStatus("org", bytes(""))).rejects.toMatchObject(refusal);
    await expect(store.organizations().next()).rejects.toMatchObject(refusal);
    await expect(new FileLastConfirmedStore({ directory: folder }).load("org")).rejects.toMatchObject(refusal);
    await chmod(folder, 0o755);
    expect(await store.readHead("org")).toBeDefined();
  });

  it("refuses to write into folders of its own that were opened to others", async () => {
    await fillOrganization(new FileKeyPairStore({ directory: folder }), "org");
    await chmod(join(folder, "organizations", "org", "heads"), 0o770);
    const store = new FileKeyPairStore({ directory: folder });
    const head = await store.readHead("org");
    await expect(store.swapHead("org", head?.revision, bytes("new"))).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
    });
    expect(await store.readHead("org")).toEqual(head);
  });

  it("refuses a folder that belongs to another user, even as root", async () => {
    const { uid } = await stat(folder);
    // Root can give the folder away; anybody else has to pretend to be another.
    if (uid === 0) await chown(folder, 4711, 4711);
    else vi.spyOn(process as { geteuid: () => number }, "geteuid").mockReturnValue(uid + 1);
    await expect(new FileKeyPairStore({ directory: folder }).readHead("org")).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field: "directory",
      message: textWith(`belongs to user ${uid === 0 ? 4711 : uid}`),
    });
  });

  it("refuses what is no folder, and accepts a link to one", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    await expect(new FileKeyPairStore({ directory: file }).readHead("org")).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
    });
    await mkdir(join(folder, "real"), { mode: 0o700 });
    await symlink("real", join(folder, "link"));
    await fillOrganization(new FileKeyPairStore({ directory: join(folder, "link") }), "org");
    expect(await new FileKeyPairStore({ directory: join(folder, "real") }).readHead("org")).toBeDefined();
    for (const directory of ["", "a\0b", undefined as unknown as string]) {
      expect(() => new FileKeyPairStore({ directory })).toThrow(expect.objectContaining({ code: "ERR_INVALID_INPUT" }));
    }
  });

  it("makes nothing by being constructed or read", async () => {
    vi.stubEnv("XDG_STATE_HOME", join(folder, "state"));
    const directory = join(folder, "store");
    const store = new FileKeyPairStore({ directory });
    expect(await store.readHead("org")).toBeUndefined();
    expect(await store.hostLastConfirmed().load("org")).toBeUndefined();
    expect(await readdir(dirname(directory))).toEqual([]);
  });
});
