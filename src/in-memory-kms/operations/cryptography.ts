import { defined } from "../../util/defined.js";
import { validation } from "../aws-error.js";
import { cryptographicUse, type KeyUse, type KmsCall } from "../call.js";
import { materialIdOf, type EncryptionContext } from "../ciphertext.js";
import { decryptUnder, encryptionAlgorithms, encryptUnder, type EncryptionAlgorithm } from "../encryption.js";
import { contextRule, dryRunRule, grantTokensRule, keyIdRule, operation, optionalKeyIdRule } from "../operation.js";
import { recipientRule, refuseRecipient } from "../recipient.js";

const algorithmRule = { type: "string", values: encryptionAlgorithms } as const;
const symmetric: EncryptionAlgorithm = "SYMMETRIC_DEFAULT";
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
    async (call, input) => {
      const { EncryptionContext: encryptionContext = {}, EncryptionAlgorithm: algorithm = symmetric } = input;
      const key = call.key(input.KeyId, cryptographicUse(encryptionContext, algorithm));
      const { ciphertext } = await encryptUnder(call, key, {
        algorithm,
        plaintext: input.Plaintext,
        encryptionContext,
      });
      call.endDryRun(input.DryRun);
      return { KeyId: key.arn, CiphertextBlob: ciphertext, EncryptionAlgorithm: algorithm };
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
      Recipient: recipientRule,
      DryRun: dryRunRule,
      DryRunModifiers: modifiersRule,
    },
    async (call, input) => {
      const { EncryptionContext: encryptionContext = {}, EncryptionAlgorithm: algorithm = symmetric } = input;
      const opened = await decryptUnder(call, {
        use: { ...cryptographicUse(encryptionContext, algorithm), action: "Decrypt" },
        blob: ciphertextOf(input),
        keyId: input.KeyId,
        encryptionContext,
        algorithm,
      });
      refuseRecipient(input.Recipient);
      call.endDryRun(input.DryRun);
      return defined({
        KeyId: opened.key.arn,
        Plaintext: opened.plaintext,
        EncryptionAlgorithm: algorithm,
        KeyMaterialId: opened.materialId,
      });
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
    async (call, input) => {
      const blob = ciphertextOf(input);
      const { SourceEncryptionContext: sourceContext = {}, DestinationEncryptionContext: context = {} } = input;
      const { SourceEncryptionAlgorithm: sourceAlgorithm = symmetric } = input;
      const { DestinationEncryptionAlgorithm: algorithm = symmetric } = input;
      const reEncryptOnSameKey = onSameKey(call, input, blob);
      const use = (action: string, encryptionContext: EncryptionContext, by: EncryptionAlgorithm): KeyUse => {
        const known = cryptographicUse(encryptionContext, by);
        return {
          ...known,
          action,
          conditionKeys: { ...known.conditionKeys, "kms:ReEncryptOnSameKey": reEncryptOnSameKey },
        };
      };
      const source = await decryptUnder(call, {
        use: use("ReEncryptFrom", sourceContext, sourceAlgorithm),
        blob,
        keyId: input.SourceKeyId,
        encryptionContext: sourceContext,
        algorithm: sourceAlgorithm,
      });
      const destination = call.key(input.DestinationKeyId, use("ReEncryptTo", context, algorithm));
      const { plaintext } = source;
      const sealed = await encryptUnder(call, destination, { algorithm, plaintext, encryptionContext: context });
      call.endDryRun(input.DryRun);
      return defined({
        CiphertextBlob: sealed.ciphertext,
        SourceKeyId: source.key.arn,
        KeyId: destination.arn,
        SourceEncryptionAlgorithm: sourceAlgorithm,
        DestinationEncryptionAlgorithm: algorithm,
        SourceKeyMaterialId: source.materialId,
        DestinationKeyMaterialId: sealed.materialId,
      });
    },
  ),
];

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
