import { createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import { AwsError } from "../aws-error.js";
import { cryptographicKeyUse, type KmsCall } from "../call.js";
import type { KmsKey } from "../key.js";
import { dryRunRule, grantTokensRule, keyIdRule, operation } from "../operation.js";
import { recipientRule, refuseRecipient } from "../recipient.js";
import { messageTypes, signingAlgorithms, signMessage, verifyMessage } from "../signatures.js";

const signingRules = {
  KeyId: keyIdRule,
  Message: { type: "blob", required: true, min: 1, max: 4096 },
  MessageType: { type: "string", values: messageTypes },
  GrantTokens: grantTokensRule,
  SigningAlgorithm: { type: "string", required: true, values: signingAlgorithms },
  DryRun: dryRunRule,
} as const;

export const asymmetricOperations = [
  operation("GetPublicKey", { KeyId: keyIdRule, GrantTokens: grantTokensRule }, async (call, input) => {
    const key = call.key(input.KeyId, cryptographicKeyUse());
    // For symmetric and HMAC keys the service sends no text.
    if (key.isSymmetric || key.usage === "GENERATE_VERIFY_MAC") throw new AwsError("UnsupportedOperationException");
    const publicKey = await key.requireSecret().publicKey(call.state.dataKeyPairs);
    return {
      KeyId: key.arn,
      PublicKey: spki(publicKey),
      CustomerMasterKeySpec: key.spec,
      KeySpec: key.spec,
      KeyUsage: key.usage,
      ...key.algorithms,
    };
  }),

  operation("Sign", signingRules, async (call, input) => {
    const { key, privateKey, request } = await signingKey(call, input);
    const signature = signMessage(request, privateKey);
    call.endDryRun(input.DryRun);
    return { KeyId: key.arn, Signature: signature, SigningAlgorithm: input.SigningAlgorithm };
  }),

  operation(
    "Verify",
    { ...signingRules, Signature: { type: "blob", required: true, min: 1, max: 6144 } },
    async (call, input) => {
      const { key, privateKey, request } = await signingKey(call, input);
      if (!verifyMessage(request, privateKey, input.Signature)) throw new AwsError("KMSInvalidSignatureException");
      call.endDryRun(input.DryRun);
      return { KeyId: key.arn, SignatureValid: true, SigningAlgorithm: input.SigningAlgorithm };
    },
  ),

  operation(
    "DeriveSharedSecret",
    {
      KeyId: keyIdRule,
      KeyAgreementAlgorithm: { type: "string", required: true, values: ["ECDH"] },
      PublicKey: { type: "blob", required: true, min: 1, max: 8192 },
      GrantTokens: grantTokensRule,
      DryRun: dryRunRule,
      Recipient: recipientRule,
    },
    async (call, input) => {
      const key = call.key(
        input.KeyId,
        cryptographicKeyUse({ "kms:KeyAgreementAlgorithm": input.KeyAgreementAlgorithm }),
      );
      key.requireUsage("KEY_AGREEMENT", input.KeyAgreementAlgorithm, call.operation);
      const privateKey = await key.requireSecret().key(call.state.dataKeyPairs);
      const secret = sharedSecret(privateKey, input.PublicKey);
      refuseRecipient(input.Recipient);
      call.endDryRun(input.DryRun);
      return {
        KeyId: key.arn,
        SharedSecret: secret,
        KeyAgreementAlgorithm: input.KeyAgreementAlgorithm,
        KeyOrigin: key.origin,
      };
    },
  ),
];

function spki(publicKey: KeyObject): Buffer {
  return publicKey.export({ format: "der", type: "spki" });
}

interface SigningInput {
  KeyId: string;
  Message: Uint8Array;
  MessageType?: (typeof messageTypes)[number];
  SigningAlgorithm: (typeof signingAlgorithms)[number];
}

async function signingKey(call: KmsCall, { KeyId, Message, MessageType = "RAW", SigningAlgorithm }: SigningInput) {
  const conditionKeys = { "kms:SigningAlgorithm": SigningAlgorithm, "kms:MessageType": MessageType };
  const key: KmsKey = call.key(KeyId, cryptographicKeyUse(conditionKeys));
  key.requireUsage("SIGN_VERIFY", SigningAlgorithm, call.operation);
  const privateKey = await key.requireSecret().key(call.state.dataKeyPairs);
  const request = { algorithm: SigningAlgorithm, messageType: MessageType, message: Message };
  return { key, privateKey, request };
}

/** @throws AwsError without a text, as the service does, for what is no public key of the same curve */
function sharedSecret(privateKey: KeyObject, publicKey: Uint8Array): Buffer {
  try {
    const other = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
    return diffieHellman({ privateKey, publicKey: other });
  } catch {
    throw new AwsError("ValidationException");
  }
}
