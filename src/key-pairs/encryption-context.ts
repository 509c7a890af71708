import type { EncryptionContext } from "../kms/kms-provider.js";
import { birthRecordDigest, type BirthRecord } from "./birth-record.js";

/** What a KMS ciphertext holds. A key policy can allow `attestation` alone to workers that only encrypt. */
export type CiphertextPurpose = "private-key" | "attestation";

export const purposeContextKey = "recording-keystore:purpose";
export const birthRecordContextKey = "recording-keystore:birth-record";

/** Context of every cryptographic call about a pair. Nothing else goes in: audit logs show it in the clear. */
export function encryptionContextOf(record: BirthRecord, birthRecordBytes: Uint8Array, purpose: CiphertextPurpose): EncryptionContext {
  return {
    [record.contextKeyName]: record.organizationId,
    [purposeContextKey]: purpose,
    [birthRecordContextKey]: birthRecordDigest(birthRecordBytes).toString("base64url"),
  };
}
