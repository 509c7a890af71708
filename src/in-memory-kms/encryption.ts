import { constants, privateDecrypt, publicEncrypt } from "node:crypto";
import { AwsError, incorrectKey, invalidCiphertext, invalidState, unsupported, validation } from "./aws-error.js";
import type { KeyUse, KmsCall } from "./call.js";
import { materialIdOf, openCiphertext, sealCiphertext, type EncryptionContext } from "./ciphertext.js";
import type { KmsKey } from "./key.js";

export const encryptionAlgorithms = ["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"] as const;
export type EncryptionAlgorithm = (typeof encryptionAlgorithms)[number];

/** Bytes that OAEP adds to a plaintext: twice its hash, and two. */
const oaep: Partial<Record<EncryptionAlgorithm, { oaepHash: string; overhead: number }>> = {
  RSAES_OAEP_SHA_1: { oaepHash: "sha1", overhead: 42 },
  RSAES_OAEP_SHA_256: { oaepHash: "sha256", overhead: 66 },
};

interface PlaintextToSeal {
  readonly algorithm: EncryptionAlgorithm;
  readonly plaintext: Uint8Array;
  readonly encryptionContext: EncryptionContext;
}

interface Sealed {
  readonly ciphertext: Buffer;
  /** Absent for asymmetric keys. */
  readonly materialId?: string;
}

/** Encrypts under a key that the caller may use. @throws AwsError unless the key is for it */
export async function encryptUnder(
  call: KmsCall,
  key: KmsKey,
  { algorithm, plaintext, encryptionContext }: PlaintextToSeal,
): Promise<Sealed> {
  if (key.isSymmetric || algorithm === "SYMMETRIC_DEFAULT") {
    const { current } = key.requireSymmetricEncryption(call.operation, algorithm);
    return { ciphertext: sealCiphertext(current, plaintext, encryptionContext), materialId: current.id };
  }
  const { oaepHash, overhead } = rsaUse(call, key, algorithm);
  if (Object.keys(encryptionContext).length > 0)
    throw validation(`An encryption context is not valid for algorithm ${algorithm}.`);
  const publicKey = await key.requireSecret().publicKey(call.state.dataKeyPairs);
  const most = (publicKey.asymmetricKeyDetails?.modulusLength ?? 0) / 8 - overhead;
  if (plaintext.byteLength > most) {
    throw validation(`Algorithm ${algorithm} and key spec ${key.spec} cannot encrypt data larger than ${most} bytes.`);
  }
  return {
    ciphertext: publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, plaintext),
  };
}

interface CiphertextToOpen {
  readonly use: KeyUse;
  /** `undefined` for a dry run that ignores it. */
  readonly blob: Uint8Array | undefined;
  readonly keyId: string | undefined;
  readonly encryptionContext: EncryptionContext;
  readonly algorithm: EncryptionAlgorithm;
}

interface Opened {
  readonly key: KmsKey;
  readonly plaintext: Buffer;
  /** Absent for asymmetric keys. */
  readonly materialId?: string;
}

/** Finds the key of a ciphertext, checks that the caller may use it, and decrypts. */
export async function decryptUnder(call: KmsCall, request: CiphertextToOpen): Promise<Opened> {
  const { use, blob, keyId, algorithm } = request;
  const named = keyId === undefined ? undefined : call.key(keyId, use);
  if (algorithm !== "SYMMETRIC_DEFAULT" || !blob) {
    if (!named) throw validation(nameless(algorithm));
    if (blob) return { key: named, plaintext: await decryptByRsa(call, named, { blob, algorithm }) };
    named.requireUsage("ENCRYPT_DECRYPT", algorithm, call.operation);
    // The dry run ends before anybody sees it.
    return { key: named, plaintext: Buffer.alloc(0) };
  }
  return decryptSymmetric(call, named, { ...request, blob });
}

function nameless(algorithm: EncryptionAlgorithm): string {
  return algorithm === "SYMMETRIC_DEFAULT"
    ? "A dry run that ignores the ciphertext must name a key."
    : `A ciphertext of algorithm ${algorithm} does not name its key: the request must.`;
}

function decryptSymmetric(
  call: KmsCall,
  named: KmsKey | undefined,
  { use, blob, encryptionContext, algorithm }: CiphertextToOpen & { blob: Uint8Array },
): Opened {
  const sealedBy = call.state.keyOfMaterial(materialIdOf(blob), call.region);
  // The key's usage comes after: of any key that did not make the ciphertext, whatever its kind, the service says the same.
  if (named && sealedBy?.key !== named) throw incorrectKey();
  named?.requireSymmetricEncryption(call.operation, algorithm);
  if (!sealedBy) throw unknownCiphertextKey();
  if (!named) call.use(sealedBy.key, use);
  const plaintext = opened(sealedBy.key, () => openCiphertext(sealedBy.material, blob, encryptionContext));
  return { key: sealedBy.key, plaintext, materialId: sealedBy.material.id };
}

/** Under a key in an external key store the outer layer is opened there, and what fails there is no state of the key. */
function opened(key: KmsKey, open: () => Buffer): Buffer {
  try {
    return open();
  } catch (error) {
    if (key.origin !== "EXTERNAL_KEY_STORE") throw error;
    throw invalidState(
      "The external key store proxy rejected the request because the specified ciphertext or additional authenticated data is corrupted, missing, or otherwise invalid.",
    );
  }
}

async function decryptByRsa(
  call: KmsCall,
  key: KmsKey,
  { blob, algorithm }: { blob: Uint8Array; algorithm: EncryptionAlgorithm },
): Promise<Buffer> {
  const { oaepHash } = rsaUse(call, key, algorithm);
  const privateKey = await key.requireSecret().key(call.state.dataKeyPairs);
  try {
    return privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, blob);
  } catch {
    throw invalidCiphertext();
  }
}

function rsaUse(call: KmsCall, key: KmsKey, algorithm: EncryptionAlgorithm) {
  key.requireUsage("ENCRYPT_DECRYPT", algorithm, call.operation);
  const parameters = oaep[algorithm];
  if (!parameters) throw unsupported(`The in-memory KMS does not encrypt or decrypt by ${algorithm}.`);
  return parameters;
}

const unknownCiphertextKey = () =>
  new AwsError(
    "AccessDeniedException",
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
  );
