import type * as FileSystem from "node:fs/promises";
import { readdir, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreError } from "../../../src/errors.js";
import { FileKeyPairStore } from "../../../src/stores/file.js";
import { bytes, fillOrganization, textLike, textWith } from "../records.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

type Operation = "open" | "write" | "sync" | "link" | "rename" | "mkdir" | "readdir" | "read" | "unlink" | "access";

const disk = vi.hoisted(() => ({
  /** Called before each operation on a path; what it throws is what the operating system answers. */
  before: undefined as ((operation: Operation, path: string) => void | Promise<void>) | undefined,
  /** The operation happens, but its answer is lost and replaced by this. */
  afterLink: undefined as (() => void) | undefined,
}));

vi.mock("node:fs/promises", async (importOriginal) => {
  const real = await importOriginal<typeof FileSystem>();
  const guarded =
    <Args extends unknown[], Result>(operation: Operation, call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      await disk.before?.(operation, String(args[0]));
      return call(...args);
    };
  return {
    ...real,
    access: guarded("access", real.access),
    mkdir: guarded("mkdir", real.mkdir as (path: string) => Promise<string | undefined>),
    readdir: guarded("readdir", real.readdir as (path: string) => Promise<string[]>),
    rename: guarded("rename", real.rename),
    unlink: guarded("unlink", real.unlink),
    link: async (from: string, to: string) => {
      await disk.before?.("link", to);
      await real.link(from, to);
      disk.afterLink?.();
    },
    open: async (path: string, ...rest: [string]) => {
      await disk.before?.("open", path);
      const handle = await real.open(path, ...rest);
      const { writeFile: write, readFile: read, sync } = handle;
      const guard = async (operation: Operation) => disk.before?.(operation, path);
      return Object.assign(handle, {
        writeFile: (data: Uint8Array) => guard("write").then(() => write.call(handle, data)),
        readFile: () => guard("read").then(() => read.call(handle)),
        sync: () => guard("sync").then(() => sync.call(handle)),
      });
    },
  };
});

