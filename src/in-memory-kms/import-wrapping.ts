import { constants, createDecipheriv, privateDecrypt, type KeyObject } from "node:crypto";
import { invalidCiphertext, unsupported } from "./aws-error.js";

export const wrappingAlgorithms = [
  "RSAES_PKCS1_V1_5",
  "RSAES_OAEP_SHA_1",
  "RSAES_OAEP_SHA_256",
  "RSA_AES_KEY_WRAP_SHA_1",
  "RSA_AES_KEY_WRAP_SHA_256",
  "SM2PKE",
] as const;
type WrappingAlgorithm = (typeof wrappingAlgorithms)[number];

export const wrappingKeySpecs = ["RSA_2048", "RSA_3072", "RSA_4096", "SM2"] as const;

/** @throws AwsError for what the service no longer takes or is not modelled */
export function requireWrapping(algorithm: WrappingAlgorithm, spec: (typeof wrappingKeySpecs)[number]): void {
  if (algorithm === "SM2PKE" || spec === "SM2") throw unsupported("The in-memory KMS does not model SM2PKE.");
  // Since October 2023.
  if (algorithm === "RSAES_PKCS1_V1_5") throw unsupported("Wrapping algorithm RSAES_PKCS1_V1_5 is not supported.");
}

/** Initial value of AES key wrap with padding (RFC 5649, 3). */
const wrapIv = Buffer.from("a65959a6", "hex");

/** Material that a wrapping key was used on. @throws AwsError `InvalidCiphertextException` for anything else */
export function unwrapMaterial(algorithm: WrappingAlgorithm, privateKey: KeyObject, wrapped: Uint8Array): Buffer {
  const oaepHash = algorithm.endsWith("_1") ? "sha1" : "sha256";
  const byRsa = (bytes: Uint8Array) =>
    privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, bytes);
  try {
    if (!algorithm.startsWith("RSA_AES_KEY_WRAP_")) return byRsa(wrapped);
    // The first block is an AES key under RSA, and the rest the material under that key.
    const length = (privateKey.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
    const decipher = createDecipheriv("id-aes256-wrap-pad", byRsa(wrapped.subarray(0, length)), wrapIv);
    return Buffer.concat([decipher.update(wrapped.subarray(length)), decipher.final()]);
  } catch {
    throw invalidCiphertext();
  }
}
