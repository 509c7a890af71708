import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, it, vi } from "vitest";
import type { AuditEvent, AuditSink } from "../../src/audit/index.js";
import { bytesSource } from "../../src/index.js";
import { permissions } from "../../src/administration.js";
import { createTestKeyStore, type TestKeyStoreOptions } from "../../src/testing/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { join } from "node:path";
import { writeFile } from "node:fs/promises";

const audio = Buffer.from("what was said");
const recordingId = "call-1";
const by = { actor: "agent-7", reason: "complaint 12" };

class MemorySink implements AuditSink {
  readonly events: AuditEvent[] = [];

  async append(event: AuditEvent): Promise<void> {
    this.events.push(event);
  }

  /** Each event in short: operation, status, code, and who it was for. */
  get told(): string[] {
    return this.events.map(({ api, status, status_code, actor }) =>
      [api.operation, status, status_code, actor.user?.uid].filter((word) => word !== undefined).join(" "),
    );
  }
}

async function world(options: TestKeyStoreOptions = {}) {
  const sink = new MemorySink();
  const parts = await createTestKeyStore({ organizationId: "org-1", auditSink: sink, ...options });
  const { body, keyPairId } = await parts.keyStore.encryptRecording(audio, { recordingId });
  sink.events.length = 0;
  return { ...parts, sink, body, keyPairId };
}

type World = Awaited<ReturnType<typeof world>>;
type Happening = (parts: World) => Promise<unknown>;
const failing =
  (happening: Happening): Happening =>
  (parts) =>
    expect(happening(parts)).rejects.toThrow();

const decrypt: Happening = ({ keyStore, body }) => keyStore.decryptRecording(body, { recordingId, ...by });
const outage: Happening = async ({ kms }) => kms.faults.outage();