function answer(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: as the test says`), { code });
}

describe("a file system that fails", () => {
  let folder: string;
  let remove: () => Promise<void>;
  let store: FileKeyPairStore;
  beforeEach(async () => {
    ({ folder, remove } = await temporaryFolder());
    store = new FileKeyPairStore({ directory: folder });
  });
  afterEach(async () => {
    disk.before = disk.afterLink = undefined;
    await remove();
  });

  const failOn = (operation: Operation, code: string, path = ""): void => {
    disk.before = (happening, where) => {
      if (happening === operation && where.includes(path)) throw answer(code);
    };
  };
  const filesIn = async (...parts: string[]): Promise<string[]> =>
    (await readdir(join(folder, "organizations", "org", ...parts))).sort();
  const pair = { organizationId: "org", keyPairId: "pair", sequence: 1, document: bytes("content") };

  it.each([
    ["mkdir", "EROFS"],
    ["mkdir", "EACCES"],
    ["open", "EACCES"],
    ["open", "EMFILE"],
    ["write", "ENOSPC"],
    ["write", "EDQUOT"],
    ["sync", "EIO"],
    ["link", "EIO"],
    ["link", "ENOSPC"],
  ] as const)("in %s with %s is unavailable, leaves nothing behind, and heals", async (operation, code) => {
    failOn(operation, code, operation === "open" ? ".tmp-" : "");
    const failure = await store.createKeyPair(pair).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RecordingKeyStoreError);
    expect(failure).toMatchObject({
      code: "ERR_STORE_UNAVAILABLE",
      retryable: true,
      message: textWith(code),
      cause: { code },
    });
    disk.before = undefined;
    expect(await store.readKeyPair("org", "pair")).toBeUndefined();
    expect(await store.createKeyPair(pair)).toBe("created");
    expect(await filesIn("pairs")).toEqual(["pair.record"]);
  });

  it("on reading is unavailable, never a missing record", async () => {
    await fillOrganization(store, "org");
    const reads = [
      () => store.readHead("org"),
      () => store.readKeyPair("org", "pair"),
      () => new FileKeyPairStore({ directory: folder }).listKeyPairs("org", { limit: 1 }),
      () => store.listWrappings("org", "pair"),
      () => store.readStatus("org"),
      () => store.hostLastConfirmed().load("org"),
    ];
    await store.hostLastConfirmed().save("org", bytes("key"));
    for (const operation of ["open", "read"] as const) {
      failOn(operation, "EIO");
      for (const read of reads) {
        await expect(read()).rejects.toMatchObject({
          code: "ERR_STORE_UNAVAILABLE",
          retryable: true,
          cause: { code: "EIO" },
        });
      }
    }
    failOn("access", "ESTALE");
    await expect(store.readHead("org")).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    failOn("readdir", "EACCES");
    await expect(store.listKeyPairs("org", { limit: 1 })).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
  });

  it("in a rename keeps the old status", async () => {
    await store.writeStatus("org", bytes("old"));
    failOn("rename", "EIO");
    await expect(store.writeStatus("org", bytes("new"))).rejects.toMatchObject({
      code: "ERR_STORE_UNAVAILABLE",
      retryable: true,
    });
    expect(await store.readStatus("org")).toEqual(bytes("old"));
    expect(await filesIn()).toEqual(["status.record"]);
  });

  it.each(["EPERM", "ENOTSUP", "ENOSYS"])("has no hard links (%s): says so and what to do", async (code) => {
    failOn("link", code);
    await expect(store.createKeyPair(pair)).rejects.toMatchObject({
      code: "ERR_STORE_UNAVAILABLE",
      retryable: false,
      message: textLike(/hard links.*local disk/),
      cause: { code },
    });
    expect(await filesIn("pairs")).toEqual([]);
  });

  it.each(["EPERM", "ENOSPC", "EROFS"])("is found out before anything is stored (%s in a link)", async (code) => {
    await store.checkWritable("org");
    await store.createKeyPair(pair);
    failOn("link", code);
    const written = await store.createKeyPair({ ...pair, keyPairId: "next" }).catch((error: unknown) => error);
    await expect(store.checkWritable("org")).rejects.toMatchObject({
      code: "ERR_STORE_UNAVAILABLE",
      kind: (written as { kind: string }).kind,
      cause: { code },
    });
    disk.before = undefined;
    expect(await filesIn("pairs")).toEqual(["pair.record"]);
    expect((await readdir(folder)).filter((name) => name.includes("tmp"))).toEqual([]);
  });

  it("has nothing in it after a store was tried out", async () => {
    await store.checkWritable("org");
    expect(await readdir(folder)).toEqual([]);
    expect(await store.organizations().next()).toEqual({ done: true, value: undefined });
    expect(await store.readHead("org")).toBeUndefined();
  });

  it("cannot sync folders is used all the same", async () => {
    disk.before = (operation, path) => {
      if (operation === "sync" && !path.includes(".tmp-")) throw answer("EINVAL");
    };
    expect(await store.createKeyPair(pair)).toBe("created");
  });

  it("loses the answer to a link and repeats it: the writer still knows that it won", async () => {
    disk.afterLink = () => {
      throw answer("EEXIST");
    };
    expect(await store.createKeyPair(pair)).toBe("created");
    expect(await store.createKeyPair(pair)).toBe("exists");
    expect(await store.swapHead("org", undefined, bytes("head"))).toBeDefined();
  });

  it("will not remove a temporary file: the record counts, and the file is no record", async () => {
    failOn("unlink", "EIO");
    expect(await store.createKeyPair(pair)).toBe("created");
    disk.before = undefined;
    expect(await filesIn("pairs")).toHaveLength(2);
    expect(await store.listKeyPairs("org", { limit: 9 })).toEqual([pair]);
  });

  it.each(["pair.record", "wrapping.record"])(
    "in a removal, at %s, leaves nothing that reads as damaged, and ends when repeated",
    async (at) => {
      await fillOrganization(store, "org");
      failOn("unlink", "EIO", at);
      await expect(store.removeKeyPair("org", "pair")).rejects.toMatchObject({
        code: "ERR_STORE_UNAVAILABLE",
        retryable: true,
        cause: { code: "EIO" },
      });
      disk.before = undefined;
      const [pairs, wrappings] = [
        await store.listKeyPairs("org", { limit: 9 }),
        await store.listWrappings("org", "pair"),
      ];
      expect(pairs.length).toBeLessThanOrEqual(wrappings.length); // a pair never stands without its mark
      expect(await store.removeKeyPair("org", "pair")).toBe(at === "pair.record");
      for (const each of [store, new FileKeyPairStore({ directory: folder })]) {
        expect(await each.readKeyPair("org", "pair")).toBeUndefined();
        expect(await each.listWrappings("org", "pair")).toEqual([]);
      }
      expect(await filesIn("wrappings")).toEqual([]);
      await fillOrganization(store, "other");
    },
  );

  it("syncs the folder of a pair before it says that it was removed, also for one that was gone", async () => {
    await fillOrganization(store, "org");
    const steps: string[] = [];
    disk.before = (operation, path) => {
      if (operation === "unlink" || operation === "sync")
        steps.push(`${operation} ${path.slice(`${folder}/organizations/org`.length)}`);
    };
    await store.removeKeyPair("org", "pair");
    expect(steps).toEqual([
      "unlink /pairs/pair.record",
      "sync /pairs",
      "unlink /wrappings/pair/wrapping.record",
      "sync /wrappings/pair",
    ]);
    steps.length = 0;
    await store.removeKeyPair("org", "pair");
    expect(steps).toEqual(["unlink /pairs/pair.record", "sync /pairs"]);
  });

  it("syncs file and folders before it acknowledges", async () => {
    const steps: string[] = [];
    disk.before = (operation, path) => {
      if (operation === "access" || (operation === "open" && !path.includes(".tmp-"))) return;
      steps.push(`${operation} ${path.slice(folder.length).replace(/\.tmp-\w+/, "temporary")}`);
    };
    await store.createKeyPair(pair);
    expect(steps).toEqual([
      expect.stringMatching(/^mkdir $/),
      expect.stringMatching(/^sync /),
      "mkdir /organizations",
      "sync ",
      "mkdir /organizations/org",
      "sync /organizations",
      "mkdir /organizations/org/pairs",
      "sync /organizations/org",
      "open /organizations/org/pairs/temporary",
      "write /organizations/org/pairs/temporary",
      "sync /organizations/org/pairs/temporary",
      "readdir /organizations/org/pairs",
      "link /organizations/org/pairs/pair.record",
      "unlink /organizations/org/pairs/temporary",
      "sync /organizations/org/pairs",
    ]);
    steps.length = 0;
    expect(await store.createKeyPair(pair)).toBe("exists");
    // The writer that was first may have crashed before its own sync.
    expect(steps.at(-1)).toBe("sync /organizations/org/pairs");
  });

  it("is read for a known head without listing", async () => {
    await fillOrganization(store, "org");
    const operations: string[] = [];
    disk.before = (operation) => void operations.push(operation);
    await store.readHead("org");
    expect(operations).toEqual(["access", "open", "read"]);
  });

  it("is abandoned before the link when the caller aborts", async () => {
    const controller = new AbortController();
    disk.before = (operation) => {
      if (operation === "write") controller.abort(new Error("gone"));
    };
    await expect(store.createKeyPair(pair, { signal: controller.signal })).rejects.toThrow("gone");
    await expect(store.writeStatus("org", bytes("status"), { signal: controller.signal })).rejects.toThrow("gone");
    disk.before = undefined;
    expect(await store.readKeyPair("org", "pair")).toBeUndefined();
    expect(await filesIn("pairs")).toEqual([]);
  });
});

describe("temporary files of crashed writers", () => {
  it("are swept by a later writer when they are an hour old, and not before", async () => {
    const { folder, remove } = await temporaryFolder();
    await fillOrganization(new FileKeyPairStore({ directory: folder }), "org");
    const pairs = join(folder, "organizations", "org", "pairs");
    const now = (await stat(pairs)).mtimeMs / 1000;
    for (const [name, age] of [
      ["old", 3700],
      ["older", 90_000],
      ["young", 3500],
      ["younger", 0],
    ] as const) {
      await writeFile(join(pairs, `.tmp-${name}`), "half a rec");
      await utimes(join(pairs, `.tmp-${name}`), now - age, now - age);
    }
    vi.useFakeTimers({ now: Date.now() + 1e12, toFake: ["Date"] });
    const later = new FileKeyPairStore({ directory: folder });
    expect(await later.listKeyPairs("org", { limit: 9 })).toHaveLength(1);
    await later.createKeyPair({ organizationId: "org", keyPairId: "next", sequence: 2, document: bytes("") });
    vi.useRealTimers();
    expect((await readdir(pairs)).sort()).toEqual([".tmp-young", ".tmp-younger", "next.record", "pair.record"]);
    await remove();
  });

  it("that were swept while their writer slept fail that writer only, and it may try again", async () => {
    const { folder, remove } = await temporaryFolder();
    const store = new FileKeyPairStore({ directory: folder });
    await fillOrganization(store, "org");
    const heads = join(folder, "organizations", "org", "heads");
    const head = await store.readHead("org");
    disk.before = async (operation) => {
      if (operation !== "link") return;
      disk.before = undefined;
      for (const name of await readdir(heads)) {
        if (name.startsWith(".tmp-")) await utimes(join(heads, name), 0, 0);
      }
      await new FileKeyPairStore({ directory: folder }).swapHead("org", head?.revision, bytes("by another"));
    };
    await expect(store.swapHead("org", head?.revision, bytes("by the sleeper"))).rejects.toMatchObject({
      code: "ERR_STORE_UNAVAILABLE",
      retryable: true,
    });
    expect((await store.readHead("org"))?.document).toEqual(bytes("by another"));
    await remove();
  });
});
