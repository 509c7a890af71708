import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileKeyPairStore } from "../../../src/stores/file.js";
import { bytes, fillOrganization } from "../records.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const gone = { code: "ERR_STORE_UNAVAILABLE", kind: "not-set-up", retryable: true };
const wasSeen = /^The key pairs in .* are gone: is its disk mounted\?/;
const wasNever = /^There are no key pairs in .*: nothing has been configured there yet, or its disk is not mounted\.$/;
const next = { organizationId: "org", keyPairId: "next", sequence: 2, document: bytes("next") };
const callsOf = (store: FileKeyPairStore): Promise<unknown>[] => [
  store.readHead("org"),
  store.readKeyPair("org", "pair"),
  store.listKeyPairs("org", { limit: 9 }),
  store.listWrappings("org", "pair"),
  store.readStatus("org"),
  store.swapHead("org", undefined, bytes("anew")),
  store.createKeyPair(next),
  store.createWrapping("org", "pair", { wrappingId: "next", document: bytes("next") }),
  store.writeStatus("org", bytes("anew")),
  store.removeKeyPair("org", "pair"),
  store.organizations().next(),
];

/** Whether this user may mount a file system. */
const mayMount = ((): boolean => {
  try {
    execFileSync("unshare", ["-m", "true"], { stdio: "ignore" });
    return process.geteuid?.() === 0;
  } catch {
    return false;
  }
})();

describe("a file store whose folder vanishes", () => {
  let folder: string;
  let remove: () => Promise<void>;
  let directory: string;
  let store: FileKeyPairStore;
  beforeEach(async () => {
    ({ folder, remove } = await temporaryFolder());
    directory = join(folder, "store");
    store = new FileKeyPairStore({ directory });
  });
  afterEach(() => remove());

  const expectGone = async (message = wasSeen) => {
    const reason = { ...gone, message: expect.stringMatching(message) as unknown };
    for (const answer of await Promise.allSettled(callsOf(store)))
      expect(answer).toMatchObject({ status: "rejected", reason });
  };
  const expectBack = async () => {
    expect((await store.readHead("org"))?.document).toEqual(bytes("a head"));
    expect(await store.createKeyPair(next)).toBe("created");
    expect(await store.listKeyPairs("org", { limit: 9 })).toHaveLength(2);
  };

  it("is away, makes nothing anew, and works again by itself when it is back", async () => {
    await fillOrganization(store, "org");
    renameSync(directory, join(folder, "away"));
    await expectGone();
    expect(readdirSync(folder)).toEqual(["away"]);
    renameSync(join(folder, "away"), directory);
    await expectBack();
  });

  it("is away where an empty folder stands in its place, also for a process that has only read it", async () => {
    await fillOrganization(new FileKeyPairStore({ directory }), "org");
    await store.readHead("org");
    renameSync(directory, join(folder, "away"));
    mkdirSync(directory, { mode: 0o700 });
    await expectGone();
    expect(readdirSync(directory)).toEqual([]);
    rmSync(directory, { recursive: true });
    renameSync(join(folder, "away"), directory);
    await expectBack();
  });

  it("is never made by a process that must find it", async () => {
    store = new FileKeyPairStore({ directory, create: false });
    await expectGone(wasNever);
    expect(readdirSync(folder)).toEqual([]);
    await fillOrganization(new FileKeyPairStore({ directory }), "org");
    await expectBack();
    expect(() => new FileKeyPairStore({ directory, create: "no" as never })).toThrow(/create: must be true or false/);
  });

  it(mayMount ? "is away while its disk is not mounted" : "not checked: this user may mount no disk", async () => {
    if (!mayMount) return;
    mkdirSync(directory, { mode: 0o700 });
    // A bind of a folder, which unlike a tmpfs keeps what is in it.
    const disk = join(folder, "disk");
    mkdirSync(disk, { mode: 0o700 });
    const mount = () => execFileSync("mount", ["--bind", disk, directory]);
    const unmount = () => execFileSync("umount", [directory]);
    mount();
    try {
      await fillOrganization(store, "org");
      unmount();
      await expectGone();
      expect(readdirSync(directory)).toEqual([]);
      mount();
      await expectBack();
    } finally {
      unmount();
    }
  });
});