/** What happens, and the entries that come of it. */
const table: [what: string, happens: Happening, told: string[]][] = [
  ["decryptRecording", decrypt, ["decryptRecording Success agent-7"]],
  [
    "decryptRecording of a stream",
    async ({ keyStore, body }) =>
      buffer((await keyStore.decryptRecording(Readable.from([body]), { recordingId, ...by })).body),
    ["decryptRecording Success agent-7"],
  ],
  [
    "decryptRecording without an actor",
    ({ keyStore, body }) => keyStore.decryptRecording(body, { recordingId }),
    ["decryptRecording Success"],
  ],
  [
    "openRecording, whose reads are of the same opening",
    async ({ keyStore, body }) => {
      const reader = await keyStore.openRecording(bytesSource(body), { recordingId, ...by });
      await reader.read(0, 4);
      await reader.close();
    },
    ["openRecording Success agent-7"],
  ],
  [
    "salvageRecording",
    ({ keyStore, body }) => keyStore.salvageRecording(body, { recordingId, ...by }),
    ["salvageRecording Success agent-7"],
  ],
  [
    "readMetadata",
    ({ keyStore, body }) => keyStore.readMetadata(body, { recordingId, ...by }),
    ["readMetadata Success agent-7"],
  ],
  [
    "decryptFile",
    async ({ keyStore, body }) => {
      const { folder, remove } = await temporaryFolder();
      await writeFile(join(folder, "in"), body);
      await keyStore.decryptFile(join(folder, "in"), join(folder, "out"), { recordingId, ...by });
      await remove();
    },
    ["decryptFile Success agent-7"],
  ],
  [
    "decryptRecording that KMS refuses",
    async (parts) => {
      parts.kms.faults.inject("access-denied");
      await failing(decrypt)(parts);
    },
    ["lastKnownKeyInUse Failure ERR_KMS_REFUSED", "decryptRecording Failure ERR_KMS_REFUSED agent-7"],
  ],
  [
    "decryptRecording of another recording",
    failing(({ keyStore, body }) => keyStore.decryptRecording(body, { recordingId: "call-2", ...by })),
    ["decryptRecording Failure ERR_RECORDING_MISMATCH agent-7"],
  ],
  [
    "decryptRecording of what was tampered with behind its header",
    failing(({ keyStore, body }) => {
      const spoilt = Buffer.from(body);
      spoilt[spoilt.length - 1] = (spoilt.at(-1) ?? 0) ^ 1;
      return keyStore.decryptRecording(spoilt, { recordingId, ...by });
    }),
    ["decryptRecording Success agent-7", "decryptRecording Failure ERR_RECORDING_TAMPERED agent-7"],
  ],
  [
    "decryptRecording of a stream that breaks off",
    failing(async ({ keyStore, body }) => {
      const cut = Readable.from([body.subarray(0, -1)]);
      return buffer((await keyStore.decryptRecording(cut, { recordingId, ...by })).body);
    }),
    ["decryptRecording Success agent-7", "decryptRecording Failure ERR_RECORDING_TRUNCATED agent-7"],
  ],
  [
    "rotate",
    ({ keyStore }) => keyStore.rotate(by),
    ["rotate Attempt agent-7", "keyPairChanged Success", "rotate Success agent-7"],
  ],
  [
    "rotate in an outage",
    async (parts) => {
      await outage(parts);
      await failing(({ keyStore }) => keyStore.rotate(by))(parts);
    },
    [
      "rotate Attempt agent-7",
      "keyChangeFailed Failure ERR_KMS_UNAVAILABLE",
      "lastKnownKeyInUse Failure ERR_KMS_UNAVAILABLE",
      "rotate Failure ERR_KMS_UNAVAILABLE agent-7",
    ],
  ],
  [
    "rotateIfDue",
    ({ keyStore }) => keyStore.rotateIfDue(by),
    ["rotateIfDue Attempt agent-7", "rotateIfDue Success agent-7"],
  ],
  [
    "configure",
    ({ keyStore, kmsKeyAliasArn }) => keyStore.configure({ kmsKeyAliasArn }, by),
    ["configure Attempt agent-7", "keyPairChanged Success", "configure Success agent-7"],
  ],
  [
    "configure that does not pass its test",
    async (parts) => {
      await outage(parts);
      await failing(({ keyStore, kmsKeyAliasArn }) => keyStore.configure({ kmsKeyAliasArn }, by))(parts);
    },
    ["configure Attempt agent-7", "configure Failure ERR_TEST_FAILED agent-7"],
  ],
  [
    "configure that changes nothing",
    ({ keyStore, kmsKeyAliasArn }) => keyStore.configure({ kmsKeyAliasArn }, { onlyIfChanged: true, ...by }),
    [],
  ],
  [
    "test",
    ({ keyStore, kmsKeyAliasArn }) => keyStore.test({ kmsKeyAliasArn }, by),
    ["test Attempt agent-7", "test Success agent-7"],
  ],
  [
    "rewrapKeyPairs",
    ({ keyStore }) => keyStore.rewrapKeyPairs(by),
    ["rewrapKeyPairs Attempt agent-7", "rewrapKeyPairs Success agent-7"],
  ],
  [
    "restoreKeyPairs",
    ({ keyStore, body }) => keyStore.restoreKeyPairs([body], by),
    ["restoreKeyPairs Attempt agent-7", "restoreKeyPairs Success agent-7"],
  ],
  [
    "removeOrphanedKeyPairs",
    ({ keyStore }) => keyStore.removeOrphanedKeyPairs({ dryRun: true, ...by }),
    ["removeOrphanedKeyPairs Attempt agent-7", "removeOrphanedKeyPairs Success agent-7"],
  ],
  [
    "acceptRestoredStore",
    ({ keyStore }) => keyStore.acceptRestoredStore({ dryRun: true, ...by }),
    ["acceptRestoredStore Attempt agent-7", "acceptRestoredStore Success agent-7"],
  ],
  [
    "replaceUntrustedHead",
    ({ keyStore }) => keyStore.replaceUntrustedHead({ dryRun: true, ...by }),
    ["replaceUntrustedHead Attempt agent-7", "replaceUntrustedHead Success agent-7"],
  ],
  ["forgetPrivateKeys", async ({ keyStore }) => keyStore.forgetPrivateKeys(), ["forgetPrivateKeys Success"]],
  [
    "a call of an administrator who may not",
    failing(({ keyStore }) => keyStore.administration([permissions[0]]).rotate(by)),
    ["rotate Failure ERR_NOT_PERMITTED agent-7"],
  ],
  [
    "a disabled KMS key",
    async ({ keyStore, kms, kmsKeyArn }) => {
      kms.disableKey(kmsKeyArn);
      await keyStore.confirm();
    },
    ["lastKnownKeyInUse Failure ERR_KMS_REFUSED", "keyAtRisk Failure ERR_KMS_REFUSED"],
  ],
  ["an encryption", ({ keyStore }) => keyStore.encryptRecording(audio, { recordingId }), []],
];

