import { AwsError, incorrectKey, validation } from "../aws-error.js";
import { cryptographicUse, type KeyUse, type KmsCall } from "../call.js";
import { materialIdOf, openCiphertext, sealCiphertext, type EncryptionContext } from "../ciphertext.js";
import type { KmsKey } from "../key.js";
import {
  contextRule,
  dryRunRule,
  grantTokensRule,
  keyIdRule,
  notModelled,
  operation,
  optionalKeyIdRule,
} from "../operation.js";

const algorithmRule = {
  type: "string",
  values: ["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"],
} as const;
const ciphertextRule = { type: "blob", min: 1, max: 6144 } as const;
const modifiersRule = { type: "string-list", values: ["IGNORE_CIPHERTEXT"] } as const;

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
      const { current } = key.requireSymmetricEncryption("Encrypt", input.EncryptionAlgorithm);
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
      Recipient: notModelled,
      DryRun: dryRunRule,
      DryRunModifiers: modifiersRule,
    },
    (call, input) => {
      const opened = decrypt(call, {
        use: { ...cryptographicUse(input.EncryptionContext ?? {}), action: "Decrypt" },
        blob: ciphertextOf(input),
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
      DryRunModifiers: modifiersRule,
    },
    (call, input) => {
      const blob = ciphertextOf(input);
      const use = (encryptionContext: EncryptionContext, action: string): KeyUse => {
        const known = cryptographicUse(encryptionContext);
        return {
          ...known,
          action,
          conditionKeys: { ...known.conditionKeys, "kms:ReEncryptOnSameKey": onSameKey(call, input, blob) },
        };
      };
      const sourceContext = input.SourceEncryptionContext ?? {};
      const source = decrypt(call, {
        use: use(sourceContext, "ReEncryptFrom"),
        blob,
        keyId: input.SourceKeyId,
        encryptionContext: sourceContext,
        algorithm: input.SourceEncryptionAlgorithm,
      });
      const context = input.DestinationEncryptionContext ?? {};
      const destination = call.key(input.DestinationKeyId, use(context, "ReEncryptTo"));
      const { current } = destination.requireSymmetricEncryption("ReEncrypt", input.DestinationEncryptionAlgorithm);
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
  use: KeyUse;
  /** `undefined` for a dry run that ignores it. */
  blob: Uint8Array | undefined;
  keyId: string | undefined;
  encryptionContext: EncryptionContext;
  algorithm: string | undefined;
}

interface Decrypted {
  key: KmsKey;
  plaintext: Buffer;
  materialId: string;
}

function decrypt(call: KmsCall, { use, blob, keyId, encryptionContext, algorithm }: DecryptRequest): Decrypted {
  const named = keyId === undefined ? undefined : call.key(keyId, use);
  if (!blob) {
    if (!named) throw validation("A dry run that ignores the ciphertext must name a key.");
    named.requireSymmetricEncryption(call.operation, algorithm);
    // The dry run ends before anybody sees it.
    return { key: named, plaintext: Buffer.alloc(0), materialId: "" };
  }
  const sealedBy = call.state.keyOfMaterial(materialIdOf(blob), call.region);
  // The key's usage comes after: of any key that did not make the ciphertext, whatever its kind, the service says the same.
  if (named && sealedBy?.key !== named) throw incorrectKey();
  named?.requireSymmetricEncryption(call.operation, algorithm);
  if (!sealedBy) throw unknownCiphertextKey();
  if (!named) call.use(sealedBy.key, use);
  const plaintext = openCiphertext(sealedBy.material, blob, encryptionContext);
  return { key: sealedBy.key, plaintext, materialId: sealedBy.material.id };
}

interface CiphertextInput {
  CiphertextBlob?: Uint8Array;
  DryRun?: boolean;
  DryRunModifiers?: readonly "IGNORE_CIPHERTEXT"[];
}

function ciphertextOf({ CiphertextBlob, DryRun, DryRunModifiers }: CiphertextInput): Uint8Array | undefined {
  if (DryRun && DryRunModifiers?.includes("IGNORE_CIPHERTEXT")) return undefined;
  if (!CiphertextBlob)
    throw validation(
      "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null",
    );
  return CiphertextBlob;
}

interface ReEncryptKeys {
  SourceKeyId?: string;
  DestinationKeyId: string;
}

/** Value of `kms:ReEncryptOnSameKey`, found without checking either key. */
function onSameKey(
  call: KmsCall,
  { SourceKeyId, DestinationKeyId }: ReEncryptKeys,
  blob: Uint8Array | undefined,
): string {
  const ofBlob = () => blob && call.state.keyOfMaterial(materialIdOf(blob), call.region)?.key;
  const source = SourceKeyId === undefined ? ofBlob() : call.peek(SourceKeyId);
  return String(source !== undefined && source === call.peek(DestinationKeyId));
}

const unknownCiphertextKey = () =>
  new AwsError(
    "AccessDeniedException",
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
  );
