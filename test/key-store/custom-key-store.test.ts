import { describe, expect, it } from "vitest";
import { diagnose, type KmsError } from "../../src/kms/index.js";
import { createTestKeyStore, InMemoryKms, InMemoryKmsProvider } from "../../src/testing/index.js";

const audio = Buffer.from("audio");

/** A key store whose organization has its key in a custom key store, and no configuration yet. */
async function makeOrganization(type: "AWS_CLOUDHSM" | "EXTERNAL_KEY_STORE" = "EXTERNAL_KEY_STORE") {
  const made = await createTestKeyStore({ configuration: false });
  const { kms, kmsKeyArn, kmsKeyAliasArn } = made;
  const accountId = kmsKeyArn.split(":")[4] ?? "";
  const keyStoreId = kms.keyStores.create({ accountId, type });
  const keyArn = kms.createKey({ accountId, customKeyStoreId: keyStoreId, policy: kms.getKeyPolicy(kmsKeyArn) });
  kms.pointAlias(kmsKeyAliasArn, keyArn);
  return { ...made, keyStoreId, keyArn };
}

describe("an organization with its key in an external key store", () => {
  it("disconnects it: nothing opens, recordings are still made, and all open when it is connected again", async () => {
    const { keyStore, kms, keyStoreId, keyArn, kmsKeyAliasArn } = await makeOrganization();
    await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "never" });
    const before = await keyStore.encryptRecording(audio, { recordingId: "before" });

    kms.keyStores.disconnect(keyStoreId);
    keyStore.forgetPrivateKeys();
    const refused = await keyStore
      .decryptRecording(before.body, { recordingId: "before" })
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ retryable: true, kind: "key-unusable" });
    await keyStore.confirm().catch(() => {});
    const meanwhile = await keyStore.encryptRecording(audio, { recordingId: "meanwhile" });
    expect(meanwhile.usedLastKnownKey).toBe(true);
    const { lastKmsError } = await keyStore.status();
    expect(lastKmsError?.diagnosis).toMatchObject({
      awsErrorName: "KMSInvalidStateException",
      awsMessage: `${keyArn} is unavailable.`,
      whatToDo: [expect.stringContaining("Connect its custom key store, in account 111122223333"), expect.anything()],
    });

    kms.keyStores.connect(keyStoreId);
    for (const [recordingId, { body }] of Object.entries({ before, meanwhile })) {
      const opened = await keyStore.decryptRecording(body, { recordingId });
      expect(Buffer.from(opened.body)).toEqual(audio);
    }
    await keyStore.close();
  });

  it("loses the way to its key manager: the diagnosis names the proxy, not AWS", async () => {
    const { keyStore, kms, kmsKeyAliasArn } = await makeOrganization();
    kms.faults.inject("key-store-unreachable");
    const report = await keyStore.test({ kmsKeyAliasArn });
    expect(report).toMatchObject({
      ok: false,
      diagnosis: {
        kind: "key-unusable",
        summary: expect.stringContaining("external key store"),
        whatToDo: [expect.stringContaining("external key store proxy"), expect.anything()],
      },
    });
    await keyStore.close();
  });
});

describe.each(["AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"] as const)("a key of origin %s", (type) => {
  it("serves key pairs of the spec X25519, which KMS does not make", async () => {
    const { keyStore, kmsKeyAliasArn } = await makeOrganization(type);
    expect(await keyStore.test({ kmsKeyAliasArn })).toMatchObject({ ok: true });
    await keyStore.configure({ kmsKeyAliasArn });
    const { body } = await keyStore.encryptRecording(audio, { recordingId: "one" });
    keyStore.forgetPrivateKeys();
    expect(Buffer.from((await keyStore.decryptRecording(body, { recordingId: "one" })).body)).toEqual(audio);
    await keyStore.close();
  });

  it("serves no RSA pairs: test() and configure() say which spec to choose, and change nothing", async () => {
    const { keyStore, kmsKeyAliasArn } = await makeOrganization(type);
    const input = { kmsKeyAliasArn, keyPairSpec: "RSA_2048" } as const;
    const diagnosis = {
      kind: "key-unsupported",
      awsErrorName: "UnsupportedOperationException",
      summary: expect.stringContaining("AWS KMS makes no RSA key pairs under the KMS key"),
      whatToDo: [expect.stringContaining("X25519"), expect.anything()],
    };
    const report = await keyStore.test(input);
    expect(report).toMatchObject({ ok: false, diagnosis });
    await expect(keyStore.configure(input)).rejects.toMatchObject({ code: "ERR_TEST_FAILED", report: { diagnosis } });
    expect((await keyStore.status()).configuration).toBeUndefined();
    await keyStore.close();
  });
});

it("what an external key manager can't decrypt is told apart from a key store that does not answer", async () => {
  const kms = new InMemoryKms();
  const keyId = kms.createKey({ customKeyStoreId: kms.keyStores.create() });
  const provider = new InMemoryKmsProvider(kms);
  const { ciphertext } = await provider.encrypt({ keyId, plaintext: audio, encryptionContext: { a: "b" } });
  const error: unknown = await provider
    .decrypt({ keyId, ciphertext, encryptionContext: {} })
    .catch((thrown: unknown) => thrown);
  expect(diagnose(error as KmsError)).toMatchObject({
    kind: "key-unusable",
    summary: expect.stringContaining("could not decrypt what is stored"),
    whatToDo: [expect.stringContaining("restore it from a backup"), expect.stringContaining("external key manager")],
  });
});