describe("the audit log", () => {
  it.each(table)("tells of %s", async (_, happens, told) => {
    const parts = await world();
    await happens(parts);
    await parts.keyStore.close();
    expect(parts.sink.told).toEqual(told);
  });

  it("has the fields of an API Activity, with names and ids and nothing else", async () => {
    const { keyStore, sink, body, keyPairId, clock } = await world();
    await keyStore.decryptRecording(body, { recordingId, ...by });
    await keyStore.close();
    const uuid = expect.stringMatching(/^[\da-f-]{36}$/);
    expect(sink.events).toEqual([
      {
        class_uid: 6003,
        category_uid: 6,
        activity_id: 2,
        activity_name: "Read",
        type_uid: 600_302,
        time: clock.now(),
        severity_id: 1,
        status_id: 1,
        status: "Success",
        actor: { user: { uid: "agent-7" }, app_name: "recording-keystore" },
        api: {
          operation: "decryptRecording",
          service: { name: "recording-keystore" },
          request: { uid: uuid, data: { reason: "complaint 12" } },
        },
        resources: [
          { type: "recording", uid: recordingId, name: "main" },
          { type: "key pair", uid: keyPairId },
        ],
        src_endpoint: { svc_name: "recording-keystore", instance_uid: uuid },
        metadata: {
          version: "1.3.0",
          product: { name: "recording-keystore", vendor_name: "recording-keystore" },
          uid: uuid,
          tenant_uid: "org-1",
        },
      },
    ]);
  });

  it("tells what a call was told to do, and what came of it, under one id", async () => {
    const { keyStore, sink, kmsKeyAliasArn } = await world();
    const { keyPair } = await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" }, by);
    await keyStore.close();
    const [attempt, changed, success] = sink.events;
    expect(attempt?.api.request.data).toEqual({
      reason: "complaint 12",
      kmsKeyAliasArn,
      periodicKeyChange: "daily",
      keyPairSpec: "X25519",
      newHistory: false,
    });
    expect(success?.api.request.data).toMatchObject({ changed: true });
    for (const event of [changed, success])
      expect(event?.resources).toEqual([{ type: "key pair", uid: keyPair.keyPairId }]);
    expect(success?.api.request.uid).toBe(attempt?.api.request.uid);
  });

  it("has the opening before a byte of the recording is released", async () => {
    const { keyStore, sink, body } = await world();
    let release: () => void = () => undefined;
    const writing = new Promise<void>((resolve) => (release = resolve));
    const append = vi.spyOn(sink, "append").mockImplementation(() => writing);
    let decrypted = false;
    const decrypting = keyStore.decryptRecording(body, { recordingId }).then(() => (decrypted = true));
    await vi.waitFor(() => expect(append).toHaveBeenCalled(), { timeout: 60_000 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(decrypted).toBe(false);
    release();
    await decrypting;
  });

  it("puts neither actor nor reason into what is encrypted, and checks both", async () => {
    const { keyStore, body } = await world();
    for (const words of [
      { actor: "" },
      { actor: "x".repeat(257) },
      { reason: "two\nlines" },
      { reason: 7 },
      { actr: "a" },
    ])
      for (const call of [
        () => keyStore.decryptRecording(body, { recordingId, ...(words as object) }),
        () => keyStore.rotate(words as object),
        () => keyStore.rewrapKeyPairs(words as object),
        () => keyStore.acceptRestoredStore(words as object),
      ])
        await expect(call()).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: Object.keys(words)[0] });
    await expect(keyStore.encryptRecording(audio, { recordingId, ...by })).rejects.toMatchObject({
      field: "actor",
    });
  });
});

