import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { describe, expect, it } from "vitest";
import { InvalidInputError, KmsError, RecordingKeyStore, RecordingKeyStoreError } from "../../src/index.js";
import { atLength, effort } from "../support/effort.js";
import { accountId, configured, homeRegion, kmsKeyAliasArn, organizationId, setup } from "../support/setup.js";

const audio = randomBytes(200_000);

describe("test()", () => {
  it("reports each step, and saves nothing", async () => {
    const { keyStore, keyArn, kms } = setup();
    const report = await keyStore.test({ kmsKeyAliasArn, periodicKeyChange: "daily" });
    expect(report).toMatchObject({ ok: true, kmsKeyArn: keyArn });
    expect(report.steps.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "make-key-pair passed",
      "encrypt-test-data passed",
      "unwrap-private-key passed",
      "decrypt-and-compare passed",
      "confirm-public-key passed",
      "home-region passed",
      "describe-key passed",
    ]);
    expect((await keyStore.keyPairs()).items).toEqual([]);
    expect((await keyStore.status()).configured).toBe(false);
    for (const call of kms.journal.calls()) {
      if (call.operation === "DescribeKey") continue;
      expect(call.encryptionContext).toMatchObject({ "genesys-cloud-organization-id": organizationId });
    }
  });

  it("gives KMS's verdict and what to do", async () => {
    const { keyStore, kms, keyArn } = setup();
    kms.disableKey(keyArn);
    const report = await keyStore.test({ kmsKeyAliasArn });
    expect(report.ok).toBe(false);
    expect(report.diagnosis).toMatchObject({ kind: "key-disabled", awsErrorName: "DisabledException" });
    expect(report.diagnosis?.whatToDo[0]).toMatch(/enable/i);
    expect(report.steps.map(({ status }) => status)).toEqual([
      "failed",
      "skipped",
      "skipped",
      "skipped",
      "skipped",
      "skipped",
      "skipped",
    ]);
  });

  it("does without DescribeKey, which the reference policy always denies", async () => {
    const { keyStore, kms } = setup();
    kms.faults.accessDenied({ operation: "DescribeKey" });
    const report = await keyStore.test({ kmsKeyAliasArn });
    expect(report.ok).toBe(true);
    expect(report.steps.at(-1)).toMatchObject({ name: "describe-key", status: "unknown" });
  });

  it("makes RSA pairs inside KMS", async () => {
    const { keyStore, kms } = setup();
    expect((await keyStore.test({ kmsKeyAliasArn, keyPairSpec: "RSA_2048" })).ok).toBe(true);
    expect(kms.journal.count("GenerateDataKeyPairWithoutPlaintext")).toBe(1);
  });
});

