import { createCipheriv, createDecipheriv, createHash, randomBytes, type KeyObject } from "node:crypto";
import { invalidCiphertext } from "./aws-error.js";
import type { KeyMaterial } from "./key-material.js";

export type EncryptionContext = Readonly<Record<string, string>>;

/*
 * Blob: version · key material id (32) · check of both (4) · zeros (73) · IV (12) · ciphertext · tag (16). The material id names
 * the key; the check tells a damaged blob (InvalidCiphertextException) from a foreign one (access denied). The zeros make a
 * blob as long as the service's, 141 bytes more than its plaintext. Older blobs have another version, and none.
 */
const version = Buffer.from([1, 2, 3, 0]);
const versionWithoutZeros = Buffer.from([1, 2, 2, 0]);
const materialIdLength = 32;
const checkLength = 4;
const ivLength = 12;
const tagLength = 16;
const namedLength = version.length + materialIdLength;
const zeros = Buffer.alloc(141 - namedLength - checkLength - ivLength - tagLength);

export function sealCiphertext(material: KeyMaterial, plaintext: Uint8Array, context: EncryptionContext): Buffer {
  const named = Buffer.concat([version, Buffer.from(material.id, "hex")]);
  const header = Buffer.concat([named, check(named), zeros]);
  const iv = randomBytes(ivLength);
  const cipher = createCipheriv("aes-256-gcm", secretOf(material), iv);
  cipher.setAAD(Buffer.concat([header, canonicalContext(context)]));
  return Buffer.concat([header, iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Id of the key material that sealed a blob. @throws AwsError `InvalidCiphertextException` if no in-memory KMS made it */
export function materialIdOf(blob: Uint8Array): string {
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
  const named = bytes.subarray(0, namedLength);
  const headerLength = headerLengthOf(bytes);
  const intact =
    headerLength !== undefined &&
    bytes.length >= headerLength + ivLength + tagLength &&
    check(named).equals(bytes.subarray(namedLength, namedLength + checkLength));
  if (!intact) throw invalidCiphertext();
  return named.toString("hex", version.length);
}

/** Length of what stands before the IV. `undefined` for an unknown version. */
function headerLengthOf(blob: Uint8Array): number | undefined {
  const start = blob.subarray(0, version.length);
  if (version.equals(start)) return namedLength + checkLength + zeros.length;
  return versionWithoutZeros.equals(start) ? namedLength + checkLength : undefined;
}

export function openCiphertext(material: KeyMaterial, blob: Uint8Array, context: EncryptionContext): Buffer {
  const headerLength = headerLengthOf(blob);
  if (headerLength === undefined) throw invalidCiphertext();
  const header = blob.subarray(0, headerLength);
  const decipher = createDecipheriv(
    "aes-256-gcm",
    secretOf(material),
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

/** The state of a key without its material has been refused before. */
function secretOf({ secret }: Pick<KeyMaterial, "secret">): KeyObject {
  if (!secret) throw new TypeError("no key material");
  return secret;
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
