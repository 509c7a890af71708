import crypto, { type KeyObject } from "node:crypto";
import { invalidCiphertext, unsupported } from "../aws-error.js";
import { cryptographicKeyUse, type KmsCall } from "../call.js";
import type { KeySpec } from "../key-specs.js";
import { dryRunRule, grantTokensRule, keyIdRule, operation } from "../operation.js";

const rules = {
  KeyId: keyIdRule,
  EncapsulationAlgorithm: { type: "string", required: true, values: ["ML_KEM"] },
  GrantTokens: grantTokensRule,
  DryRun: dryRunRule,
} as const;

/** Lengths of encapsulated secrets (FIPS 203, table 3), in bytes. */
const ciphertextLengths: Partial<Record<KeySpec, number>> = { ML_KEM_512: 768, ML_KEM_768: 1088, ML_KEM_1024: 1568 };

/** What Node 24.7 and later have, and the types of older ones lack. */
const { encapsulate, decapsulate } = crypto as unknown as {
  encapsulate?: (publicKey: KeyObject) => { sharedKey: Buffer; ciphertext: Buffer };
  decapsulate?: (privateKey: KeyObject, ciphertext: Uint8Array) => Buffer;
};

export const encapsulationOperations = [
  operation("Encapsulate", rules, async (call, input) => {
    const key = await encapsulationKey(call, input);
    if (!encapsulate) throw unsupported("This version of Node cannot encapsulate.");
    const { sharedKey, ciphertext } = encapsulate(await key.requireSecret().publicKey(call.state.dataKeyPairs));
    call.endDryRun(input.DryRun);
    return {
      KeyId: key.arn,
      SharedSecret: sharedKey,
      SharedSecretCiphertextBlob: ciphertext,
      EncapsulationAlgorithm: input.EncapsulationAlgorithm,
    };
  }),

  operation(
    "Decapsulate",
    { ...rules, SharedSecretCiphertextBlob: { type: "blob", required: true, min: 1, max: 6144 } },
    async (call, input) => {
      const key = await encapsulationKey(call, input);
      if (input.SharedSecretCiphertextBlob.byteLength !== ciphertextLengths[key.spec]) throw invalidCiphertext();
      if (!decapsulate) throw unsupported("This version of Node cannot decapsulate.");
      const privateKey = await key.requireSecret().key(call.state.dataKeyPairs);
      const secret = decapsulate(privateKey, input.SharedSecretCiphertextBlob);
      call.endDryRun(input.DryRun);
      return { KeyId: key.arn, SharedSecret: secret, EncapsulationAlgorithm: input.EncapsulationAlgorithm };
    },
  ),
];

async function encapsulationKey(call: KmsCall, input: { KeyId: string; EncapsulationAlgorithm: "ML_KEM" }) {
  const key = call.key(input.KeyId, cryptographicKeyUse());
  key.requireUsage("ENCAPSULATE_DECAPSULATE", input.EncapsulationAlgorithm, call.operation);
  return key;
}