describe("configure()", () => {
  it("leaves everything as it was when the test fails", async () => {
    const { keyStore, kms } = await configured();
    const before = await keyStore.status();
    kms.faults.accessDenied();
    await expect(keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" })).rejects.toMatchObject({
      code: "ERR_TEST_FAILED",
      report: { ok: false, diagnosis: { kind: "access-denied" } },
    });
    kms.faults.heal();
    expect((await keyStore.status()).activeKeyPair).toEqual(before.activeKeyPair);
    expect((await keyStore.keyPairs()).items).toHaveLength(1);
  });

  it.each([
    [{ kmsKeyAliasArn: "alias/recordings" }, "kmsKeyAliasArn", /alias ARN/],
    [{ kmsKeyAliasArn: `arn:aws:kms:${homeRegion}:${accountId}:key/1` }, "kmsKeyAliasArn", /not a key ARN/],
    [{ kmsKeyAliasArn: `arn:aws:kms:cn-north-1:${accountId}:alias/a` }, "kmsKeyAliasArn", /partition/],
    [{ kmsKeyAliasArn: `arn:aws:kms:${homeRegion}:${accountId}:alias/aws/s3` }, "kmsKeyAliasArn", /reserved/],
    [{ kmsKeyAliasArn: `arn:aws:kms:${homeRegion}:999999999999:alias/a` }, "kmsKeyAliasArn", /trustedKmsKeys/],
    [{ kmsKeyAliasArn, periodicKeyChange: "hourly" }, "periodicKeyChange", /one of daily, weekly/],
    [{ kmsKeyAliasArn, keyPairSpec: "RSA_1024" }, "keyPairSpec", /one of X25519/],
    [{ kmsKeyAliasArn, contextKeyName: "tenant" }, "contextKeyName", /not a known option/],
    [{ kmsKeyAliasArn, contextKey: "x" }, "contextKey", /not a known option/],
    [{}, "kmsKeyAliasArn", /required/],
  ])("refuses %j", async (input, field, message) => {
    const { keyStore, kms } = setup();
    await expect(keyStore.configure(input as never)).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field,
      message: expect.stringMatching(message),
    });
    expect(kms.journal.count()).toBe(0);
  });

  it.each(["arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/a", "arn:aws-cn:kms:cn-north-1:111122223333:alias/a"])(
    "takes %s",
    async (arn) => {
      const { kms, keyStoreWith } = setup();
      const region = arn.split(":")[3] ?? "";
      kms.createAlias("alias/a", kms.createKey({ accountId, region }));
      const keyStore = keyStoreWith({ homeRegion: region });
      await expect(keyStore.test({ kmsKeyAliasArn: arn })).resolves.toMatchObject({ ok: true });
    },
  );
});

describe("the constructor", () => {
  it.each([
    [{ organizationId: "" }, "organizationId"],
    [{ organizationId: "a*" }, "organizationId"],
    [{ homeRegion: "Ireland" }, "homeRegion"],
    [{ privateKeyTtl: 300_001 }, "privateKeyTtl"],
    [{ trustedKmsKeys: ["12345"] }, "trustedKmsKeys.0"],
    [{ contextKeyName: "aws:x" }, "contextKeyName"],
    [{ contextKeyName: "recording-keystore:purpose" }, "contextKeyName"],
    [{ contextKeyName: [] }, "contextKeyName"],
    [{ contextKeyName: ["tenant", "aws:x"] }, "contextKeyName.1"],
    [{ contextKeyName: Array.from({ length: 17 }, (_, index) => `tenant-${index}`) }, "contextKeyName"],
    [{ kms: {} }, "kms"],
    [{ store: undefined }, "store"],
    [{ colour: "red" }, "colour"],
  ])("refuses %j", (wrong, field) => {
    const { store, provider } = setup();
    const make = () =>
      new RecordingKeyStore({ organizationId, homeRegion, kms: provider(), store, ...(wrong as object) });
    expect(make).toThrow(expect.objectContaining({ code: "ERR_INVALID_INPUT", field }));
  });
});

