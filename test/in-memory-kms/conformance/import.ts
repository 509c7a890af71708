import {
  constants,
  createCipheriv,
  createPublicKey,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
  verify,
} from "node:crypto";
import { expect } from "vitest";
import type { KeySpec, KeyUsage } from "../../../src/in-memory-kms/key-specs.js";
import type { Send } from "../cases.js";
import { bytes, oneProblem, type Input, type Row } from "./row.js";

const forever = { ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE" };
const Plaintext = Buffer.from("a recording's key");

/** Wraps material as an administrator does. */
export function wrapMaterial(algorithm: string, publicKey: Uint8Array, material: Uint8Array): Buffer {
  const key = createPublicKey({ key: bytes(publicKey), format: "der", type: "spki" });
  const oaepHash = algorithm.endsWith("_1") ? "sha1" : "sha256";
  const byRsa = (text: Uint8Array) => publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, text);
  if (!algorithm.startsWith("RSA_AES")) return byRsa(material);
  const aes = randomBytes(32);
  const cipher = createCipheriv("id-aes256-wrap-pad", aes, Buffer.from("a65959a6", "hex"));
  return Buffer.concat([byRsa(aes), cipher.update(material), cipher.final()]);
}

export const externalKey = async (
  send: Send,
  KeySpec: KeySpec = "SYMMETRIC_DEFAULT",
  KeyUsage: KeyUsage = "ENCRYPT_DECRYPT",
): Promise<string> => {
  const { KeyMetadata } = await send("CreateKey", { Origin: "EXTERNAL", KeySpec, KeyUsage });
  return (KeyMetadata as { Arn: string }).Arn;
};

interface Import {
  readonly material?: Uint8Array;
  readonly algorithm?: string;
  readonly input?: Input;
}

/** The request that imports material. */
export async function importing(
  send: Send,
  KeyId: string,
  { material = randomBytes(32), algorithm = "RSAES_OAEP_SHA_256", input = forever }: Import = {},
): Promise<Input> {
  const parameters = await send("GetParametersForImport", {
    KeyId,
    WrappingAlgorithm: algorithm,
    WrappingKeySpec: "RSA_2048",
  });
  const { ImportToken, PublicKey } = parameters;
  return {
    KeyId,
    ImportToken,
    EncryptedKeyMaterial: wrapMaterial(algorithm, PublicKey as Uint8Array, material),
    ...input,
  };
}

const imported = async (send: Send, KeyId: string, given?: Import) =>
  send("ImportKeyMaterial", await importing(send, KeyId, given));

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
const day = 86_400_000;

