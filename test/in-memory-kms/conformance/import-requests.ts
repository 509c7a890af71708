import { constants, createCipheriv, createPublicKey, publicEncrypt, randomBytes } from "node:crypto";
import type { KeySpec, KeyUsage } from "../../../src/in-memory-kms/key-specs.js";
import type { Send } from "../cases.js";
import { bytes, type Input } from "./row.js";

export const forever = { ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE" };

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

/** Imports material, and gives the answer. */
export const imported = async (send: Send, KeyId: string, given?: Import) =>
  send("ImportKeyMaterial", await importing(send, KeyId, given));
