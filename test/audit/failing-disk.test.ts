import { beforeEach, describe, expect, it, vi } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.js";
import { FileAuditLog, verifyAuditLog } from "../../src/audit/index.js";
import { disk, errno, watch } from "../support/failing-disk.js";
import { filesOf, opening, secret } from "./logs.js";

vi.mock("node:fs/promises", async (original) => (await import("../support/failing-disk.js")).watched(await original()));

let directory: string;
beforeEach(async () => {
  directory = (await temporaryFolder()).folder;
  watch();
});

describe("while the disk fails", () => {
  it("each call in turn: no entry counts that is not on disk, and the log goes on in another file", async () => {
    const first = new FileAuditLog({ directory, secret });
    await first.append(opening("r0"));
    await first.append(opening("r1"));
    const calls = disk.calls.length;
    await first.close();
    expect(calls).toBeGreaterThan(4);
    for (let at = 0; at < calls; at += 1) {
      const { folder } = await temporaryFolder();
      const log = new FileAuditLog({ directory: folder, secret });
      watch((call) => (call === at ? errno("ENOSPC") : undefined));
      const written: string[] = [];
      for (const id of ["r0", "r1", "r2"])
        await log.append(opening(id)).then(
          () => written.push(id),
          (error: unknown) =>
            expect(error, `call ${at}`).toMatchObject({ code: "ERR_AUDIT_UNAVAILABLE", retryable: true }),
        );
      await log.close();
      watch();
      const found: (string | undefined)[] = [];
      const report = await verifyAuditLog({
        directory: folder,
        secret,
        onEvent: (e) => found.push(e.resources?.[0]?.uid),
      });
      expect(report.problems, `call ${at}: ${disk.calls[at]}`).toEqual([]);
      expect(found).toEqual(expect.arrayContaining(written));
      expect(written.length).toBeGreaterThanOrEqual(2);
      expect(disk.open.size).toBe(0);
    }
  });

  it("for good: leaves no heap of files without an entry", async () => {
    const log = new FileAuditLog({ directory, secret });
    watch((_, name) => (name === "handle.sync" || name === "handle.writeFile" ? errno("ENOSPC") : undefined));
    for (let i = 0; i < 20; i += 1)
      await expect(log.append(opening(`r${i}`))).rejects.toThrow("the disk is full (ENOSPC)");
    watch();
    expect(await filesOf(directory)).toEqual([]);
    await log.append(opening("r"));
    await log.close();
    expect(await verifyAuditLog({ directory, secret })).toMatchObject({ ok: true, files: [{ entries: 3 }] });
  });
});
