import { createPublicKey, generateKeyPairSync, randomBytes, verify } from "node:crypto";
import { expect } from "vitest";
import type { Send } from "../cases.js";
import { day } from "../world.js";
import { externalKey, forever, imported, importing } from "./import-requests.js";
import { bytes, type Input, type Row } from "./row.js";

const Plaintext = Buffer.from("a recording's key");

const describedAs =
  (facts: object): NonNullable<Row["output"]> =>
  async (output, _world, { KeyId }, send) => {
    expect(output).toMatchObject({ KeyId });
    const { KeyMetadata } = await send("DescribeKey", { KeyId });
    expect(KeyMetadata).toMatchObject(facts);
  };

const importRow = (
  situation: string,
  source: Row["source"],
  make: (send: Send, now: number) => Promise<Input>,
  answer: Pick<Row, "error" | "output">,
): Row => ({
  operation: "ImportKeyMaterial",
  situation,
  source,
  input: (w, send) => make(send, w.clock.now()),
  ...answer,
});

const wrappings = ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"];
const enabled = { Enabled: true, KeyState: "Enabled", ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE" };

export const importRows: readonly Row[] = [
  ...wrappings.map((algorithm) =>
    importRow(
      `wrapped by ${algorithm}`,
      "documented",
      async (send) => importing(send, await externalKey(send), { algorithm }),
      {
        output: describedAs(enabled),
      },
    ),
  ),
  importRow(
    "of an RSA private key, by which the service then signs",
    "documented",
    async (send) => {
      const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      const material = privateKey.export({ format: "der", type: "pkcs8" });
      const KeyId = await externalKey(send, "RSA_2048", "SIGN_VERIFY");
      return importing(send, KeyId, { material, algorithm: "RSA_AES_KEY_WRAP_SHA_256" });
    },
    {
      output: async (_output, _world, { KeyId }, send) => {
        const { PublicKey } = await send("GetPublicKey", { KeyId });
        const key = createPublicKey({ key: bytes(PublicKey), format: "der", type: "spki" });
        const { Signature } = await send("Sign", {
          KeyId,
          Message: Plaintext,
          SigningAlgorithm: "RSASSA_PKCS1_V1_5_SHA_256",
        });
        expect(verify("sha256", Plaintext, key, bytes(Signature))).toBe(true);
      },
    },
  ),
  importRow(
    "of an HMAC key",
    "documented",
    async (send) =>
      importing(send, await externalKey(send, "HMAC_256", "GENERATE_VERIFY_MAC"), { material: Buffer.alloc(32) }),
    { output: describedAs(enabled) },
  ),
  importRow(
    "of material that is too short",
    "documented",
    async (send) => importing(send, await externalKey(send), { material: randomBytes(31) }),
    { error: ["IncorrectKeyMaterialException"] },
  ),
  importRow(
    "of a private key of another curve",
    "documented",
    async (send) => {
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
      const material = privateKey.export({ format: "der", type: "pkcs8" });
      const KeyId = await externalKey(send, "ECC_NIST_P256", "SIGN_VERIFY");
      return importing(send, KeyId, { material, algorithm: "RSA_AES_KEY_WRAP_SHA_256" });
    },
    { error: ["IncorrectKeyMaterialException"] },
  ),
  importRow(
    "without a time to an expiring model",
    "recorded",
    async (send) => importing(send, await externalKey(send), { input: {} }),
    { error: ["ValidationException", "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"] },
  ),
  importRow(
    "with a time that is over",
    "documented",
    async (send, now) => importing(send, await externalKey(send), { input: { ValidTo: new Date(now - day) } }),
    { error: ["ValidationException", "The validTo date must be in the future, and at most 365 days from now."] },
  ),
  importRow(
    "with a time",
    "documented",
    async (send, now) => importing(send, await externalKey(send), { input: { ValidTo: new Date(now + day) } }),
    {
      output: describedAs({ KeyState: "Enabled", ExpirationModel: "KEY_MATERIAL_EXPIRES", ValidTo: expect.any(Date) }),
    },
  ),
  importRow(
    "by the token of another key",
    "documented",
    async (send) => ({ ...(await importing(send, await externalKey(send))), KeyId: await externalKey(send) }),
    { error: ["InvalidImportTokenException"] },
  ),
  importRow(
    "of bytes that the wrapping key did not make",
    "documented",
    async (send) => ({ ...(await importing(send, await externalKey(send))), EncryptedKeyMaterial: randomBytes(256) }),
    { error: ["InvalidCiphertextException"] },
  ),
  importRow(
    "into a key whose material is AWS's",
    "recorded",
    async (send) => {
      const { KeyMetadata } = await send("CreateKey", {});
      return { ...(await importing(send, await externalKey(send))), KeyId: (KeyMetadata as { Arn: string }).Arn };
    },
    { error: ["UnsupportedOperationException", "{KeyId} origin is AWS_KMS which is not valid for this operation."] },
  ),
  importRow(
    "of the same material again after its deletion",
    "documented",
    async (send) => {
      const KeyId = await externalKey(send);
      const material = randomBytes(32);
      const { KeyMaterialId } = await imported(send, KeyId, { material });
      await send("DeleteImportedKeyMaterial", { KeyId });
      return importing(send, KeyId, { material, input: { ...forever, KeyMaterialId } });
    },
    { output: describedAs(enabled) },
  ),
  importRow(
    "of other material after the deletion",
    "documented",
    async (send) => {
      const KeyId = await externalKey(send);
      await imported(send, KeyId);
      await send("DeleteImportedKeyMaterial", { KeyId });
      return importing(send, KeyId);
    },
    { error: ["IncorrectKeyMaterialException"] },
  ),
  importRow(
    "of a third material, while a second waits for a rotation",
    "recorded",
    async (send) => {
      const KeyId = await externalKey(send);
      await imported(send, KeyId);
      const input = { ...forever, ImportType: "NEW_KEY_MATERIAL" };
      await imported(send, KeyId, { input });
      return importing(send, KeyId, { input });
    },
    {
      error: [
        "KMSInvalidStateException",
        /^New key material \(id: [0-9a-f]{64}\) cannot be imported into KMS key arn:/,
      ],
    },
  ),
];
