import { partitionOf } from "../arn.js";
import { AwsError } from "../aws-error.js";
import type { KmsPrincipal } from "../principals.js";

const maxPolicyBytes = 32_768;

/** What a key gets that is created without a policy: its account, and through it IAM, decides. */
export function defaultKeyPolicy(region: string, accountId: string): string {
  const statement = {
    Sid: "Enable IAM User Permissions",
    Effect: "Allow",
    Principal: { AWS: `arn:${partitionOf(region)}:iam::${accountId}:root` },
    Action: "kms:*",
    Resource: "*",
  };
  return JSON.stringify({ Version: "2012-10-17", Id: "key-default-1", Statement: [statement] }, undefined, 2);
}

/** Refuses a policy that the service would not take. */
export function checkKeyPolicy(policy: string, _request: { caller: KmsPrincipal; bypassLockoutCheck: boolean }): void {
  if (Buffer.byteLength(policy) > maxPolicyBytes) throw new AwsError("LimitExceededException", "The policy is too large.");
}
