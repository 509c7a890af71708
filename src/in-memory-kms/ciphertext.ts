import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { invalidCiphertext } from "./aws-error.js";
import type { KeyMaterial } from "./key-material.js";

export type EncryptionContext = Readonly<Record<string, string>>;

/*
 * Blob: version · key material id (32) · check of both (4) · IV (12) · ciphertext · tag (16). The material id names the
 * key; the check tells a damaged blob (InvalidCiphertextException) from a foreign one (access denied).
 */
const version = Buffer.from([1, 2, 2, 0]);
const materialIdLength = 32;
const checkLength = 4;
const ivLength = 12;
const tagLength = 16;
const headerLength = version.length + materialIdLength + checkLength;

export function sealCiphertext(material: KeyMaterial, plaintext: Uint8Array, context: EncryptionContext): Buffer {
  const named = Buffer.concat([version, Buffer.from(material.id, "hex")]);
  const header = Buffer.concat([named, check(named)]);
  const iv = randomBytes(ivLength);
  const cipher = createCipheriv("aes-256-gcm", material.secret, iv);
  cipher.setAAD(Buffer.concat([header, canonicalContext(context)]));
  return Buffer.concat([header, iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Id of the key material that sealed a blob. @throws AwsError `InvalidCiphertextException` if no in-memory KMS made it */
export function materialIdOf(blob: Uint8Array): string {
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
  const named = bytes.subarray(0, version.length + materialIdLength);
  const intact =
    bytes.length >= headerLength + ivLength + tagLength &&
    named.subarray(0, version.length).equals(version) &&
    check(named).equals(bytes.subarray(named.length, headerLength));
  if (!intact) throw invalidCiphertext();
  return named.toString("hex", version.length);
}

export function openCiphertext(material: KeyMaterial, blob: Uint8Array, context: EncryptionContext): Buffer {
  const header = blob.subarray(0, headerLength);
  const decipher = createDecipheriv(
    "aes-256-gcm",
    material.secret,
    blob.subarray(headerLength, headerLength + ivLength),
  );
  decipher.setAAD(Buffer.concat([header, canonicalContext(context)]));
  decipher.setAuthTag(blob.subarray(blob.length - tagLength));
  try {
    return Buffer.concat([
      decipher.update(blob.subarray(headerLength + ivLength, blob.length - tagLength)),
      decipher.final(),
    ]);
  } catch {
    throw invalidCiphertext();
  }
}

function check(named: Uint8Array): Buffer {
  return createHash("sha256").update(named).digest().subarray(0, checkLength);
}

/** Encodes a context, sorted by the bytes of its keys, each part after its length. No two contexts share an encoding. */
export function canonicalContext(context: EncryptionContext): Buffer {
  const pairs = Object.entries(context).map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const);
  pairs.sort(([a], [b]) => Buffer.compare(a, b));
  return Buffer.concat(pairs.flat().flatMap((part) => [lengthPrefix(part), part]));
}

function lengthPrefix(part: Uint8Array): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(part.length);
  return prefix;
}
