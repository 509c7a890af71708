import { timingSafeEqual } from "node:crypto";
import { KmsError, type RecordingKeyStoreError } from "../errors.js";
import { kmsFailureGroup } from "../kms/failures.js";
import { wipe } from "../encoding/secrets.js";
import { encryptionContextOf } from "./encryption-context.js";
import { attestedDigest, untrusted, type KeyPair } from "./key-pair.js";
import { unwrapPrivateKey, type KeyDecryption } from "./making.js";

/** What KMS says of a public key. */
export type Verdict =
  | { readonly status: "confirmed" }
  /** KMS did not answer, or refused the caller. */
  | { readonly status: "unavailable"; readonly error: KmsError }
  /** KMS answered, and the pair is not what it says it is. */
  | { readonly status: "untrusted"; readonly error: RecordingKeyStoreError };

/**
 * Asks KMS whether a pair is genuine: its attestation must decrypt under the pair's own context to the digest of birth
 * record and public key. A caller who may not decrypt attestations is asked for the private half instead.
 * An abort rejects; everything else is a verdict.
 */
export async function confirmKeyPair(
  pair: KeyPair,
  decryptionUnder: (kmsKeyArn: string) => KeyDecryption,
  signal?: AbortSignal,
): Promise<Verdict> {
  try {
    await checkAttestation(pair, decryptionUnder(pair.attestation.kmsKeyArn), signal);
    return { status: "confirmed" };
  } catch (error) {
    if (!(error instanceof KmsError && error.kind === "access-denied")) return verdictOf(error, pair);
  }
  try {
    const decrypt = decryptionUnder(pair.wrapping.kmsKeyArn);
    const { publicKey } = await unwrapPrivateKey({ ...pair, ciphertext: pair.wrapping.ciphertext, decrypt }, signal);
    if (!publicKey.equals(pair.publicKey)) throw untrusted(`key pair ${pair.birth.keyPairId}: its public key is not that of its private half`);
    return { status: "confirmed" };
  } catch (error) {
    return verdictOf(error, pair);
  }
}

async function checkAttestation(pair: KeyPair, decrypt: KeyDecryption, signal: AbortSignal | undefined): Promise<void> {
  const encryptionContext = encryptionContextOf(pair.birth, pair.birthRecord, "attestation");
  const attested = await decrypt({ ciphertext: pair.attestation.ciphertext, encryptionContext }, signal);
  const expected = attestedDigest(pair.birthRecord, pair.publicKey);
  const matches = attested.length === expected.length && timingSafeEqual(attested, expected);
  wipe(attested);
  if (!matches) throw untrusted(`key pair ${pair.birth.keyPairId}: KMS attests another public key than the one stored`);
}

function verdictOf(error: unknown, pair: KeyPair): Verdict {
  if (error instanceof KmsError) {
    if (kmsFailureGroup(error.kind) !== "rejected") return { status: "unavailable", error };
    return { status: "untrusted", error: untrusted(`key pair ${pair.birth.keyPairId}: KMS rejects its record (${error.kind})`, error) };
  }
  const code = (error as { code?: unknown }).code;
  if (code === "ERR_KEY_PAIR_UNTRUSTED") return { status: "untrusted", error: error as RecordingKeyStoreError };
  throw error;
}
