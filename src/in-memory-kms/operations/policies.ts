import { AwsError } from "../aws-error.js";
import { keyIdRule, limitRule, markerRule, operation, policyRule } from "../operation.js";
import { page } from "../paging.js";
import { checkKeyPolicy } from "../policy/key-policy.js";

const policyNameRule = { type: "string", min: 1, max: 128, pattern: String.raw`[\w]+` } as const;

export const policyOperations = [
  operation(
    "PutKeyPolicy",
    {
      KeyId: keyIdRule,
      PolicyName: policyNameRule,
      Policy: { ...policyRule, required: true },
      BypassPolicyLockoutSafetyCheck: { type: "boolean" },
    },
    (call, input) => {
      const bypass = input.BypassPolicyLockoutSafetyCheck;
      const key = call.key(input.KeyId, {
        conditionKeys: { "kms:BypassPolicyLockoutSafetyCheck": String(bypass ?? false) },
      });
      requireDefaultName(input.PolicyName);
      checkKeyPolicy(call, key, input.Policy, bypass);
      key.policy = input.Policy;
      return undefined;
    },
  ),

  operation("GetKeyPolicy", { KeyId: keyIdRule, PolicyName: policyNameRule }, (call, input) => {
    const key = call.key(input.KeyId);
    requireDefaultName(input.PolicyName);
    return { Policy: key.policy, PolicyName: "default" };
  }),

  operation("ListKeyPolicies", { KeyId: keyIdRule, Limit: limitRule, Marker: markerRule }, (call, input) => {
    call.key(input.KeyId);
    return page("PolicyNames", ["default"], input, { id: (name) => name, show: (name) => name });
  }),
];

function requireDefaultName(name: string | undefined): void {
  if (name !== undefined && name !== "default") throw new AwsError("NotFoundException", `No such policy exists`);
}
