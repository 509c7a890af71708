import { mkdir, readFile, stat, chmod } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { auditAnchorsFromCloudTrail, FileAuditLog, verifyAuditLog } from "../../src/audit/index.js";
import { kmsError } from "../../src/kms/kms-error.js";
import { createTestKeyStore, InMemoryKmsProvider, type InMemoryKms } from "../../src/testing/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { kms as kmsOfAll, kmsKeyAliasArn } from "../support/kms-known-to-all.js";
import { filesOf, linesOf, opening, secret } from "./logs.js";

let directory: string;
let remove: () => Promise<void>;
beforeEach(async () => ({ folder: directory, remove } = await temporaryFolder()));
afterEach(() => remove());

/** What CloudTrail would have written down of calls to the in-memory KMS. */
const cloudTrailOf = (kms: InMemoryKms) =>
  kms.journal.calls({}).map(({ operation, encryptionContext, outcome }) => ({
    eventSource: "kms.amazonaws.com",
    eventName: operation,
    ...(outcome === "ok" ? {} : { errorCode: outcome }),
    requestParameters: { encryptionContext },
  }));

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

  it("writes entries that come at once in their order", async () => {
    const log = new FileAuditLog({ directory, secret });
    const ids = Array.from({ length: 1_000 }, (_, index) => `r${index}`);
    await Promise.all(ids.map((id) => log.append(opening(id))));
    await log.close();
    const found: (string | undefined)[] = [];
    const report = await verifyAuditLog({ directory, secret, onEvent: (e) => found.push(e.resources?.[0]?.uid) });
    expect(report.ok).toBe(true);
    expect(found).toEqual(ids);
  });

  it("keeps what an event was when it was given", async () => {
    const log = new FileAuditLog({ directory, secret });
    const event = { ...opening("r1") };
    const writing = log.append(event);
    Object.assign(event, { status: "changed" });
    await writing;
    await log.close();
    const [file = ""] = await filesOf(directory);
    expect(await readFile(file, "utf8")).not.toContain("changed");
  });

  it("refuses what is no event, an entry after its end, and options that can't be", async () => {
    const log = new FileAuditLog({ directory, secret });
    const cyclic: Record<string, unknown> = {};
    cyclic["itself"] = cyclic;
    for (const event of [undefined, null, "text", 7, [], cyclic, { big: "x".repeat(70_000) }, { lone: "\ud800" }])
      await expect(log.append(event as never)).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: "event" });
    await log.close();
    await expect(log.append(opening("r1"))).rejects.toMatchObject({ code: "ERR_CLOSED" });
    expect(await filesOf(directory)).toEqual([]);
    const anchor = { kms: kmsOfAll, keyId: kmsKeyAliasArn, organizationId: "org-1" };
    const odd: [object, string][] = [
      [{ secret: Buffer.alloc(31) }, "secret"],
      [{ secret: [] }, "secret"],
      [{ secret: [secret, "text"] }, "secret"],
      [{ directory: "" }, "directory"],
      [{ maxFileSize: 1 }, "maxFileSize"],
      [{ anchor: { ...anchor, kms: {} } }, "anchor.kms"],
      [{ anchor: { ...anchor, keyId: "1234" } }, "anchor.keyId"],
      [{ anchor: { ...anchor, organizationId: "*" } }, "anchor.organizationId"],
      [{ anchor: { ...anchor, every: 0 } }, "anchor.every"],
      [{ anchor: { ...anchor, timeout: 1 } }, "anchor.timeout"],
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

  it("shows nothing of its secret", async () => {
    const log = new FileAuditLog({ directory, secret });
    await log.append(opening("r1"));
    const [file = ""] = await filesOf(directory);
    const { inspect } = await import("node:util");
    for (const text of [inspect(log, { depth: 9, showHidden: true }), await readFile(file, "utf8")])
      for (const encoding of ["hex", "base64", "base64url"] as const)
        expect(text).not.toContain(secret.toString(encoding));
    await log.close();
  });
});

