import { copyFile, cp, mkdir, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileKeyPairStore, FileLastConfirmedStore } from "../../../src/stores/file.js";
import { recordFile } from "../../../src/stores/file/names.js";
import { bytes, fillOrganization, textLike, textWith } from "../records.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

describe("damaged files", () => {
  let folder: string;
  let remove: () => Promise<void>;
  let store: FileKeyPairStore;
  beforeEach(async () => {
    ({ folder, remove } = await temporaryFolder());
    store = new FileKeyPairStore({ directory: folder });
    await fillOrganization(store, "org");
  });
  afterEach(() => remove());

  const kinds = [
    { kind: "head", file: "heads/0000000001.record", read: () => store.readHead("org") },
    { kind: "key pair", file: "pairs/pair.record", read: () => store.readKeyPair("org", "pair") },
    {
      kind: "history",
      file: "pairs/pair.record",
      read: () => new FileKeyPairStore({ directory: folder }).listKeyPairs("org", { limit: 1 }),
    },
    { kind: "wrapping", file: "wrappings/pair/wrapping.record", read: () => store.listWrappings("org", "pair") },
    { kind: "status", file: "status.record", read: () => store.readStatus("org") },
  ];
  const pathOf = (file: string): string => join(folder, "organizations", "org", file);

  describe.each(kinds)("of a $kind", ({ file, read }) => {
    const corruption = () => ({ code: "ERR_STORE_CORRUPT", retryable: false, message: textWith(pathOf(file)) });

    it("cut short anywhere are corrupt", async () => {
      const whole = await readFile(pathOf(file));
      for (let length = 0; length < whole.length; length += 1) {
        await writeFile(pathOf(file), whole.subarray(0, length));
        await expect(read(), `${length} bytes`).rejects.toMatchObject(corruption());
      }
      await writeFile(pathOf(file), whole);
      expect(await read()).toBeDefined();
    });

    it("with any byte changed are corrupt, or of a newer version", async () => {
      const whole = await readFile(pathOf(file));
      for (let at = 0; at < whole.length; at += 1) {
        const changed = Buffer.from(whole);
        changed[at] = (changed[at] as number) ^ (1 << (at % 8));
        await writeFile(pathOf(file), changed);
        await expect(read(), `byte ${at}`).rejects.toMatchObject({
          code: textLike(/^ERR_(STORE_CORRUPT|FORMAT_TOO_NEW)$/),
        });
      }
    });

    it("that are garbage, overlong or a folder are corrupt", async () => {
      const whole = await readFile(pathOf(file));
      for (const garbage of [
        "{}",
        "\n\n\n",
        "x".repeat(500),
        Buffer.alloc(300),
        Buffer.alloc(1 << 20, 7),
        Buffer.concat([whole, bytes("\n")]),
      ]) {
        await writeFile(pathOf(file), garbage);
        await expect(read()).rejects.toMatchObject(corruption());
      }
      await unlink(pathOf(file));
      await mkdir(pathOf(file));
      await expect(read()).rejects.toMatchObject(corruption());
    });

    it("that come from another organization are corrupt", async () => {
      await fillOrganization(store, "other");
      await copyFile(pathOf(file).replace(join("organizations", "org"), join("organizations", "other")), pathOf(file));
      await expect(read()).rejects.toMatchObject(corruption());
    });

    it("of a newer version say so", async () => {
      const text = await readFile(pathOf(file), "latin1");
      await writeFile(pathOf(file), text.replace("recording-keystore 1", "recording-keystore 2"));
      await expect(read()).rejects.toMatchObject({ code: "ERR_FORMAT_TOO_NEW", message: textWith(pathOf(file)) });
    });
  });

  it("of a wrapping stand in the way of no other wrapping", async () => {
    await store.createWrapping("org", "pair", { wrappingId: "second", document: bytes("another wrapping") });
    await writeFile(pathOf("wrappings/pair/wrapping.record"), "torn");
    expect(await store.listWrappings("org", "pair")).toEqual([
      { wrappingId: "second", document: bytes("another wrapping") },
    ]);
    expect(await store.createWrapping("org", "pair", { wrappingId: "wrapping", document: bytes("a wrapping") })).toBe(
      "exists",
    );
  });

  it("stop a swap, so that no damaged head is built upon", async () => {
    await writeFile(pathOf("heads/0000000001.record"), "torn");
    await expect(store.swapHead("org", undefined, bytes("new"))).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
  });

  it("moved to another place of the same organization are noticed", async () => {
    await copyFile(pathOf("heads/0000000001.record"), pathOf("heads/0000000002.record"));
    await expect(store.readHead("org")).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
    await copyFile(pathOf("pairs/pair.record"), pathOf("pairs/copy.record"));
    await expect(store.readKeyPair("org", "copy")).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
  });

  it("of other programs are ignored", async () => {
    for (const file of [
      "heads/.DS_Store",
      "heads/0000000009.record~",
      "heads/9.record",
      "pairs/Thumbs.db",
      "pairs/PAIR.record",
      "wrappings/pair/.tmp-1",
    ]) {
      await writeFile(pathOf(file), "not ours");
    }
    await writeFile(join(folder, "organizations", ".DS_Store"), "not ours");
    const fresh = new FileKeyPairStore({ directory: folder });
    expect((await fresh.readHead("org"))?.document).toEqual(bytes("a head"));
    expect(await fresh.listKeyPairs("org", { limit: 9 })).toHaveLength(1);
    expect(await fresh.listWrappings("org", "pair")).toHaveLength(1);
    const organizations = [];
    for await (const id of fresh.organizations()) organizations.push(id);
    expect(organizations).toEqual(["org"]);
  });
});

