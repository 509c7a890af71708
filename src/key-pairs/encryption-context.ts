import { birthRecordContextKey, purposeContextKey, type CiphertextPurpose } from "../kms/context-keys.js";
import type { EncryptionContext } from "../kms/kms-provider.js";
import { birthRecordDigest, type BirthRecord } from "./birth-record.js";

/** Context of every cryptographic call about a pair. Nothing else goes in: audit logs show it in the clear. */
export function encryptionContextOf(record: BirthRecord, birthRecordBytes: Uint8Array, purpose: CiphertextPurpose): EncryptionContext {
  return {
    [record.contextKeyName]: record.organizationId,
    [purposeContextKey]: purpose,
    [birthRecordContextKey]: birthRecordDigest(birthRecordBytes).toString("base64url"),
  };
}
