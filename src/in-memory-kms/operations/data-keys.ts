import { randomBytes } from "node:crypto";
import { unsupported, validation } from "../aws-error.js";
import { cryptographicUse, type KmsCall } from "../call.js";
import { sealCiphertext, type EncryptionContext } from "../ciphertext.js";
import { keyPairSpecs } from "../data-key-pairs.js";
import type { KeyMaterial } from "../key-material.js";
import type { KmsKey } from "../key.js";
import { contextRule, dryRunRule, grantTokensRule, keyIdRule, operation } from "../operation.js";
import { recipientRule, refuseRecipient } from "../recipient.js";
import { keyStoreOf, requireConnection } from "./key-stores.js";

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
  operation("GenerateDataKey", { ...dataKeyRules, Recipient: recipientRule }, (call, input) => {
    const { key, material, plaintext, ciphertext } = generateDataKey(call, input);
    return { KeyId: key.arn, CiphertextBlob: ciphertext, Plaintext: plaintext, KeyMaterialId: material.id };
  }),

  operation("GenerateDataKeyWithoutPlaintext", dataKeyRules, (call, input) => {
    const { key, material, ciphertext } = generateDataKey(call, input);
    return { KeyId: key.arn, CiphertextBlob: ciphertext, KeyMaterialId: material.id };
  }),

  operation("GenerateDataKeyPair", { ...keyPairRules, Recipient: recipientRule }, async (call, input) => {
    const { privateKey, ...output } = await generateDataKeyPair(call, input);
    return { ...output, PrivateKeyPlaintext: privateKey };
  }),

  operation("GenerateDataKeyPairWithoutPlaintext", keyPairRules, async (call, input) => {
    const { privateKey: _, ...output } = await generateDataKeyPair(call, input);
    return output;
  }),

  operation(
    "GenerateRandom",
    {
      NumberOfBytes: { type: "integer", min: 1, max: 1024 },
      CustomKeyStoreId: { type: "string", min: 1, max: 64 },
      Recipient: recipientRule,
    },
    (call, input) => {
      call.allow("kms:GenerateRandom");
      if (input.CustomKeyStoreId !== undefined) requireGenerator(call, input.CustomKeyStoreId);
      if (input.NumberOfBytes === undefined) throw validation("NumberOfBytes is required.");
      refuseRecipient(input.Recipient);
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
  Recipient?: Record<string, unknown>;
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
  const { key, material, context } = wrappingKey(call, input, true);
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
  forKeyPairs = false,
): { key: KmsKey; material: KeyMaterial; context: EncryptionContext } {
  const context = input.EncryptionContext ?? {};
  const conditionKeys = { "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "kms:DataKeyPairSpec": input.KeyPairSpec };
  const key = call.key(input.KeyId, { ...cryptographicUse(context), conditionKeys });
  if (forKeyPairs) key.refuseKeyStore();
  const { current: material } = key.requireDataKeys(call.operation);
  refuseRecipient(input.Recipient);
  call.endDryRun(input.DryRun);
  return { key, material, context };
}

/** @throws AwsError unless the key store is a CloudHSM cluster that is connected */
function requireGenerator(call: KmsCall, id: string): void {
  const store = keyStoreOf(call, id);
  if (store.type === "EXTERNAL_KEY_STORE") throw unsupported(`The external key store ${id} generates no random bytes.`);
  requireConnection(store, ["CONNECTED"]);
}