const away: [how: string, append: () => Promise<void>][] = [
  ["rejects", () => Promise.reject(new Error("password=hunter2"))],
  [
    "throws",
    () => {
      throw new Error("password=hunter2");
    },
  ],
  ["rejects with nothing", () => Promise.reject(undefined)],
  ["hangs", () => new Promise<never>(() => undefined)],
];

describe.each(away)("while the sink %s", (_, append) => {
  async function broken(options: TestKeyStoreOptions = {}) {
    const parts = await world({ auditTimeout: 20, ...options });
    const failures: unknown[] = [];
    parts.keyStore.on("auditFailed", ({ error }) => failures.push(error));
    parts.sink.append = append;
    return { ...parts, failures };
  }

  it("recordings are encrypted, and due changes of key are made", async () => {
    const { keyStore, clock } = await broken();
    const before = await keyStore.encryptRecording(audio, { recordingId });
    clock.advance(62 * 86_400_000);
    await expect
      .poll(async () => (await keyStore.encryptRecording(audio, { recordingId })).keyPairId, { timeout: 60_000 })
      .not.toBe(before.keyPairId);
    await keyStore.close();
  });

  it("nothing is opened or changed, and the error says why in words of its own", async () => {
    const { keyStore, kms, body, keyPairId, failures, kmsKeyAliasArn } = await broken();
    kms.journal.clear();
    const refused = { code: "ERR_AUDIT_UNAVAILABLE", retryable: true };
    await expect(keyStore.decryptRecording(body, { recordingId })).rejects.toMatchObject(refused);
    await expect(keyStore.decryptRecording(Readable.from([body]), { recordingId })).rejects.toMatchObject(refused);
    await expect(keyStore.openRecording(bytesSource(body), { recordingId })).rejects.toMatchObject(refused);
    for (const call of [
      () => keyStore.rotate(),
      () => keyStore.configure({ kmsKeyAliasArn }),
      () => keyStore.rewrapKeyPairs(),
      () => keyStore.removeOrphanedKeyPairs(),
    ])
      await expect(call()).rejects.toMatchObject(refused);
    expect(kms.journal.count("Encrypt")).toBe(0);
    expect((await keyStore.keyPairs()).items.map((pair) => pair.keyPairId)).toEqual([keyPairId]);
    expect(JSON.stringify(failures)).not.toContain("hunter2");
    expect(failures.length).toBeGreaterThanOrEqual(7);
    await keyStore.close();
  });

  it("everything goes on where the log is not required", async () => {
    const { keyStore, body, failures } = await broken({ auditRequired: false });
    expect(Buffer.from((await keyStore.decryptRecording(body, { recordingId })).body).equals(audio)).toBe(true);
    await expect(keyStore.rotate()).resolves.toMatchObject({ sequence: 2 });
    expect(failures).toContainEqual(expect.objectContaining({ code: "ERR_AUDIT_UNAVAILABLE" }));
    await keyStore.close();
  });

  it("a refusal is still a refusal", async () => {
    const { keyStore } = await broken();
    await expect(keyStore.administration([]).rotate()).rejects.toMatchObject({ code: "ERR_NOT_PERMITTED" });
    await expect(keyStore.decryptRecording(Buffer.alloc(9), { recordingId })).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_(FORMAT|RECORDING)_/),
    });
    await keyStore.close();
  });
});