describe("anchors", () => {
  async function anchored(every: number) {
    const parts = await createTestKeyStore();
    const caller = parts.kms.addPrincipal({ arn: "arn:aws:iam::765628985471:role/recording" });
    const kms = new InMemoryKmsProvider(parts.kms, caller);
    const anchor = { kms, keyId: parts.kmsKeyAliasArn, organizationId: "org-1", every };
    return { ...parts, log: new FileAuditLog({ directory, secret, anchor }) };
  }

  it("stand in the organization's CloudTrail after so many entries and at the end, and vouch for the log", async () => {
    const { kms, log } = await anchored(3);
    for (let i = 1; i <= 7; i += 1) await log.append(opening(`r${i}`));
    await log.close();
    const anchors = auditAnchorsFromCloudTrail(cloudTrailOf(kms));
    expect(anchors.length).toBeGreaterThanOrEqual(2);
    expect(await verifyAuditLog({ directory, secret, anchors })).toMatchObject({
      ok: true,
      files: [{ end: "closed", anchoredTo: anchors.at(-1)?.sequence }],
    });
    const [file = ""] = await filesOf(directory);
    const lines = await linesOf(file);
    expect(lines.filter((line) => line.includes('"anchored"'))).toHaveLength(anchors.length);
    const { writeFile } = await import("node:fs/promises");
    await writeFile(file, lines.slice(0, 3).join(""));
    expect(await verifyAuditLog({ directory, secret })).toMatchObject({ ok: true });
    expect(await verifyAuditLog({ directory, secret, anchors })).toMatchObject({ problems: [{ problem: "cut-off" }] });
  });

  it("that fail stop no entry, show in the status, and are made up for", async () => {
    const { kms, log } = await anchored(1);
    kms.faults.inject("access-denied");
    await log.append(opening("r1"));
    await log.append(opening("r2"));
    await expect.poll(() => log.status().anchorError?.code, { timeout: 60_000 }).toBe("ERR_KMS_REFUSED");
    kms.faults.heal();
    await log.append(opening("r3"));
    await log.close();
    const { anchorError, anchored: last, head } = log.status();
    expect({ anchorError, chain: last?.chain }).toEqual({ anchorError: undefined, chain: head?.chain });
  });

  it("that hang or come to nothing end in time", async () => {
    for (const encrypt of [
      () => new Promise<never>(() => undefined),
      () => Promise.reject("text"),
      () => kmsError("throttled", { operation: "Encrypt", message: "" }) as never,
    ]) {
      const kms = { ...kmsOfAll, encrypt: encrypt as never };
      const anchor = { kms, keyId: kmsKeyAliasArn, organizationId: "org-1", every: 1, timeout: 20 };
      const log = new FileAuditLog({ directory, secret, anchor });
      await log.append(opening("r1"));
      await log.close();
    }
    expect((await verifyAuditLog({ directory, secret })).ok).toBe(true);
  });

  it("are the records of successful Encrypt calls that name a head, and no others", () => {
    const encryptionContext = {
      "genesys-cloud-organization-id": "org-1",
      "recording-keystore:purpose": "audit-anchor",
      "recording-keystore:audit-chain": "c",
      "recording-keystore:audit-sequence": "7",
      "recording-keystore:audit-head": "d",
    };
    const good = { eventSource: "kms.amazonaws.com", eventName: "Encrypt", requestParameters: { encryptionContext } };
    const others = [
      null,
      "text",
      {},
      { ...good, eventName: "Decrypt" },
      { ...good, eventSource: "s3.amazonaws.com" },
      { ...good, errorCode: "AccessDenied" },
      { ...good, requestParameters: null },
      ...Object.keys(encryptionContext)
        .slice(1)
        .map((name) => ({
          ...good,
          requestParameters: { encryptionContext: { ...encryptionContext, [name]: undefined } },
        })),
    ];
    expect(auditAnchorsFromCloudTrail([...others, good])).toEqual([{ chain: "c", sequence: 7, digest: "d" }]);
  });
});
