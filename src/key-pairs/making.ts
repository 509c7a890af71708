import { randomBytes, randomUUID } from "node:crypto";
import { secretBuffer, wipe } from "../encoding/secrets.js";
import { isKmsKeyArn, sameAccountAndRegion } from "../kms/arn.js";
import { kmsError } from "../kms/failures.js";
import type { KmsProvider } from "../kms/kms-provider.js";
import { birthRecordDigest, encodeBirthRecord, type BirthRecord } from "./birth-record.js";
import { encryptionContextOf } from "./encryption-context.js";
import { attestedDigest, type KeyPair, type KmsCiphertext } from "./key-pair.js";
import { importUnwrappingKey, importWrappingKey, type UnwrappingKey } from "./key-wrapping.js";
import { x25519KeyLength } from "./sealed-box.js";

/** Everything of a new pair's birth record that its maker decides. */
export type NewKeyPair = Omit<BirthRecord, "keyPairId">;

/**
 * Makes a key pair under the KMS key to which the alias points now: private half wrapped by KMS, and both halves
 * attested. Nothing is stored. The caller has KMS unwrap it once ({@link unwrapPrivateKey}) before anybody relies on it.
 * @throws KmsError
 */
export async function makeKeyPair(kms: KmsProvider, request: NewKeyPair, signal?: AbortSignal): Promise<KeyPair> {
  const birth: BirthRecord = { ...request, keyPairId: randomUUID() };
  const birthRecord = encodeBirthRecord(birth);
  const { publicKey, wrapping } = await makeHalves(kms, birth, birthRecord, signal);
  const { keyArn, ciphertext } = await kms.encrypt(
    {
      keyId: wrapping.kmsKeyArn, // the alias may be moved at any moment; both ciphertexts must be of one key
      plaintext: attestedDigest(birthRecord, publicKey),
      encryptionContext: encryptionContextOf(birth, birthRecord, "attestation"),
    },
    options(signal),
  );
  const attestation = { kmsKeyArn: checkAnsweredKey(keyArn, birth, "Encrypt"), ciphertext: Buffer.from(ciphertext) };
  const wrappingKey = importWrappingKey(birth.spec, publicKey);
  return { birth, birthRecord, digest: birthRecordDigest(birthRecord), publicKey, wrappingKey, attestation, wrapping };
}

async function makeHalves(
  kms: KmsProvider,
  birth: BirthRecord,
  birthRecord: Buffer,
  signal: AbortSignal | undefined,
): Promise<{ publicKey: Buffer; wrapping: KmsCiphertext }> {
  const keyId = birth.kmsKeyAliasArn;
  const encryptionContext = encryptionContextOf(birth, birthRecord, "private-key");
  if (birth.spec !== "X25519") {
    const made = await kms.generateDataKeyPair({ keyId, spec: birth.spec, encryptionContext }, options(signal));
    const kmsKeyArn = checkAnsweredKey(made.keyArn, birth, "GenerateDataKeyPairWithoutPlaintext");
    return { publicKey: Buffer.from(made.publicKey), wrapping: { kmsKeyArn, ciphertext: Buffer.from(made.privateKeyCiphertext) } };
  }
  const privateKey = secretBuffer(x25519KeyLength);
  const random = randomBytes(x25519KeyLength);
  privateKey.set(random);
  wipe(random);
  try {
    const { publicKey } = importUnwrappingKey("X25519", privateKey);
    const { keyArn, ciphertext } = await kms.encrypt({ keyId, plaintext: privateKey, encryptionContext }, options(signal));
    return { publicKey, wrapping: { kmsKeyArn: checkAnsweredKey(keyArn, birth, "Encrypt"), ciphertext: Buffer.from(ciphertext) } };
  } finally {
    wipe(privateKey);
  }
}

/** Which pair a wrapped private half belongs to, and under which key ARNs KMS may be asked for it, in this order. */
export interface WrappedPrivateKey {
  readonly birth: BirthRecord;
  readonly birthRecord: Buffer;
  readonly ciphertext: Uint8Array;
  readonly decrypt: KeyDecryption;
}

/** `kms:Decrypt` of one ciphertext under one key, in whichever of its Regions answers. */
export type KeyDecryption = (
  request: { ciphertext: Uint8Array; encryptionContext: Readonly<Record<string, string>> },
  signal?: AbortSignal,
) => Promise<Buffer>;

/**
 * Has KMS unwrap a pair's private half. The encryption context holds the birth record's digest, so what comes back was
 * wrapped for exactly this pair.
 * @throws KmsError, also of kind `unexpected-answer` when the plaintext is no private key of the pair's spec
 */
export async function unwrapPrivateKey({ birth, birthRecord, ciphertext, decrypt }: WrappedPrivateKey, signal?: AbortSignal): Promise<UnwrappingKey> {
  const plaintext = await decrypt({ ciphertext, encryptionContext: encryptionContextOf(birth, birthRecord, "private-key") }, signal);
  try {
    return importUnwrappingKey(birth.spec, plaintext);
  } catch {
    throw kmsError("unexpected-answer", { operation: "Decrypt", message: `KMS unwrapped something that is no ${birth.spec} private key` });
  } finally {
    wipe(plaintext);
  }
}

/** The key with which KMS answered must belong to the account and Region of the alias that was asked. */
function checkAnsweredKey(keyArn: string, birth: BirthRecord, operation: string): string {
  if (isKmsKeyArn(keyArn) && sameAccountAndRegion(keyArn, birth.kmsKeyAliasArn)) return keyArn;
  throw kmsError("unexpected-answer", {
    operation,
    keyId: birth.kmsKeyAliasArn,
    message: `KMS answered ${operation} for ${birth.kmsKeyAliasArn} with the key ${JSON.stringify(keyArn)}, which is not of the alias's account and Region`,
  });
}

export function options(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}
