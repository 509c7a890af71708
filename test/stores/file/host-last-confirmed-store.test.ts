import { createHash } from "node:crypto";
import { chmod, cp, mkdir, readdir, readFile, realpath, rm, stat, symlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FileKeyPairStore, FileLastConfirmedStore } from "../../../src/stores/file.js";
import { bytes, fillOrganization, textLike, textWith } from "../records.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

let folder: string;
let remove: () => Promise<void>;
let directory: string;
let state: string;
beforeEach(async () => {
  ({ folder, remove } = await temporaryFolder());
  folder = await realpath(folder);
  [directory, state] = [join(folder, "store"), join(folder, "state")];
  vi.stubEnv("XDG_STATE_HOME", state);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await remove();
});

const hostOf = (store: string, hostDirectory?: string) =>
  new FileKeyPairStore({ directory: store, hostDirectory }).hostLastConfirmed();

/** How a folder of records is called. */
const digestOf = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 32);

/** All files below a folder; none if it does not exist. */
async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** Puts a record that is whole and of this organization wherever a writer of the store could hope that it is read. */
async function fillStore(): Promise<void> {
  const written = join(folder, "written by an intruder");
  await new FileLastConfirmedStore({ directory: written }).save("org", bytes("the intruder's key"));
  for (const place of ["", "hosts", "host", "state", "recording-keystore", ".local/state/recording-keystore"]) {
    for (const name of ["", digestOf(directory), digestOf(hostname()).slice(0, 16)]) {
      await cp(written, join(directory, place, name), { recursive: true });
    }
  }
  await rm(written, { recursive: true });
}

describe("the last confirmed key of a host with a file store", () => {
  it("lies in the host's state directory under a digest of the store's path", async () => {
    await fillOrganization(new FileKeyPairStore({ directory }), "org");
    const before = await filesBelow(directory);
    await hostOf(directory).save("org", bytes("key"));
    expect(await filesBelow(state)).toEqual([join("recording-keystore", digestOf(directory), "org.record")]);
    expect(await filesBelow(directory)).toEqual(before);
    expect(await hostOf(directory).load("org")).toEqual(bytes("key"));
  });

  it("is readable and writable by its user alone", async () => {
    await hostOf(directory).save("org", bytes("key"));
    const modes: Record<string, string> = {};
    for (let at = join(state, ...(await filesBelow(state))); at !== folder; at = dirname(at)) {
      modes[relative(folder, at)] = ((await stat(at)).mode & 0o7777).toString(8);
    }
    const ofLibrary = join("state", "recording-keystore");
    const ofStore = join(ofLibrary, digestOf(directory));
    expect(modes).toEqual({ [join(ofStore, "org.record")]: "600", [ofStore]: "700", [ofLibrary]: "700", state: "700" });
  });

  it("is not taken from a folder in which others could have put it", async () => {
    await hostOf(directory).save("org", bytes("key"));
    const ofLibrary = join(state, "recording-keystore");
    const ofStore = join(ofLibrary, ...(await readdir(ofLibrary)));
    for (const opened of [ofLibrary, ofStore]) {
      await chmod(opened, 0o770);
      const refusal = { code: "ERR_INVALID_INPUT", field: "hostDirectory", rule: textWith(`can write to ${opened}`) };
      await expect(hostOf(directory).load("org")).rejects.toMatchObject(refusal);
      await expect(hostOf(directory).save("org", bytes("other"))).rejects.toMatchObject(refusal);
      await chmod(opened, 0o700);
    }
    expect(await hostOf(directory).load("org")).toEqual(bytes("key"));
  });

  it("is not shared by two stores", async () => {
    await hostOf(directory).save("org", bytes("key"));
    expect(await hostOf(join(folder, "other")).load("org")).toBeUndefined();
    expect(await hostOf(join(directory, "inner")).load("org")).toBeUndefined();
    await hostOf(join(folder, "other")).save("org", bytes("other"));
    expect(await hostOf(directory).load("org")).toEqual(bytes("key"));
  });

  it("starts anew where a link leads the same path to another store", async () => {
    const host = hostOf(join(folder, "link"));
    await symlink("store", join(folder, "link"));
    await host.save("org", bytes("key"));
    await rm(join(folder, "link"));
    await symlink("other", join(folder, "link"));
    expect(await host.load("org")).toBeUndefined();
    expect(await hostOf(directory).load("org")).toEqual(bytes("key"));
  });

  it("is the same by every way to the store's folder, before and after that is made", async () => {
    await symlink(".", join(folder, "parent"));
    await symlink("store", join(folder, "link"));
    vi.spyOn(process, "cwd").mockReturnValue(folder);
    const absolute = ["store", "store/", "parent/store", "x/../store", "link"].map((way) => `${folder}/${way}`);
    await hostOf(directory).save("org", bytes("key"));
    for (const made of [false, true]) {
      if (made) await fillOrganization(new FileKeyPairStore({ directory }), "org");
      for (const way of [...absolute, "store", "./parent/store/."]) {
        expect(await hostOf(way).load("org"), way).toEqual(bytes("key"));
      }
    }
  });

  it("stays where it was when the working directory changes", async () => {
    const cwd = vi.spyOn(process, "cwd").mockReturnValue(folder);
    const stores = [hostOf("store"), hostOf("store", "host")];
    cwd.mockReturnValue("/");
    for (const store of stores) await store.save("org", bytes("key"));
    expect(await hostOf(directory).load("org")).toEqual(bytes("key"));
    expect(await hostOf(directory, join(folder, "host")).load("org")).toEqual(bytes("key"));
  });

  it("keeps what it was given, whatever becomes of the caller's buffer", async () => {
    const document = bytes("key");
    const saved = hostOf(directory).save("org", document);
    document.fill(0);
    await saved;
    expect(await hostOf(directory).load("org")).toEqual(bytes("key"));
  });

  it("refuses bad input before it looks for a place", async () => {
    vi.stubEnv("XDG_STATE_HOME", join(directory, "state"));
    const host = hostOf(directory);
    await expect(host.load("")).rejects.toMatchObject({ field: "organizationId" });
    await expect(host.save("", bytes("key"))).rejects.toMatchObject({ field: "organizationId" });
    await expect(host.save("org", "key" as never)).rejects.toMatchObject({ field: "document" });
  });
});