const imports: readonly Row[] = [
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

const others: readonly Row[] = [
  {
    operation: "GetParametersForImport",
    situation: "of a key whose material is AWS's",
    source: "recorded",
    input: (w) => ({ KeyId: w.key, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048" }),
    error: ["UnsupportedOperationException", "{KeyId} origin is AWS_KMS which is not valid for this operation."],
  },
  {
    operation: "GetParametersForImport",
    situation: "for a signing key",
    source: "recorded",
    input: async (_w, send) => ({
      KeyId: await externalKey(send, "ECC_NIST_P256", "SIGN_VERIFY"),
      WrappingAlgorithm: "RSAES_OAEP_SHA_256",
      WrappingKeySpec: "RSA_2048",
    }),
    output: (output, w, { KeyId }) =>
      expect(output).toMatchObject({
        KeyId,
        ImportToken: expect.anything() as unknown,
        PublicKey: expect.anything() as unknown,
        ...(output["ParametersValidTo"] instanceof Date && { ParametersValidTo: new Date(w.clock.now() + day) }),
      }),
  },
  {
    operation: "GetParametersForImport",
    situation: "by the padding that the service no longer takes",
    source: "documented",
    input: async (_w, send) => ({
      KeyId: await externalKey(send),
      WrappingAlgorithm: "RSAES_PKCS1_V1_5",
      WrappingKeySpec: "RSA_2048",
    }),
    error: ["UnsupportedOperationException", "Wrapping algorithm {WrappingAlgorithm} is not supported."],
  },
  {
    operation: "GetParametersForImport",
    situation: "by an algorithm that there is not",
    source: "documented",
    input: async (_w, send) => ({
      KeyId: await externalKey(send),
      WrappingAlgorithm: "ROT13",
      WrappingKeySpec: "RSA_2048",
    }),
    error: [
      "ValidationException",
      oneProblem(
        "Value 'ROT13' at 'wrappingAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [RSAES_PKCS1_V1_5, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, RSA_AES_KEY_WRAP_SHA_1, RSA_AES_KEY_WRAP_SHA_256, SM2PKE]",
      ),
    ],
  },
  {
    operation: "Encrypt",
    situation: "before material has been imported",
    source: "recorded",
    input: async (_w, send) => ({ KeyId: await externalKey(send), Plaintext }),
    error: ["KMSInvalidStateException", "{KeyId} is pending import."],
  },
  {
    operation: "Encrypt",
    situation: "after imported material was deleted",
    source: "recorded",
    input: async (_w, send) => {
      const KeyId = await externalKey(send);
      await imported(send, KeyId);
      await send("DeleteImportedKeyMaterial", { KeyId });
      return { KeyId, Plaintext };
    },
    error: ["KMSInvalidStateException", "{KeyId} is pending import."],
  },
  {
    operation: "Encrypt",
    situation: "after imported material has expired",
    source: "documented",
    input: async (w, send) => {
      const KeyId = await externalKey(send);
      await imported(send, KeyId, { input: { ValidTo: new Date(w.clock.now() + day) } });
      w.clock.advance(day);
      return { KeyId, Plaintext };
    },
    error: ["KMSInvalidStateException", "{KeyId} is pending import."],
  },
  {
    operation: "ImportKeyMaterial",
    situation: "by a token of a day ago",
    source: "documented",
    input: async (w, send) => {
      const request = await importing(send, await externalKey(send));
      w.clock.advance(day);
      return request;
    },
    error: ["ExpiredImportTokenException"],
  },
  {
    operation: "DeleteImportedKeyMaterial",
    situation: "of a key whose material is AWS's",
    source: "recorded",
    input: (w) => ({ KeyId: w.key }),
    error: ["UnsupportedOperationException", "{KeyId} origin is AWS_KMS which is not valid for this operation."],
  },
  {
    operation: "DeleteImportedKeyMaterial",
    situation: "of the current material, whose id stays",
    source: "recorded",
    input: async (_w, send) => {
      const KeyId = await externalKey(send);
      await imported(send, KeyId);
      return { KeyId };
    },
    output: async (output, _w, { KeyId }, send) => {
      const { KeyMetadata } = await send("DescribeKey", { KeyId });
      expect(KeyMetadata).toMatchObject({ KeyState: "PendingImport", CurrentKeyMaterialId: output["KeyMaterialId"] });
      expect(KeyMetadata).not.toHaveProperty("ExpirationModel");
    },
  },
  {
    operation: "RotateKeyOnDemand",
    situation: "of imported material, when none waits",
    source: "recorded",
    input: async (_w, send) => {
      const KeyId = await externalKey(send);
      await imported(send, KeyId);
      return { KeyId };
    },
    error: ["KMSInvalidStateException", "No available key material pending rotation for the key: {KeyId}."],
  },
  {
    operation: "RotateKeyOnDemand",
    situation: "to imported material that waits, after which both decrypt",
    source: "recorded",
    input: async (_w, send) => {
      const KeyId = await externalKey(send);
      await imported(send, KeyId);
      const { CiphertextBlob } = await send("Encrypt", { KeyId, Plaintext });
      await imported(send, KeyId, { input: { ...forever, ImportType: "NEW_KEY_MATERIAL" } });
      return { KeyId, CiphertextBlob };
    },
    output: async (_output, _w, { KeyId, CiphertextBlob }, send) => {
      expect(bytes((await send("Decrypt", { CiphertextBlob }))["Plaintext"])).toEqual(Plaintext);
      const { Rotations } = await send("ListKeyRotations", { KeyId, IncludeKeyMaterial: "ALL_KEY_MATERIAL" });
      expect(Rotations).toMatchObject([
        { KeyMaterialState: "NON_CURRENT", ImportState: "IMPORTED" },
        { KeyMaterialState: "CURRENT", ImportState: "IMPORTED", RotationType: "ON_DEMAND" },
      ]);
    },
  },
];

export const importRows: readonly Row[] = [...imports, ...others];