describe("encrypt and decrypt", () => {
  it("brings bytes back, with metadata, and without a KMS call per encryption", async () => {
    const { keyStore, kms } = await configured();
    kms.journal.clear();
    const encrypted = await keyStore.encryptRecording(audio, { recordingId: "r1", publicMetadata: { codec: "opus" } });
    expect(kms.journal.count()).toBe(0);
    expect(encrypted).toMatchObject({ usedLastKnownKey: false, keyAtRisk: false, confirmation: "confirmed" });
    expect(encrypted.body.length).toBe(
      await keyStore.encryptedSize(audio.length, { recordingId: "r1", publicMetadata: { codec: "opus" } }),
    );
    const decrypted = await keyStore.decryptRecording(encrypted.body, { recordingId: "r1" });
    expect(Buffer.from(decrypted.body).equals(audio)).toBe(true);
    expect(decrypted).toMatchObject({ keyPairId: encrypted.keyPairId, publicMetadata: { codec: "opus" } });
  });

  it("needs one KMS call per key pair, also under 1,000 simultaneous decrypts", async () => {
    const { keyStore, kms, clock } = await configured();
    const { body } = await keyStore.encryptRecording(audio.subarray(0, 1_000), { recordingId: "r" });
    kms.journal.clear();
    await Promise.all(
      Array.from({ length: effort(1_000, 30) }, () => keyStore.decryptRecording(body, { recordingId: "r" })),
    );
    expect(kms.journal.count("Decrypt")).toBe(1);
    clock.advance(60_000);
    await keyStore.decryptRecording(body, { recordingId: "r" });
    expect(kms.journal.count("Decrypt")).toBe(2);
  });

  it.each([
    [{ recordingId: "other" }, "recordingId"],
    [{ recordingId: "r", asset: "screen" }, "asset"],
  ])("refuses another recording: %j", async (name, what) => {
    const { keyStore, kms } = await configured();
    const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
    kms.journal.clear();
    await expect(keyStore.decryptRecording(body, name)).rejects.toMatchObject({
      code: "ERR_RECORDING_MISMATCH",
      message: expect.stringContaining(what),
    });
    expect(kms.journal.count()).toBe(0);
  });

  it("refuses another organization's recording", async () => {
    const { keyStore, keyStoreWith } = await configured();
    const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
    const other = keyStoreWith({ organizationId: "org-2" });
    await other.configure({ kmsKeyAliasArn });
    await expect(other.decryptRecording(body, { recordingId: "r" })).rejects.toMatchObject({
      code: "ERR_RECORDING_MISMATCH",
    });
  });

  it("rejects for a source that fails while the key is fetched, and does not bring the process down", async () => {
    const { keyStoreWith, kms } = await configured();
    kms.faults.latency(50);
    const { body, done } = await keyStoreWith().encryptRecording(createReadStream("no-such-file"), {
      recordingId: "r",
    });
    await expect(body.toArray()).rejects.toMatchObject({ code: "ENOENT" });
    await expect(done).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("wants to be configured first", async () => {
    await expect(setup().keyStore.encryptRecording(audio, { recordingId: "r" })).rejects.toMatchObject({
      code: "ERR_NOT_CONFIGURED",
    });
  });

  it.each(atLength(["X25519", "RSA_2048", "RSA_3072", "RSA_4096"] as const, ["X25519", "RSA_2048"] as const))(
    "works with %s",
    async (keyPairSpec) => {
      const { keyStore } = setup();
      await keyStore.configure({ kmsKeyAliasArn, keyPairSpec });
      const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
      expect(Buffer.from((await keyStore.decryptRecording(body, { recordingId: "r" })).body).equals(audio)).toBe(true);
    },
  );

  it("opens a recording with the store lost, only where embeddedKeys allows its KMS key", async () => {
    const { keyStore, keyStoreWith, keyArn } = await configured();
    const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
    const { store } = setup();
    const options = { recordingId: "r" };
    await expect(keyStoreWith({ store }).decryptRecording(body, options)).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_NOT_FOUND",
    });
    await expect(
      keyStoreWith({ store, embeddedKeys: ["999999999999"] }).decryptRecording(body, options),
    ).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    const { body: opened } = await keyStoreWith({ store, embeddedKeys: [keyArn] }).decryptRecording(body, options);
    expect(Buffer.from(opened).equals(audio)).toBe(true);
  });
});

describe("close()", () => {
  it("refuses new work", async () => {
    const { keyStore } = await configured();
    await keyStore.close();
    await expect(keyStore.status()).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await keyStore.close();
  });
});

describe("errors", () => {
  it("are instances across copies of the package", () => {
    class Foreign extends Error {}
    const foreign = new Foreign("x");
    Object.defineProperty(foreign, Symbol.for("recording-keystore.error"), { value: true });
    expect(foreign).toBeInstanceOf(RecordingKeyStoreError);
    expect(new Error("x")).not.toBeInstanceOf(RecordingKeyStoreError);
    foreign.name = "KmsError";
    expect(foreign).toBeInstanceOf(KmsError);
    expect(foreign).not.toBeInstanceOf(InvalidInputError);
    expect(new InvalidInputError("field", "rule")).not.toBeInstanceOf(KmsError);
    class Mine extends KmsError {}
    expect(foreign).not.toBeInstanceOf(Mine);
  });
});
