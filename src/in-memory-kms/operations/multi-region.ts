import { defined } from "../../util/defined.js";
import { partitionOf } from "../arn.js";
import { AwsError, unsupported, validation } from "../aws-error.js";
import type { KmsCall } from "../call.js";
import { keyMetadata } from "../key-metadata.js";
import { KmsKey } from "../key.js";
import { descriptionRule, keyIdRule, operation, policyRule } from "../operation.js";
import { checkKeyPolicy, defaultKeyPolicy } from "../policy/key-policy.js";
import { requestTagKeys, tagEntries } from "../tags.js";

const regionRule = {
  type: "string",
  required: true,
  min: 1,
  max: 32,
  pattern: String.raw`^([a-z]+-){2,3}\d+$`,
} as const;

export const multiRegionOperations = [
  operation(
    "ReplicateKey",
    {
      KeyId: keyIdRule,
      ReplicaRegion: regionRule,
      Policy: policyRule,
      BypassPolicyLockoutSafetyCheck: { type: "boolean" },
      Description: descriptionRule,
      Tags: { type: "tag-list" },
    },
    (call, input) => {
      const region = input.ReplicaRegion;
      const tags = tagEntries(input.Tags ?? []);
      const conditionKeys = { "kms:ReplicaRegion": region, ...requestTagKeys(tags) };
      const primary = call.key(input.KeyId, { state: "enabled", conditionKeys });
      requirePrimary(primary);
      requireOtherRegion(call, region);
      if (call.state.replicaIn(region, primary)) {
        throw new AwsError("AlreadyExistsException", `Replica key already exists in ${region} region.`);
      }
      call.allow("kms:CreateKey", "*", conditionKeys);
      if (tags.length > 0) call.allow("kms:TagResource", "*", conditionKeys);
      const replica = new KmsKey({
        createdAt: call.state.now,
        region,
        accountId: primary.accountId,
        keyId: primary.keyId,
        spec: primary.spec,
        usage: primary.usage,
        origin: primary.origin,
        multiRegion: "REPLICA",
        policy: input.Policy ?? defaultKeyPolicy(region, primary.accountId),
        tags,
        ...defined({ description: input.Description, ...sharedMaterial(primary) }),
      });
      checkKeyPolicy(call, replica, replica.policy, input.BypassPolicyLockoutSafetyCheck);
      call.state.putKey(replica);
      const { CurrentKeyMaterialId: _, ...metadata } = keyMetadata(replica, call.state);
      const replicaTags = tags.map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
      return {
        // The service answers while it creates the replica. Here the replica is ready by the next call.
        ReplicaKeyMetadata: { ...metadata, Enabled: false, KeyState: "Creating" },
        ReplicaPolicy: replica.policy,
        ...defined({ ReplicaTags: replicaTags.length > 0 ? replicaTags : undefined }),
      };
    },
  ),

  operation("UpdatePrimaryRegion", { KeyId: keyIdRule, PrimaryRegion: regionRule }, (call, input) => {
    const primary = call.key(input.KeyId, {
      state: "enabled",
      conditionKeys: { "kms:PrimaryRegion": input.PrimaryRegion },
    });
    requirePrimary(primary);
    requireOtherRegion(call, input.PrimaryRegion);
    const replica = call.state.replicaIn(input.PrimaryRegion, primary);
    if (!replica) throw new AwsError("NotFoundException", `No replica key exists in ${input.PrimaryRegion} region.`);
    replica.requireState("enabled");
    primary.multiRegion = "REPLICA";
    replica.multiRegion = "PRIMARY";
    return undefined;
  }),
];

/** Imported material is each Region's own, since it is imported into each. */
function sharedMaterial({ origin, material, secret }: KmsKey) {
  return origin === "EXTERNAL" ? {} : { material, secret };
}

function requirePrimary(key: KmsKey): void {
  if (key.multiRegion !== "PRIMARY") throw unsupported(`${key.arn} is not a multi-region primary key.`);
}

function requireOtherRegion(call: KmsCall, region: string): void {
  if (region === call.region) throw validation("Cannot replicate a key to the region that it is in.");
  if (!call.state.hasRegion(region)) throw validation(`The region ${region} does not exist or is not available.`);
  if (partitionOf(region) !== partitionOf(call.region))
    throw validation(`The region ${region} is not in the partition of ${call.region}.`);
}