describe("a writer of the store who fills all of its folder", () => {
  it.each([
    { kind: "by default", named: () => undefined },
    { kind: "in a named folder beside the store", named: () => join(folder, "store-host") },
    { kind: "in a named folder around the store", named: () => folder },
  ])("changes nothing that the host remembers $kind", async ({ named }) => {
    const host = hostOf(directory, named());
    await fillStore();
    expect(await host.load("org")).toBeUndefined();
    await host.save("org", bytes("key"));
    await fillStore();
    expect(await host.load("org")).toEqual(bytes("key"));
    expect(await hostOf(directory, named()).load("org")).toEqual(bytes("key"));
  });
});

describe("hostDirectory", () => {
  const refusal = () => expect.objectContaining({ code: "ERR_INVALID_INPUT", field: "hostDirectory" }) as unknown;

  it("is the folder in which the records lie", async () => {
    const hostDirectory = join(folder, "host");
    await hostOf(directory, hostDirectory).save("org", bytes("key"));
    expect(await new FileLastConfirmedStore({ directory: hostDirectory }).load("org")).toEqual(bytes("key"));
    expect(await filesBelow(state)).toEqual([]);
  });

  it("is refused as it is written where it is the store's folder or lies inside", () => {
    vi.spyOn(process, "cwd").mockReturnValue(folder);
    const inside = [directory, "store", "store/", "./store/host", "x/../store/host", "store/a/../b/..", "store/..host"];
    for (const path of inside) expect(() => hostOf(directory, path), path).toThrow(refusal());
    expect(() => hostOf("/", join(folder, "host"))).toThrow(refusal());
    for (const path of ["", "a\0b", 7 as never]) expect(() => hostOf(directory, path)).toThrow(refusal());
    const beside = ["store-host", "host", "store/../host", "..", ".", "/"];
    for (const path of beside) expect(() => hostOf(directory, path), path).not.toThrow();
  });

  const leading: Record<string, () => Promise<string>> = {
    "is a link to the store": async () => link("host", directory),
    "is a link to a folder of the store": async () => link("host", join(directory, "host")),
    "is a link to what does not exist in the store yet": async () => link("host", "store/later"),
    "lies behind a link to the store": async () => join(await link("way", "./x/../store"), "host", "deep"),
    "leads through the store and out again": async () => {
      await link("store/out", join(folder, "elsewhere"));
      return link("host", "store/out");
    },
    "reaches the store by several links": async () => {
      await link("third", directory);
      await link("second", join(folder, "third", "host"));
      return join(await link("first", "second"), "deep");
    },
  };
  async function link(name: string, target: string): Promise<string> {
    await symlink(target, join(folder, name));
    return join(folder, name);
  }

  it.each(Object.keys(leading))("is refused at its first use where it %s", async (way) => {
    for (const made of ["store/host", "elsewhere", "x"]) await mkdir(join(folder, made), { recursive: true });
    const host = hostOf(directory, await leading[way]?.());
    await expect(host.save("org", bytes("key"))).rejects.toEqual(refusal());
    await expect(host.load("org")).rejects.toMatchObject({ rule: textLike(/^must lie outside `directory`, but /) });
    expect(await filesBelow(folder)).toEqual([]);
  });

  it("is refused where the store itself lies behind a link that leads around it", async () => {
    const host = hostOf(await link("way", "host"), join(folder, "host", "inner"));
    await expect(host.load("org")).rejects.toEqual(refusal());
    await mkdir(join(folder, "host", "inner"), { recursive: true });
    await expect(host.load("org")).rejects.toEqual(refusal());
  });

  it("is refused as soon as a link on the way is turned into the store", async () => {
    const host = hostOf(directory, join(await link("host", "."), "records"));
    await host.save("org", bytes("key"));
    await rm(join(folder, "host"));
    await link("host", directory);
    await expect(host.load("org")).rejects.toEqual(refusal());
  });

  it("may lie behind links that do not meet the store", async () => {
    await mkdir(join(folder, "real"), { mode: 0o700 });
    const hostDirectory = join(await link("host", "./real/../real"), "records");
    await hostOf(directory, hostDirectory).save("org", bytes("key"));
    expect(await filesBelow(join(folder, "real"))).toEqual(["records/org.record"]);
    expect(await hostOf(directory, hostDirectory).load("org")).toEqual(bytes("key"));
  });

  it("behind links without end is unavailable", async () => {
    await link("one", "two");
    await link("two", "one");
    const failure = { code: "ERR_STORE_UNAVAILABLE", cause: { code: "ELOOP" } };
    await expect(hostOf(directory, join(folder, "one")).load("org")).rejects.toMatchObject(failure);
  });
});