describe("a store put back from a backup", () => {
  it("is read as it is, and no stale revision wins in it", async () => {
    const { folder, remove } = await temporaryFolder();
    const directory = join(folder, "store");
    const store = new FileKeyPairStore({ directory });
    const first = await fillOrganization(store, "org");
    await cp(directory, join(folder, "backup"), { recursive: true });
    const second = await store.swapHead("org", first.revision, bytes("second"));
    const third = await store.swapHead("org", second?.revision, bytes("third"));
    await rm(directory, { recursive: true });
    await cp(join(folder, "backup"), directory, { recursive: true });

    expect(await store.readHead("org")).toEqual(first);
    const another = await store.swapHead("org", first.revision, bytes("another second"));
    expect(another?.revision).not.toBe(second?.revision);
    for (const stale of [second, third])
      expect(await store.swapHead("org", stale?.revision, bytes("late"))).toBeUndefined();
    expect(await store.readHead("org")).toEqual(another);
    await rm(directory, { recursive: true });
    await expect(store.readHead("org")).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE", kind: "not-set-up" });
    await remove();
  });
});

describe("FileLastConfirmedStore", () => {
  let folder: string;
  let remove: () => Promise<void>;
  beforeEach(async () => ({ folder, remove } = await temporaryFolder()));
  afterEach(() => remove());

  it("gives back what was saved last, to each organization its own", async () => {
    const store = new FileLastConfirmedStore({ directory: join(folder, "host") });
    expect(await store.load("a")).toBeUndefined();
    await store.save("a", bytes("first"));
    await store.save("A", bytes("other"));
    await store.save("a", bytes("second"));
    const restarted = new FileLastConfirmedStore({ directory: join(folder, "host") });
    expect(await restarted.load("a")).toEqual(bytes("second"));
    expect(await restarted.load("A")).toEqual(bytes("other"));
    await expect(store.save("a", new Uint8Array(64 * 1024 + 1))).rejects.toMatchObject({ code: "ERR_INVALID_INPUT" });
    await expect(store.load("")).rejects.toMatchObject({ code: "ERR_INVALID_INPUT" });
  });

  it("takes a damaged, foreign or newer file for none, and writes it anew", async () => {
    const store = new FileLastConfirmedStore({ directory: folder });
    const path = join(folder, recordFile("org"));
    await store.save("org", bytes("key"));
    await store.save("other", bytes("other key"));
    const whole = await readFile(path);
    const damaged = [
      ...Array.from(whole, (_, length) => whole.subarray(0, length)),
      await readFile(join(folder, recordFile("other"))),
      Buffer.from(whole.toString("latin1").replace("recording-keystore 1", "recording-keystore 7"), "latin1"),
    ];
    for (const content of damaged) {
      await writeFile(path, content);
      expect(await store.load("org")).toBeUndefined();
    }
    await store.save("org", bytes("key"));
    expect(await store.load("org")).toEqual(bytes("key"));
  });
});
