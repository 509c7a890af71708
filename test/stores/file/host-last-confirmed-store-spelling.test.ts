import type * as FileSystem from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { FileKeyPairStore } from "../../../src/stores/file.js";
import { bytes } from "../records.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const disk = vi.hoisted(() => ({ numbersFiles: true }));

/** A file system that takes `A` for `a`, as those of Windows and macOS do. */
vi.mock("node:fs/promises", async (importOriginal) => {
  const real = await importOriginal<typeof FileSystem>();
  return {
    ...real,
    stat: async (path: string, options: { bigint: true }) => {
      const facts = await real.stat(path.replace(/\bSTORE\b/, "store"), options);
      return disk.numbersFiles ? facts : Object.assign(facts, { ino: 0n });
    },
  };
});

describe("hostDirectory", () => {
  let remove: () => Promise<void> = async () => undefined;
  afterEach(() => remove());

  async function hostInside(spelling: string): Promise<ReturnType<FileKeyPairStore["hostLastConfirmed"]>> {
    const temporary = await temporaryFolder();
    remove = temporary.remove;
    const [directory, hostDirectory] = [join(temporary.folder, "store"), join(temporary.folder, spelling, "host")];
    const store = new FileKeyPairStore({ directory, hostDirectory });
    await store.writeStatus("org", bytes("a status"));
    return store.hostLastConfirmed();
  }

  it("is refused inside the store also where it is spelled otherwise", async () => {
    disk.numbersFiles = true;
    const host = await hostInside("STORE");
    await expect(host.load("org")).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: "hostDirectory" });
    const beside = await hostInside("other");
    expect(await beside.load("org")).toBeUndefined();
  });

  it("is told from the store by its path where the file system numbers no files", async () => {
    disk.numbersFiles = false;
    const host = await hostInside("other");
    expect(await host.load("org")).toBeUndefined();
  });
});