describe("a host without a place outside the store", () => {
  it("says that one must be named where the state directory lies in the store", async () => {
    const rule = textLike(/^is required, as its default \/.* leads into/);
    const refusal = { code: "ERR_INVALID_INPUT", field: "hostDirectory", rule };
    for (const inside of ["/", folder, state, join(state, "recording-keystore")]) {
      await expect(hostOf(inside).load("org")).rejects.toMatchObject(refusal);
      await expect(hostOf(inside).save("org", bytes("key"))).rejects.toMatchObject(refusal);
    }
    await symlink("store", state);
    await mkdir(directory, { mode: 0o700 });
    await expect(hostOf(directory).save("org", bytes("key"))).rejects.toMatchObject(refusal);
    expect(await filesBelow(folder)).toEqual([]);
  });

  it("says that one must be named where no home directory is known", async () => {
    vi.stubEnv("XDG_STATE_HOME", undefined);
    vi.stubEnv("HOME", "");
    const failure = { code: "ERR_STORE_UNAVAILABLE", retryable: false, message: textWith("`hostDirectory`") };
    await expect(hostOf(directory).load("org")).rejects.toMatchObject(failure);
    await expect(hostOf(directory).save("org", bytes("key"))).rejects.toMatchObject(failure);
    const named = hostOf(directory, join(folder, "host"));
    await named.save("org", bytes("key"));
    expect(await named.load("org")).toEqual(bytes("key"));
  });

  it("asks for one where the state directory cannot be written, and saves once it can", async () => {
    // Also root can't make a folder inside a file.
    await writeFile(state, "");
    const unavailable = { code: "ERR_STORE_UNAVAILABLE", retryable: true, cause: { code: "ENOTDIR" } };
    const failure = { ...unavailable, message: textWith("`hostDirectory`") };
    const host = hostOf(directory);
    await expect(host.load("org")).rejects.toMatchObject(failure);
    await expect(host.save("org", bytes("key"))).rejects.toMatchObject(failure);
    const named = hostOf(directory, join(state, "host")).save("org", bytes("key"));
    const withoutAdvice = { ...unavailable, message: expect.not.stringContaining("name a folder") };
    await expect(named).rejects.toMatchObject(withoutAdvice);
    await rm(state);
    await host.save("org", bytes("key"));
    expect(await host.load("org")).toEqual(bytes("key"));
  });

  it("saves while the store's own folder cannot be used", async () => {
    await hostOf(directory).save("org", bytes("key"));
    await writeFile(directory, "no folder");
    expect(await hostOf(directory).load("org")).toEqual(bytes("key"));
    await rm(directory);
    await mkdir(directory, { mode: 0o777 });
    await chmod(directory, 0o777);
    const store = new FileKeyPairStore({ directory });
    await expect(store.readHead("org")).rejects.toMatchObject({ code: "ERR_INVALID_INPUT" });
    expect(await hostOf(directory).load("org")).toEqual(bytes("key"));
    expect(await readFile(join(state, ...(await filesBelow(state))), "utf8")).toContain("key");
  });
});
