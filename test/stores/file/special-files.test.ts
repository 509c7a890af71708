import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileKeyPairStore } from "../../../src/stores/file.js";
import { bytes, fillOrganization } from "../records.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

/** A named pipe that nobody writes into: whoever opens it to read waits for ever. */
const pipe = (path: string) => void execFileSync("mkfifo", [path]);
/** Opening it again and again would take every thread of the pool. */
const attempts = [1, 2, 3, 4, 5, 6];

describe.skipIf(process.platform === "win32")("what is no regular file in a file store's folder", () => {
  let folder: string;
  let remove: () => Promise<void>;
  let store: FileKeyPairStore;
  beforeEach(async () => {
    ({ folder, remove } = await temporaryFolder());
    store = new FileKeyPairStore({ directory: folder });
    await fillOrganization(store, "org");
  });
  afterEach(() => remove());

  const within = (...parts: string[]) => join(folder, "organizations", "org", ...parts);
  const replaced = (path: string, make: (path: string) => unknown) => {
    renameSync(path, `${path}.before`);
    return make(path);
  };
  const socket = (path: string) =>
    new Promise<void>((resolve) => {
      const server = createServer().listen(path, () => resolve());
      server.unref();
    });

  it.each([
    ["a named pipe", pipe],
    ["a link to its file", (path: string) => symlinkSync(`${path}.before`, path)],
    ["a link to a device", (path: string) => symlinkSync("/dev/zero", path)],
    ["a link to itself", (path: string) => symlinkSync(path, path)],
    ["a socket", socket],
    ["a folder", (path: string) => mkdirSync(path)],
  ] as const)("is corrupt, and blocks no thread: %s", async (_name, make) => {
    const [head = ""] = readdirSync(within("heads"));
    for (const path of [within("pairs", "pair.record"), within("heads", head), within("status.record")])
      await replaced(path, make);
    await replaced(within("wrappings", "pair", "wrapping.record"), make);
    const reads = attempts.flatMap(() => [
      store.readKeyPair("org", "pair"),
      store.readHead("org"),
      store.readStatus("org"),
      store.listWrappings("org", "pair"),
      new FileKeyPairStore({ directory: folder }).listKeyPairs("org", { limit: 9 }),
    ]);
    for (const outcome of await Promise.allSettled(reads))
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "ERR_STORE_CORRUPT", retryable: false } });
    await expect(readFile(`${within("status.record")}.before`)).resolves.toBeDefined();
  });

  it("in the place of a folder fails the call, and blocks no thread", async () => {
    for (const name of ["pairs", "heads"]) replaced(within(name), pipe);
    rmSync(within("wrappings"), { recursive: true });
    pipe(within("wrappings"));
    const pair = { organizationId: "org", keyPairId: "next", sequence: 2, document: bytes("") };
    const fresh = new FileKeyPairStore({ directory: folder });
    const calls = attempts.flatMap(() => [
      store.createKeyPair(pair),
      store.removeKeyPair("org", "pair"),
      fresh.readHead("org"),
      fresh.createKeyPair(pair),
      fresh.listKeyPairs("org", { limit: 9 }),
      fresh.listWrappings("org", "pair"),
    ]);
    for (const outcome of await Promise.allSettled(calls))
      expect(outcome).toMatchObject({
        status: "rejected",
        reason: { code: expect.stringMatching(/ERR_STORE_UNAVAILABLE|ERR_INVALID_INPUT/) },
      });
  });

  it("is no record of this host either: the memory counts as missing", async () => {
    const host = await temporaryFolder();
    const remembering = new FileKeyPairStore({ directory: folder, hostDirectory: host.folder }).hostLastConfirmed();
    await remembering.save("org", bytes("key"));
    const [name = ""] = readdirSync(host.folder);
    replaced(join(host.folder, name), pipe);
    for (const found of await Promise.all(attempts.map(() => remembering.load("org")))) expect(found).toBeUndefined();
    await remembering.save("org", bytes("key"));
    expect(await remembering.load("org")).toEqual(bytes("key"));
    await host.remove();
  });
});
