import { createHmac, timingSafeEqual } from "node:crypto";
import { AwsError } from "../aws-error.js";
import { cryptographicKeyUse, type KmsCall } from "../call.js";
import { dryRunRule, grantTokensRule, keyIdRule, operation } from "../operation.js";

const macAlgorithms = ["HMAC_SHA_384", "HMAC_SHA_256", "HMAC_SHA_224", "HMAC_SHA_512"] as const;

const macRules = {
  KeyId: keyIdRule,
  Message: { type: "blob", required: true, min: 1, max: 4096 },
  MacAlgorithm: { type: "string", required: true, values: macAlgorithms },
  GrantTokens: grantTokensRule,
  DryRun: dryRunRule,
} as const;

export const macOperations = [
  operation("GenerateMac", macRules, async (call, input) => {
    const { key, mac } = await macOf(call, input);
    call.endDryRun(input.DryRun);
    return { KeyId: key.arn, Mac: mac, MacAlgorithm: input.MacAlgorithm };
  }),

  operation(
    "VerifyMac",
    { ...macRules, Mac: { type: "blob", required: true, min: 1, max: 6144 } },
    async (call, input) => {
      const { key, mac } = await macOf(call, input);
      if (input.Mac.byteLength !== mac.length || !timingSafeEqual(input.Mac, mac))
        throw new AwsError("KMSInvalidMacException");
      call.endDryRun(input.DryRun);
      return { KeyId: key.arn, MacValid: true, MacAlgorithm: input.MacAlgorithm };
    },
  ),
];

interface MacInput {
  KeyId: string;
  Message: Uint8Array;
  MacAlgorithm: (typeof macAlgorithms)[number];
}

async function macOf(call: KmsCall, { KeyId, Message, MacAlgorithm }: MacInput) {
  const key = call.key(KeyId, cryptographicKeyUse({ "kms:MacAlgorithm": MacAlgorithm }));
  key.requireUsage("GENERATE_VERIFY_MAC", MacAlgorithm, call.operation);
  const secret = await key.requireSecret().key(call.state.dataKeyPairs);
  const hash = MacAlgorithm.replace("HMAC_SHA_", "sha");
  return { key, mac: createHmac(hash, secret).update(Message).digest() };
}
