import { deletedPrincipal, PolicyProblem, type PolicyDocument } from "../../key-policy/language/document.js";
import { partitionOf } from "../arn.js";
import { AwsError } from "../aws-error.js";
import type { KmsCall } from "../call.js";
import type { KmsKey } from "../key.js";
import { readPolicy } from "./read-policy.js";

const maxPolicyBytes = 32_768;

/** Policy of a key that is created without one: leaves the key to its account, and to IAM there. */
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

/** @throws AwsError for a policy that the service refuses, and for one that its author could never change again */
export function checkKeyPolicy(
  call: KmsCall,
  key: KmsKey,
  policy: string,
  bypassLockoutCheck: boolean | undefined,
): void {
  if (Buffer.byteLength(policy) > maxPolicyBytes) {
    throw new AwsError("LimitExceededException", `The key policy is larger than ${maxPolicyBytes} bytes.`);
  }
  const document = readKeyPolicy(policy);
  if (document.statements.some(({ principals }) => principals?.names.some((name) => deletedPrincipal.test(name)))) {
    throw new AwsError(
      "MalformedPolicyDocumentException",
      "Policy contains a statement with one or more invalid principals.",
    );
  }
  if (!bypassLockoutCheck && !call.couldPutPolicy(key, policy)) {
    throw new AwsError(
      "MalformedPolicyDocumentException",
      "The new key policy will not allow you to update the key policy in the future.",
    );
  }
}

function readKeyPolicy(policy: string): PolicyDocument {
  try {
    return readPolicy(policy, "key");
  } catch (error) {
    if (error instanceof PolicyProblem) throw new AwsError("MalformedPolicyDocumentException", error.message);
    throw error;
  }
}
