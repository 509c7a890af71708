import { describe, expect, it, test } from "vitest";
import {
  createTestKeyStore,
  InMemoryKms,
  InMemoryKmsProvider,
  kmsProviderConformance,
} from "../../src/testing/index.js";

kmsProviderConformance({ describe, it }, async () => {
  const kms = new InMemoryKms();
  const keyArn = kms.createKey({ alias: "alias/conformance" });
  return {
    provider: new InMemoryKmsProvider(kms),
    keyArn,
    keyAliasArn: keyArn.replace(/:key\/.*/, ":alias/conformance"),
    otherKeyArn: kms.createKey(),
    outage: { begin: () => void kms.faults.outage(), end: () => kms.faults.heal(), endsWithin: 1_000 },
  };
});

test("a call that hangs ends within its deadline", async () => {
  const kms = new InMemoryKms();
  kms.faults.hang();
  const provider = new InMemoryKmsProvider(kms, { deadline: 50 });
  await expect(provider.describeKey({ keyId: kms.createKey() })).rejects.toMatchObject({ kind: "timeout" });
});

describe("createTestKeyStore", () => {
  test("encrypts and decrypts in one line, through the customer's policy", async () => {
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

  test("takes what a test cares for", async () => {
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

  test("writes the first of several context key names into the key's policy", async () => {
    const { keyStore, kms, kmsKeyArn } = await createTestKeyStore({ contextKeyName: ["tenant", "earlier"] });
    expect((await keyStore.rotate()).sequence).toBe(2);
    expect(kms.getKeyPolicy(kmsKeyArn)).toContain("kms:EncryptionContext:tenant");
    expect(kms.getKeyPolicy(kmsKeyArn)).not.toContain("earlier");
    await keyStore.close();
  });

  test("takes a fleet's secret, for tests of several workers", async () => {
    const { keyStore } = await createTestKeyStore({ fleetSecret: new Uint8Array(32).fill(1) });
    expect((await keyStore.status()).fleet).toMatchObject({ authentic: true });
    await keyStore.close();
  });

  test("leaves the key store unconfigured if told so", async () => {
    const { keyStore } = await createTestKeyStore({ configuration: false });
    await expect(keyStore.encryptRecording(Buffer.from("x"), { recordingId: "r" })).rejects.toMatchObject({
      code: "ERR_NOT_CONFIGURED",
    });
    await keyStore.close();
  });
});
