import { inspect } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { auditAnchorsFromCloudTrail, type AuditEvent, type AuditLogHead } from "../../src/audit/index.js";
import type { KmsProvider } from "../../src/index.js";
import { kmsError } from "../../src/kms/kms-error.js";
import { createTestKeyStore, InMemoryKmsProvider, type InMemoryKms } from "../../src/testing/index.js";
import { kms as kmsOfAll, kmsKeyAliasArn } from "../support/kms-known-to-all.js";
import { logKinds, type LogPlace } from "./log-kinds.js";
import { opening, secret } from "./logs.js";

/** What CloudTrail would have written down of calls to the in-memory KMS. */
const cloudTrailOf = (kms: InMemoryKms) =>
  kms.journal.calls({}).map(({ operation, encryptionContext, outcome }) => ({
    eventSource: "kms.amazonaws.com",
    eventName: operation,
    ...(outcome === "ok" ? {} : { errorCode: outcome }),
    requestParameters: { encryptionContext },
  }));

/** Every kind of log keeps one contract. */
describe.each(logKinds)("%s", (_, kind) => {
  let running: Awaited<ReturnType<typeof kind.start>>;
  let place: LogPlace;
  beforeAll(async () => (running = await kind.start()));
  afterAll(() => running.stop());
  beforeEach(async () => (place = await running.open()));
  afterEach(() => place.remove());

  /** A log of some entries; one that is not closed is as a killed process leaves it. */
  async function written(entries: number, { closed = true } = {}): Promise<{ file: string; head: AuditLogHead }> {
    const before = await place.files();
    const log = place.log();
    for (let i = 1; i <= entries; i += 1) await log.append(opening(`r${i}`));
    const { head } = log.status();
    const file = (await place.files()).find((path) => !before.includes(path));
    if (!head || file === undefined) throw new Error("nothing was written");
    const open = await place.linesOf(file);
    await log.close();
    if (!closed) await place.rewrite(file, open);
    return { file, head };
  }

  const problemsOf = async (options?: Parameters<LogPlace["verify"]>[0]) =>
    (await place.verify(options)).problems.map(({ problem, line }) =>
      line === undefined ? problem : `${problem} ${line}`,
    );

  it("writes entries that come at once in their order", async () => {
    const log = place.log();
    const ids = Array.from({ length: 1_000 }, (_, index) => `r${index}`);
    await Promise.all(ids.map((id) => log.append(opening(id))));
    await log.close();
    const found: (string | undefined)[] = [];
    const report = await place.verify({ onEvent: (e) => found.push(e.resources?.[0]?.uid) });
    expect(report.ok).toBe(true);
    expect(found).toEqual(ids);
  });

  it("has one close for all who ask for it", async () => {
    const log = place.log();
    void log.append(opening("r1"));
    const first = log.close();
    await log.close();
    expect(await place.verify()).toMatchObject({ ok: true, files: [{ end: "closed" }] });
    await first;
  });

  it("says that it is closed behind an entry that came at the last moment, whichever that is", async () => {
    for (let turns = 0; turns < 8; turns += 1) {
      let closing: Promise<unknown> | undefined;
      const after = (left: number): void => {
        if (left > 0) queueMicrotask(() => after(left - 1));
        else closing ??= Promise.all([log.append(opening("last")), log.close()]);
      };
      // Called once an entry is stored, in the very turn in which the log sees whether there is another.
      const encrypt = async (...call: Parameters<KmsProvider["encrypt"]>) => {
        after(turns);
        return kmsOfAll.encrypt(...call);
      };
      const anchor = { kms: { ...kmsOfAll, encrypt }, keyId: kmsKeyAliasArn, organizationId: "org-1", every: 1 };
      const log = place.log({ anchor });
      await log.append(opening("first"));
      while (!closing) await new Promise((resolve) => setImmediate(resolve));
      await closing;
      expect((await place.verify()).problems, `${turns} turns`).toEqual([]);
    }
    expect(new Set((await place.verify()).files.map(({ end }) => end))).toEqual(new Set(["closed"]));
  });

  it("keeps what an event was when it was given", async () => {
    const log = place.log();
    const event = { ...opening("r1") };
    const writing = log.append(event);
    Object.assign(event, { status: "changed" });
    await writing;
    await log.close();
    const [file = ""] = await place.files();
    expect((await place.linesOf(file)).join("")).not.toContain("changed");
  });

  it("refuses what is no event, an entry after its end, and secrets and anchors that can't be", async () => {
    const log = place.log();
    const cyclic: Record<string, unknown> = {};
    cyclic["itself"] = cyclic;
    for (const event of [undefined, null, "text", 7, [], cyclic, { big: "x".repeat(70_000) }, { lone: "\ud800" }])
      await expect(log.append(event as never)).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: "event" });
    await log.close();
    await expect(log.append(opening("r1"))).rejects.toMatchObject({ code: "ERR_CLOSED" });
    expect(await place.files()).toEqual([]);
    const anchor = { kms: kmsOfAll, keyId: kmsKeyAliasArn, organizationId: "org-1" };
    const odd: [object, string][] = [
      [{ secret: Buffer.alloc(31) }, "secret"],
      [{ secret: [] }, "secret"],
      [{ secret: [secret, "text"] }, "secret"],
      [{ anchor: { ...anchor, kms: {} } }, "anchor.kms"],
      [{ anchor: { ...anchor, keyId: "1234" } }, "anchor.keyId"],
      [{ anchor: { ...anchor, organizationId: "*" } }, "anchor.organizationId"],
      [{ anchor: { ...anchor, every: 0 } }, "anchor.every"],
      [{ anchor: { ...anchor, timeout: 1 } }, "anchor.timeout"],
      [{ anchor: { ...anchor, timeout: "100" } }, "anchor.timeout"],
      [{ anchor: { ...anchor, organizationId: 42 } }, "anchor.organizationId"],
      [{ anchor: { ...anchor, contextKeyName: "" } }, "anchor.contextKeyName"],
      [{ anchor: { ...anchor, contextKeyName: 5 } }, "anchor.contextKeyName"],
      [{ anchor: { ...anchor, contextKeyName: "recording-keystore:purpose" } }, "anchor.contextKeyName"],
      [{ anchor: { ...anchor, contextKeyName: "aws:s3:arn" } }, "anchor.contextKeyName"],
    ];
    for (const [options, field] of odd)
      expect(() => place.log(options), field).toThrow(expect.objectContaining({ code: "ERR_INVALID_INPUT", field }));
  });

  it("shows nothing of its secret", async () => {
    const log = place.log();
    await log.append(opening("r1"));
    const [file = ""] = await place.files();
    for (const text of [inspect(log, { depth: 9, showHidden: true }), (await place.linesOf(file)).join("")])
      for (const encoding of ["hex", "base64", "base64url"] as const)
        expect(text).not.toContain(secret.toString(encoding));
    await log.close();
  });

  it("gives the events of a log, in order", async () => {
    await written(3);
    const events: AuditEvent[] = [];
    const report = await place.verify({ onEvent: (event) => events.push(event) });
    expect(report).toMatchObject({ ok: true, files: [{ entries: 5, end: "closed" }], problems: [] });
    expect(events.map(({ resources }) => resources?.[0]?.uid)).toEqual(["r1", "r2", "r3"]);
    expect(events[0]).toMatchObject({ class_uid: 6003, actor: { user: { uid: "agent-7" } } });
  });

  it("finds lines removed, swapped, repeated, added and moved from another chain", async () => {
    const { file } = await written(3);
    const { file: other } = await written(3);
    const [genesis = "", one = "", two = "", three = "", end = ""] = await place.linesOf(file);
    const foreign = (await place.linesOf(other))[2] ?? "";
    const all = [genesis, one, two, three, end];
    const changes: [string, string[]][] = [
      ["altered 1", all.slice(1)],
      ["altered 2", [genesis, two, three, end]],
      ["altered 4", [genesis, one, two, end]],
      ["altered 3", [genesis, one, three, two, end]],
      ["altered 3", [genesis, one, one, two, three, end]],
      ["altered 6", [...all, one]],
      ["altered 6", [...all, "x"]],
      ["altered 3", [genesis, one, foreign, three, end]],
      ["altered 2", [genesis, one.replace("r1", "r9"), two, three, end]],
    ];
    for (const [problem, lines] of changes) {
      await place.rewrite(file, lines);
      expect(await problemsOf(), lines.map((line) => line.slice(0, 40)).join("|")).toEqual([problem]);
    }
  });

  it("wants the secret with which the log was written, and takes earlier ones besides", async () => {
    await written(1);
    const newer = Buffer.alloc(40, 9);
    const log = place.log({ secret: [newer, secret] });
    await log.append(opening("r2"));
    await log.close();
    expect(await problemsOf({ secret: newer })).toEqual(["unknown-secret 1"]);
    expect(await problemsOf({ secret: Buffer.alloc(32, 1) })).toEqual(["unknown-secret 1", "unknown-secret 1"]);
    expect((await place.verify({ secret: [newer, secret] })).ok).toBe(true);
  });

  it("finds an end that was cut off by its anchor alone, and says that the file was not closed", async () => {
    const { file, head } = await written(3);
    const lines = await place.linesOf(file);
    await place.rewrite(file, lines.slice(0, 3));
    expect(await place.verify()).toMatchObject({ ok: true, files: [{ entries: 3, end: "open" }] });
    expect(await problemsOf({ anchors: [head] })).toEqual(["cut-off"]);
  });

  it("finds a file that is gone by its anchor alone", async () => {
    const { file, head } = await written(1);
    await written(1);
    await place.rewrite(file, []);
    expect((await place.verify()).ok).toBe(true);
    expect(await problemsOf({ anchors: [head] })).toEqual(["missing"]);
  });

  it("finds a file that whoever has the secret wrote anew by its anchor", async () => {
    const { head } = await written(3);
    expect(await place.verify({ anchors: [head] })).toMatchObject({ ok: true, files: [{ anchoredTo: 3 }] });
    const digest = Buffer.alloc(32, 1).toString("base64url");
    expect(await problemsOf({ anchors: [{ ...head, digest }] })).toEqual(["rewritten"]);
  });

  it("says of a chain that no process closed that it is open", async () => {
    await written(2, { closed: false });
    expect(await place.verify()).toMatchObject({ ok: true, files: [{ entries: 3, end: "open" }] });
  });

  describe("anchors", () => {
    async function anchored(every: number) {
      const parts = await createTestKeyStore();
      const caller = parts.kms.addPrincipal({
        arn: "arn:aws:iam::765628985471:role/recording",
        identityPolicy: "administrator",
      });
      const kms = new InMemoryKmsProvider(parts.kms, caller);
      const anchor = { kms, keyId: parts.kmsKeyAliasArn, organizationId: "org-1", every };
      return { ...parts, log: place.log({ anchor }) };
    }

    it("stand in the organization's CloudTrail after so many entries and at the end, and vouch for the log", async () => {
      const { kms, log } = await anchored(3);
      for (let i = 1; i <= 7; i += 1) await log.append(opening(`r${i}`));
      await log.close();
      const anchors = auditAnchorsFromCloudTrail(cloudTrailOf(kms));
      expect(anchors.length).toBeGreaterThanOrEqual(2);
      expect(await place.verify({ anchors })).toMatchObject({
        ok: true,
        files: [{ end: "closed", anchoredTo: anchors.at(-1)?.sequence }],
      });
      const [file = ""] = await place.files();
      const lines = await place.linesOf(file);
      expect(lines.filter((line) => line.includes('"anchored"'))).toHaveLength(anchors.length);
      await place.rewrite(file, lines.slice(0, 3));
      expect(await place.verify()).toMatchObject({ ok: true });
      expect(await place.verify({ anchors })).toMatchObject({ problems: [{ problem: "cut-off" }] });
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
        const log = place.log({ anchor });
        await log.append(opening("r1"));
        await log.close();
      }
      expect((await place.verify()).ok).toBe(true);
    });
  });
});

it("anchors are the records of successful Encrypt calls that name a head, and no others", () => {
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
  for (const sequence of ["", " ", "7 ", "0x7", "7e0", "-7", "7.0", "9".repeat(17)]) {
    const context = { ...encryptionContext, "recording-keystore:audit-sequence": sequence };
    const record = { ...good, requestParameters: { encryptionContext: context } };
    expect(auditAnchorsFromCloudTrail([record]), sequence).toEqual([]);
  }
  expect(() => auditAnchorsFromCloudTrail({ Records: [] } as never)).toThrow(/^records: must be/);
});
