import { AwsError, incorrectKey, invalidKeyUsage } from "../aws-error.js";
import { cryptographicUse, type KmsCall } from "../call.js";
import { materialIdOf, openCiphertext, sealCiphertext, type EncryptionContext } from "../ciphertext.js";
import type { KmsKey } from "../key.js";
import { contextRule, dryRunRule, grantTokensRule, keyIdRule, operation, optionalKeyIdRule } from "../operation.js";

const algorithmRule = { type: "string", values: ["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"] } as const;
const ciphertextRule = { type: "blob", required: true, min: 1, max: 6144 } as const;

export const cryptographicOperations = [
  operation(
    "Encrypt",
    {
      KeyId: keyIdRule,
      Plaintext: { type: "blob", required: true, min: 1, max: 4096 },
      EncryptionContext: contextRule,
      GrantTokens: grantTokensRule,
      EncryptionAlgorithm: algorithmRule,
      DryRun: dryRunRule,
    },
    (call, input) => {
      const context = input.EncryptionContext ?? {};
      const key = call.key(input.KeyId, cryptographicUse(context));
      const { current } = key.requireSymmetricEncryption("Encrypt");
      requireSymmetricAlgorithm(key, input.EncryptionAlgorithm);
      call.endDryRun(input.DryRun);
      return {
        KeyId: key.arn,
        CiphertextBlob: sealCiphertext(current, input.Plaintext, context),
        EncryptionAlgorithm: "SYMMETRIC_DEFAULT",
      };
    },
  ),

  operation(
    "Decrypt",
    {
      CiphertextBlob: ciphertextRule,
      EncryptionContext: contextRule,
      GrantTokens: grantTokensRule,
      KeyId: optionalKeyIdRule,
      EncryptionAlgorithm: algorithmRule,
      DryRun: dryRunRule,
    },
    (call, input) => {
      const opened = decrypt(call, {
        action: "Decrypt",
        blob: input.CiphertextBlob,
        keyId: input.KeyId,
        encryptionContext: input.EncryptionContext ?? {},
        algorithm: input.EncryptionAlgorithm,
      });
      call.endDryRun(input.DryRun);
      return {
        KeyId: opened.key.arn,
        Plaintext: opened.plaintext,
        EncryptionAlgorithm: "SYMMETRIC_DEFAULT",
        KeyMaterialId: opened.materialId,
      };
    },
  ),

  operation(
    "ReEncrypt",
    {
      CiphertextBlob: ciphertextRule,
      SourceEncryptionContext: contextRule,
      SourceKeyId: optionalKeyIdRule,
      DestinationKeyId: keyIdRule,
      DestinationEncryptionContext: contextRule,
      SourceEncryptionAlgorithm: algorithmRule,
      DestinationEncryptionAlgorithm: algorithmRule,
      GrantTokens: grantTokensRule,
      DryRun: dryRunRule,
    },
    (call, input) => {
      const source = decrypt(call, {
        action: "ReEncryptFrom",
        blob: input.CiphertextBlob,
        keyId: input.SourceKeyId,
        encryptionContext: input.SourceEncryptionContext ?? {},
        algorithm: input.SourceEncryptionAlgorithm,
      });
      const context = input.DestinationEncryptionContext ?? {};
      const destination = call.key(input.DestinationKeyId, { ...cryptographicUse(context), action: "ReEncryptTo" });
      const { current } = destination.requireSymmetricEncryption("ReEncrypt");
      requireSymmetricAlgorithm(destination, input.DestinationEncryptionAlgorithm);
      call.endDryRun(input.DryRun);
      return {
        CiphertextBlob: sealCiphertext(current, source.plaintext, context),
        SourceKeyId: source.key.arn,
        KeyId: destination.arn,
        SourceEncryptionAlgorithm: "SYMMETRIC_DEFAULT",
        DestinationEncryptionAlgorithm: "SYMMETRIC_DEFAULT",
        SourceKeyMaterialId: source.materialId,
        DestinationKeyMaterialId: current.id,
      };
    },
  ),
];

interface DecryptRequest {
  action: "Decrypt" | "ReEncryptFrom";
  blob: Uint8Array;
  keyId: string | undefined;
  encryptionContext: EncryptionContext;
  algorithm: string | undefined;
}

function decrypt(call: KmsCall, request: DecryptRequest): { key: KmsKey; plaintext: Buffer; materialId: string } {
  const { action, blob, encryptionContext } = request;
  const use = { ...cryptographicUse(encryptionContext), action };
  const named = request.keyId === undefined ? undefined : call.key(request.keyId, use);
  named?.requireSymmetricEncryption(call.operation);
  if (named) requireSymmetricAlgorithm(named, request.algorithm);
  const sealedBy = call.state.keyOfMaterial(materialIdOf(blob), call.region);
  if (named && sealedBy?.key !== named) throw incorrectKey();
  if (!sealedBy) throw unknownCiphertextKey();
  if (!named) call.use(sealedBy.key, use);
  const plaintext = openCiphertext(sealedBy.material, blob, encryptionContext);
  return { key: sealedBy.key, plaintext, materialId: sealedBy.material.id };
}

const unknownCiphertextKey = () =>
  new AwsError(
    "AccessDeniedException",
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
  );

function requireSymmetricAlgorithm(key: KmsKey, algorithm: string | undefined): void {
  if (algorithm !== undefined && algorithm !== "SYMMETRIC_DEFAULT") {
    throw invalidKeyUsage(`Algorithm ${algorithm} is incompatible with key spec ${key.spec}.`);
  }
}
