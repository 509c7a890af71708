import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { RecordingKeyStoreError } from "../../../src/errors.js";
import { FileKeyPairStore } from "../../../src/stores/file.js";
import { disk, errno, watch } from "../../support/failing-disk.js";
import { bytes, fillOrganization } from "../records.js";
import { atLength } from "../../support/effort.js";
import { withContents } from "../../support/temporary-folder.js";

vi.mock("node:fs/promises", async (original) =>
  (await import("../../support/failing-disk.js")).watched(await original()),
);

const codes = ["EIO", "ENOSPC", "EPERM", "ENOSYS", "ERR_ACCESS_DENIED", undefined];
const failureOf = (code: string | undefined) =>
  code === undefined ? new Error("Method not implemented.") : errno(code);
const pair = { organizationId: "org", keyPairId: "next", sequence: 2, document: bytes("content") };

type Operation = (store: FileKeyPairStore) => Promise<unknown>;
const writes: readonly (readonly [string, Operation])[] = [
  ["createKeyPair", (store) => store.createKeyPair(pair)],
  ["createWrapping", (store) => store.createWrapping("org", "next", { wrappingId: "w", document: bytes("w") })],
  ["swapHead", async (store) => store.swapHead("org", (await store.readHead("org"))?.revision, bytes("head"))],
  ["writeStatus", (store) => store.writeStatus("org", bytes("status"))],
  ["removeKeyPair", (store) => store.removeKeyPair("org", "pair")],
  ["hostLastConfirmed.save", (store) => store.hostLastConfirmed().save("org", bytes("key"))],
];
const reads: readonly (readonly [string, Operation])[] = [
  ["readHead", (store) => store.readHead("org")],
  ["readKeyPair", (store) => store.readKeyPair("org", "pair")],
  ["listKeyPairs", (store) => store.listKeyPairs("org", { limit: 9 })],
  ["listWrappings", (store) => store.listWrappings("org", "pair")],
  ["readStatus", (store) => store.readStatus("org")],
  ["hostLastConfirmed.load", (store) => store.hostLastConfirmed().load("org")],
];

/** A store of which nothing but the folder around it exists, or a copy of one. */
function world(copied?: string): { root: string; open: () => FileKeyPairStore } {
  const root = mkdtempSync(join(tmpdir(), "recording-keystore-calls-"));
  onTestFinished(() => rmSync(root, withContents));
  if (copied) cpSync(copied, root, { recursive: true });
  watch();
  return {
    root,
    open: () => new FileKeyPairStore({ directory: join(root, "store"), hostDirectory: join(root, "host") }),
  };
}

/** A store with an organization in it. */
async function filled(): Promise<string> {
  const { root, open } = world();
  await fillOrganization(open(), "org");
  await open().hostLastConfirmed().save("org", bytes("key"));
  return root;
}

const settled = (promise: Promise<unknown>) =>
  promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
const temporaryFiles = (root: string) =>
  readdirSync(root, { recursive: true }).filter((name) => String(name).includes(".tmp-"));

describe("a file store on a file system of which a call fails", () => {
  for (const isFilled of [false, true]) {
    it.each([...writes, ...(isFilled ? reads : [])])(
      `%s, ${isFilled ? "filled" : "not there yet"}: each call, once: typed, and nothing is left`,
      async (_name, operation) => {
        const origin = isFilled ? await filled() : undefined;
        const whole = world(origin);
        const wanted = await operation(whole.open());
        const calls = disk.calls;
        expect(calls.length).toBeGreaterThan(0);
        for (const code of atLength(codes, codes.slice(-2))) {
          for (const [index, name] of calls.entries()) {
            const { root, open } = world(origin);
            const store = open();
            watch((call) => (call === index ? failureOf(code) : undefined));
            const outcome = await settled(operation(store));
            watch();
            const what = `${index} ${name} ${code}`;
            expect({ what, files: temporaryFiles(root), open: disk.open.size }).toEqual({ what, files: [], open: 0 });
            if ("error" in outcome) {
              expect(outcome.error, what).toBeInstanceOf(RecordingKeyStoreError);
              expect((outcome.error as RecordingKeyStoreError).code, what).toMatch(/^ERR_(STORE_|INVALID_INPUT)/);
              await operation(store); // the same store gets over it
            } else expect(outcome, what).toEqual({ value: wanted });
            rmSync(root, withContents);
          }
        }
      },
    );
  }

  it("is used where no mode can be changed", async () => {
    const { root, open } = world();
    watch((_call, name) => (name.endsWith("chmod") ? errno("EPERM") : undefined));
    await fillOrganization(open(), "org");
    expect(disk.calls.filter((name) => name.endsWith("chmod"))).toEqual([]);
    expect(temporaryFiles(root)).toEqual([]);
  });

  it("is refused where the file system lets others write, and leaves no folder", async () => {
    const { root, open } = world();
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    // A file system with modes of its own: what was made is another folder by the time it is looked at.
    watch((_call, name) => {
      if (name === "chmod") return errno("EPERM");
      if (name === "stat" && readdirSync(root).includes("store")) remake(join(root, "store"));
      return undefined;
    });
    const remake = (folder: string) => {
      rmSync(folder, { recursive: true });
      mkdirSync(folder, { mode: 0o777 });
    };
    await expect(open().createKeyPair(pair)).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: "directory" });
    expect(readdirSync(root)).toEqual([]);
  });
});
