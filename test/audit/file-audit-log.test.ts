import { mkdir, stat, chmod } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileAuditLog } from "../../src/audit/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { filesOf, opening, secret } from "./logs.js";

let directory: string;
let remove: () => Promise<void>;
beforeEach(async () => ({ folder: directory, remove } = await temporaryFolder()));
afterEach(() => remove());

describe("FileAuditLog", () => {
  it("touches no file before its first entry, and then makes private ones", async () => {
    const folder = join(directory, "not", "there");
    const log = new FileAuditLog({ directory: folder, secret });
    expect(await filesOf(directory)).toEqual([]);
    await log.append(opening("r1"));
    const [file = ""] = await filesOf(folder);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    await log.close();
    await log.close();
  });

  it("refuses options that can't be", () => {
    const odd: [object, string][] = [
      [{ directory: "" }, "directory"],
      [{ maxFileSize: 1 }, "maxFileSize"],
      [{ secret: Buffer.alloc(31) }, "secret"],
      [{ size: 1 }, "size"],
    ];
    for (const [options, field] of odd)
      expect(() => new FileAuditLog({ directory, secret, ...options }), field).toThrow(
        expect.objectContaining({ code: "ERR_INVALID_INPUT", field }),
      );
  });

  it("refuses a folder that other users can write to", async () => {
    const open = join(directory, "open");
    await mkdir(open);
    await chmod(open, 0o777);
    const log = new FileAuditLog({ directory: open, secret });
    await expect(log.append(opening("r1"))).rejects.toMatchObject({ code: "ERR_AUDIT_UNAVAILABLE" });
    expect(await filesOf(open)).toEqual([]);
  });
});
