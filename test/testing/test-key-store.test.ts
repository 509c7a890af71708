import { describe, expect, it } from "vitest";
import { createTestKeyStore } from "../../src/testing/index.js";

describe("createTestKeyStore", () => {
  it("encrypts and decrypts in one line, through the customer's policy", async () => {
    const { keyStore, kms, kmsKeyArn } = await createTestKeyStore();
    const { body } = await keyStore.encryptRecording(Buffer.from("audio"), { recordingId: "r1" });
    const opened = await keyStore.decryptRecording(body, { recordingId: "r1" });
    expect(Buffer.from(opened.body).toString()).toBe("audio");
    expect(
      kms.journal
        .calls({ keyArn: kmsKeyArn })
        .every(({ principal }) => principal === "arn:aws:iam::765628985471:role/recording"),
    ).toBe(true);
    await keyStore.close();
  });

  it("takes options of the key store", async () => {
    const { keyStore, kms, kmsKeyAliasArn } = await createTestKeyStore({
      organizationId: "northwind",
      homeRegion: "eu-central-1",
      configuration: { keyPairSpec: "RSA_2048" },
      contextKeyName: "tenant",
    });
    expect(kmsKeyAliasArn).toBe("arn:aws:kms:eu-central-1:111122223333:alias/recordings");
    expect(kms.journal.count("GenerateDataKeyPairWithoutPlaintext")).toBeGreaterThan(0);
    expect(kms.journal.calls({ operation: "Decrypt" })[0]?.encryptionContext).toMatchObject({ tenant: "northwind" });
    await keyStore.close();
  });

  it("writes the first of several context key names into the key's policy", async () => {
    const { keyStore, kms, kmsKeyArn } = await createTestKeyStore({ contextKeyName: ["tenant", "earlier"] });
    expect((await keyStore.rotate()).sequence).toBe(2);
    expect(kms.getKeyPolicy(kmsKeyArn)).toContain("kms:EncryptionContext:tenant");
    expect(kms.getKeyPolicy(kmsKeyArn)).not.toContain("earlier");
    await keyStore.close();
  });

  it("takes a fleet's secret, for tests of several workers", async () => {
    const { keyStore } = await createTestKeyStore({ fleetSecret: new Uint8Array(32).fill(1) });
    expect((await keyStore.status()).fleet).toMatchObject({ authentic: true });
    await keyStore.close();
  });

  it("leaves the key store unconfigured for configuration: false", async () => {
    const { keyStore } = await createTestKeyStore({ configuration: false });
    await expect(keyStore.encryptRecording(Buffer.from("x"), { recordingId: "r" })).rejects.toMatchObject({
      code: "ERR_NOT_CONFIGURED",
    });
    await keyStore.close();
  });
});
