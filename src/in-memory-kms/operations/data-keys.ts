import { randomBytes } from "node:crypto";
import { validation } from "../aws-error.js";
import { cryptographicUse, type KmsCall } from "../call.js";
import { sealCiphertext, type EncryptionContext } from "../ciphertext.js";
import { keyPairSpecs } from "../data-key-pairs.js";
import type { KeyMaterial } from "../key-material.js";
import type { KmsKey } from "../key.js";
import { contextRule, dryRunRule, grantTokensRule, keyIdRule, notModelled, operation } from "../operation.js";

const dataKeyRules = {
  KeyId: keyIdRule,
  EncryptionContext: contextRule,
  NumberOfBytes: { type: "integer", min: 1, max: 1024 },
  KeySpec: { type: "string", values: ["AES_256", "AES_128"] },
  GrantTokens: grantTokensRule,
  DryRun: dryRunRule,
} as const;

const keyPairRules = {
  EncryptionContext: contextRule,
  KeyId: keyIdRule,
  KeyPairSpec: { type: "string", required: true, values: keyPairSpecs },
  GrantTokens: grantTokensRule,
  DryRun: dryRunRule,
} as const;

export const dataKeyOperations = [
  operation("GenerateDataKey", { ...dataKeyRules, Recipient: notModelled }, (call, input) => {
    const { key, material, plaintext, ciphertext } = generateDataKey(call, input);
    return { KeyId: key.arn, CiphertextBlob: ciphertext, Plaintext: plaintext, KeyMaterialId: material.id };
  }),

  operation("GenerateDataKeyWithoutPlaintext", dataKeyRules, (call, input) => {
    const { key, material, ciphertext } = generateDataKey(call, input);
    return { KeyId: key.arn, CiphertextBlob: ciphertext, KeyMaterialId: material.id };
  }),

  operation("GenerateDataKeyPair", { ...keyPairRules, Recipient: notModelled }, async (call, input) => {
    const { privateKey, ...output } = await generateDataKeyPair(call, input);
    return { ...output, PrivateKeyPlaintext: privateKey };
  }),

  operation("GenerateDataKeyPairWithoutPlaintext", keyPairRules, async (call, input) => {
    const { privateKey: _, ...output } = await generateDataKeyPair(call, input);
    return output;
  }),

  operation(
    "GenerateRandom",
    { NumberOfBytes: { type: "integer", min: 1, max: 1024 }, CustomKeyStoreId: notModelled, Recipient: notModelled },
    (call, input) => {
      call.allow("kms:GenerateRandom");
      if (input.NumberOfBytes === undefined) throw validation("NumberOfBytes is required.");
      return { Plaintext: randomBytes(input.NumberOfBytes) };
    },
  ),
];

interface DataKeyInput {
  KeyId: string;
  EncryptionContext?: EncryptionContext;
  NumberOfBytes?: number;
  KeySpec?: "AES_256" | "AES_128";
  KeyPairSpec?: string;
  DryRun?: boolean;
}

function generateDataKey(call: KmsCall, input: DataKeyInput) {
  if ((input.KeySpec === undefined) === (input.NumberOfBytes === undefined)) {
    throw validation("Please specify either number of bytes or key spec.");
  }
  const { key, material, context } = wrappingKey(call, input);
  const plaintext = randomBytes(input.NumberOfBytes ?? (input.KeySpec === "AES_128" ? 16 : 32));
  return { key, material, plaintext, ciphertext: sealCiphertext(material, plaintext, context) };
}

async function generateDataKeyPair(call: KmsCall, input: DataKeyInput & { KeyPairSpec: string }) {
  const { key, material, context } = wrappingKey(call, input);
  const { publicKey, privateKey } = await call.state.dataKeyPairs.make(input.KeyPairSpec, call.region);
  return {
    KeyId: key.arn,
    KeyPairSpec: input.KeyPairSpec,
    PublicKey: publicKey,
    PrivateKeyCiphertextBlob: sealCiphertext(material, privateKey, context),
    KeyMaterialId: material.id,
    privateKey,
  };
}

function wrappingKey(
  call: KmsCall,
  input: DataKeyInput,
): { key: KmsKey; material: KeyMaterial; context: EncryptionContext } {
  const context = input.EncryptionContext ?? {};
  const conditionKeys = { "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "kms:DataKeyPairSpec": input.KeyPairSpec };
  const key = call.key(input.KeyId, { ...cryptographicUse(context), conditionKeys });
  const { current: material } = key.requireDataKeys(call.operation);
  call.endDryRun(input.DryRun);
  return { key, material, context };
}
