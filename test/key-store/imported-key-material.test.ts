import {
  CreateKeyCommand,
  DeleteImportedKeyMaterialCommand,
  GetParametersForImportCommand,
  ImportKeyMaterialCommand,
  KMSClient,
} from "@aws-sdk/client-kms";
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createTestKeyStore } from "../../src/testing/index.js";
import { wrapMaterial } from "../in-memory-kms/conformance/import-requests.js";

const audio = Buffer.from("audio");

/** A key store whose organization imports its own key material, for a day. */
async function makeOrganization() {
  const made = await createTestKeyStore({ configuration: false });
  const { kms, clock, keyStore, kmsKeyArn, kmsKeyAliasArn } = made;
  const accountId = kmsKeyArn.split(":")[4] ?? "";
  const administrator = kms.addPrincipal({ arn: `arn:aws:iam::${accountId}:root`, identityPolicy: "administrator" });
  const client = new KMSClient({ ...kms.clientConfig("us-east-1", administrator), maxAttempts: 1 });
  const { KeyMetadata } = await client.send(
    new CreateKeyCommand({
      Origin: "EXTERNAL",
      Policy: kms.getKeyPolicy(kmsKeyArn),
      BypassPolicyLockoutSafetyCheck: true,
    }),
  );
  const KeyId = KeyMetadata?.Arn ?? "";
  const material = randomBytes(32);
  const bring = async (bytes: Uint8Array = material) => {
    const WrappingAlgorithm = "RSAES_OAEP_SHA_256";
    const { ImportToken, PublicKey = new Uint8Array() } = await client.send(
      new GetParametersForImportCommand({ KeyId, WrappingAlgorithm, WrappingKeySpec: "RSA_2048" }),
    );
    const EncryptedKeyMaterial = wrapMaterial(WrappingAlgorithm, PublicKey, bytes);
    const ValidTo = new Date(clock.now() + 86_400_000);
    await client.send(new ImportKeyMaterialCommand({ KeyId, ImportToken, EncryptedKeyMaterial, ValidTo }));
  };
  const withdraw = () => client.send(new DeleteImportedKeyMaterialCommand({ KeyId }));
  await bring();
  kms.pointAlias(kmsKeyAliasArn, KeyId);
  await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "never" });
  return { ...made, bring, withdraw, KeyId };
}

describe("an organization that imports its key material", () => {
  it.each([
    ["withdraws it", async ({ withdraw }: Awaited<ReturnType<typeof makeOrganization>>) => withdraw()],
    ["lets it expire", async ({ clock }: Awaited<ReturnType<typeof makeOrganization>>) => clock.advance(86_400_000)],
  ])("%s: nothing opens, recordings are still made, and all open when it is back", async (_name, end) => {
    const organization = await makeOrganization();
    const { keyStore, bring } = organization;
    const before = await keyStore.encryptRecording(audio, { recordingId: "before" });

    await end(organization);
    keyStore.forgetPrivateKeys();
    await expect(keyStore.decryptRecording(before.body, { recordingId: "before" })).rejects.toMatchObject({
      retryable: true,
      kind: "key-unusable",
    });
    await keyStore.confirm().catch(() => {});
    const meanwhile = await keyStore.encryptRecording(audio, { recordingId: "meanwhile" });
    expect(meanwhile.usedLastKnownKey).toBe(true);

    await expect(bring(randomBytes(32))).rejects.toMatchObject({ name: "IncorrectKeyMaterialException" });
    await bring();
    for (const [recordingId, { body }] of Object.entries({ before, meanwhile })) {
      const opened = await keyStore.decryptRecording(body, { recordingId });
      expect(Buffer.from(opened.body)).toEqual(audio);
    }
    await keyStore.close();
  });
});
