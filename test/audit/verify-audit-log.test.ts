import { execFile } from "node:child_process";
import { mkdir, readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileAuditLog, verifyAuditLog, type AuditEvent, type AuditLogHead } from "../../src/audit/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { filesOf, linesOf, opening, secret } from "./logs.js";

let directory: string;
let remove: () => Promise<void>;
beforeEach(async () => ({ folder: directory, remove } = await temporaryFolder()));
afterEach(() => remove());

/** A log of some entries; one that is not closed is as a killed process leaves it. */
async function written(entries: number, { closed = true } = {}): Promise<{ file: string; head: AuditLogHead }> {
  const before = await filesOf(directory);
  const log = new FileAuditLog({ directory, secret });
  for (let i = 1; i <= entries; i += 1) await log.append(opening(`r${i}`));
  const { head } = log.status();
  const file = (await filesOf(directory)).find((path) => !before.includes(path));
  if (!head || file === undefined) throw new Error("nothing was written");
  const open = await readFile(file);
  await log.close();
  if (!closed) await writeFile(file, open);
  return { file, head };
}

const verify = (options: { anchors?: AuditLogHead[]; secret?: Uint8Array | Uint8Array[] } = {}) =>
  verifyAuditLog({ directory, secret, ...options });
const problemsOf = async (options?: Parameters<typeof verify>[0]) =>
  (await verify(options)).problems.map(({ problem, line }) => (line === undefined ? problem : `${problem} ${line}`));

const fail = (): never => {
  throw new Error("must not be asked");
};

describe("verifyAuditLog", () => {
  it("finds every byte that was flipped", async () => {
    const { file } = await written(2);
    const bytes = await readFile(file);
    for (const [at, byte] of bytes.entries()) {
      bytes[at] = byte ^ (1 << (at % 8));
      await writeFile(file, bytes);
      expect(await verify(), `byte ${at}`).toMatchObject({ ok: false });
      bytes[at] = byte;
    }
    await writeFile(file, bytes);
    expect((await verify()).ok).toBe(true);
  });

  it("finds two files that were swapped", async () => {
    const { file } = await written(1);
    const { file: other } = await written(2);
    await rename(file, join(directory, "elsewhere"));
    await rename(other, file);
    await rename(join(directory, "elsewhere"), other);
    expect(await problemsOf()).toEqual(["misplaced 1", "misplaced 1"]);
  });

  it("finds an end that was cut off before the same process went on in another file", async () => {
    const log = new FileAuditLog({ directory, secret, maxFileSize: 4_096 });
    for (let i = 1; i <= 12; i += 1) await log.append(opening(`r${i}`));
    await log.close();
    const files = await filesOf(directory);
    expect(files.length).toBeGreaterThan(1);
    expect((await verify()).ok).toBe(true);
    const closed: string[] = [];
    for (const file of files) if ((await readFile(file, "utf8")).includes('"previous"')) closed.push(file);
    const first = files.find((file) => !closed.includes(file)) ?? "";
    const lines = await linesOf(first);
    await writeFile(first, lines.slice(0, -2).join(""));
    expect(await problemsOf()).toEqual(["cut-off"]);
    await rm(first); // its time was over
    expect((await verify()).ok).toBe(true);
  });

  it("finds a file that was emptied, or cut inside its first line, where another one or an anchor names its end", async () => {
    const log = new FileAuditLog({ directory, secret, maxFileSize: 4_096 });
    for (let i = 1; i <= 12; i += 1) await log.append(opening(`r${i}`));
    const { head } = log.status();
    await log.close();
    for (const file of await filesOf(directory)) {
      const bytes = await readFile(file);
      const isNamed = head && !file.includes(head.chain); // by the file after it
      for (const left of [0, 40]) {
        await truncate(file, left);
        expect(await problemsOf(), `${left} bytes`).toEqual(isNamed ? ["cut-off"] : []);
        expect(await problemsOf({ anchors: head ? [head] : [] }), `${left} bytes`).toEqual(["cut-off"]);
        await writeFile(file, bytes);
      }
    }
  });

  it("tells of what it can't read, and goes on: a link, a folder, a pipe", async () => {
    await written(2);
    await symlink("/dev/zero", join(directory, "audit-a-link.jsonl"));
    await mkdir(join(directory, "audit-a-folder.jsonl"));
    await promisify(execFile)("mkfifo", [join(directory, "audit-a-pipe.jsonl")]);
    const report = await verify();
    expect(report.ok).toBe(false);
    expect(report.files.map(({ entries }) => entries).sort()).toEqual([0, 0, 0, 4]);
    expect(report.problems).toEqual(
      ["folder", "link", "pipe"].map((name) => ({ problem: "unreadable", file: `audit-a-${name}.jsonl` })),
    );
  });

  it("waits for what is told of an event, and ends with what that rejects with", async () => {
    await written(3);
    const told: string[] = [];
    const onEvent = async ({ resources }: AuditEvent) => {
      told.push(`${resources?.[0]?.uid} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      told.push("ends");
      if (told.length === 4) throw new Error("the listener's own");
    };
    await expect(verifyAuditLog({ directory, secret, onEvent })).rejects.toThrow("the listener's own");
    expect(told).toEqual(["r1 begins", "ends", "r2 begins", "ends"]);
  });

  it.each([
    { anchors: 5 },
    { anchors: [null] },
    { anchors: [{ chain: "c", sequence: "0", digest: "d" }] },
    { anchors: [{ chain: "c", sequence: -1, digest: "d" }] },
    { anchors: [{ chain: { toString: fail }, sequence: 0, digest: "d" }] },
    { anchors: { [Symbol.iterator]: fail } },
    { onEvent: 5 },
  ])("refuses %j", async (options) => {
    await written(1);
    const [field] = Object.keys(options);
    const refused = verifyAuditLog({ directory, secret, ...(options as object) });
    await expect(refused).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field });
  });

  it("takes a last line that is not whole for a crash, wherever it was cut", async () => {
    const { file } = await written(2, { closed: false });
    const { length } = await readFile(file);
    const last = Buffer.byteLength((await linesOf(file)).at(-1) ?? "");
    for (let cut = 1; cut < last; cut += 1) {
      await truncate(file, length - cut);
      expect(await verify(), `${cut} bytes`).toMatchObject({ ok: true, files: [{ entries: 2, end: "torn" }] });
    }
  });

  it("refuses a folder that is not there, a short secret and an unknown option", async () => {
    await expect(verifyAuditLog({ directory: join(directory, "nowhere"), secret })).rejects.toMatchObject({
      code: "ENOENT",
    });
    await expect(verifyAuditLog({ directory, secret: Buffer.alloc(31) })).rejects.toMatchObject({ field: "secret" });
    await expect(verifyAuditLog({ directory, secret, anchor: [] } as never)).rejects.toThrow("did you mean anchors?");
  });
});
