import {
  birthRecordContextKey,
  ciphertextPurposes,
  purposeContextKey,
  type CiphertextPurpose,
} from "../kms/context-keys.js";
import type { EncryptionContext, KmsDataKeyPairSpec } from "../kms/kms-provider.js";
import type { CheckedGrant } from "./grant.js";

/** A KMS call of the recording service, as policies see it. */
export interface ServiceCall {
  /** With its `kms:`. */
  readonly action: string;
  readonly encryptionContext?: EncryptionContext;
  /** Whether the call names the key by its alias. Default `false`: by its ARN. */
  readonly byAlias?: boolean;
  readonly dataKeyPairSpec?: KmsDataKeyPairSpec;
}

/** Stands for any digest, since policies can't depend on one. */
const anyDigest = "A".repeat(43);

/** Encryption context of a call about a key pair, as `encryptionContextOf` makes it. */
export function contextOf(
  contextKeyName: string,
  organizationId: string,
  purpose: CiphertextPurpose,
): EncryptionContext {
  return { [contextKeyName]: organizationId, [purposeContextKey]: purpose, [birthRecordContextKey]: anyDigest };
}

/** Calls that must be allowed for the organization to be served. */
export function requiredCalls(grant: CheckedGrant, keyPairSpec: "X25519" | KmsDataKeyPairSpec): ServiceCall[] {
  return grant.organizationIds.flatMap((organizationId): ServiceCall[] => {
    const about = (purpose: CiphertextPurpose) => contextOf(grant.contextKeyName, organizationId, purpose);
    const decrypt = (purpose: CiphertextPurpose): ServiceCall => ({
      action: "kms:Decrypt",
      encryptionContext: about(purpose),
    });
    if (grant.access === "attestations") return [decrypt("attestation")];
    return [
      { action: "kms:Encrypt", encryptionContext: about("private-key"), byAlias: true },
      { action: "kms:Encrypt", encryptionContext: about("attestation") },
      ...ciphertextPurposes.map(decrypt),
      ...(keyPairSpec === "X25519" ? [] : [dataKeyPairCall(grant, organizationId, keyPairSpec)]),
    ];
  });
}

export function dataKeyPairCall(
  { contextKeyName }: CheckedGrant,
  organizationId: string,
  dataKeyPairSpec: KmsDataKeyPairSpec,
): ServiceCall {
  const encryptionContext = contextOf(contextKeyName, organizationId, "private-key");
  return { action: "kms:GenerateDataKeyPairWithoutPlaintext", encryptionContext, byAlias: true, dataKeyPairSpec };
}

export const describeCall: ServiceCall = { action: "kms:DescribeKey", byAlias: true };
