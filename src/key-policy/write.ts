import * as z from "zod";
import { InvalidInputError } from "../errors.js";
import { purposeContextKey, type CiphertextPurpose } from "../kms/context-keys.js";
import { checkInput } from "../util/check-input.js";
import {
  accessSchema,
  accountIdSchema,
  checkGrant,
  partitionSchema,
  type CheckedGrant,
  type KeyAccess,
  type RecordingKeyGrant,
} from "./grant.js";

/** A statement of a key policy, in AWS's JSON. */
export interface KeyPolicyStatement {
  Sid: string;
  Effect: "Allow";
  Principal: { AWS: string | string[] };
  Action: string | string[];
  /** The key that the policy belongs to. */
  Resource: "*";
  Condition?: { StringEquals: Record<string, string | string[]> };
}

/** A key policy. `JSON.stringify` makes it the text for the AWS console and `PutKeyPolicy`. */
export interface KeyPolicy {
  Version: "2012-10-17";
  Statement: KeyPolicyStatement[];
}

/** An IAM policy for a role of the recording service. */
export interface RolePolicy {
  Version: "2012-10-17";
  Statement: {
    Sid: string;
    Effect: "Allow";
    Action: string[];
    Resource: string[];
    Condition?: { StringEquals: Record<string, string> };
  }[];
}

/** AWS's limit, in bytes. */
export const maxKeyPolicyBytes = 32_768;

/** Actions that the library calls with an encryption context. Data key pairs are for RSA. */
const cryptographicActions = {
  recordings: ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*"],
  attestations: ["kms:Decrypt"],
} as const satisfies Record<KeyAccess, readonly string[]>;

const attestationsOnly = { [purposeContextKey]: "attestation" satisfies CiphertextPurpose } as const;

/**
 * Writes the statements that an organization adds to its KMS key's policy: one for the cryptographic actions, under the
 * condition that the encryption context names the organization, and one for `kms:DescribeKey`, which carries no context.
 * With `access: "attestations"` it is a single statement, which opens no recording.
 * @throws InvalidInputError
 */
export function recordingKeyStatements(grant: RecordingKeyGrant): KeyPolicyStatement[] {
  const checked = checkGrant(grant);
  const { access, contextKeyName, organizationIds } = checked;
  const Principal = { AWS: oneOrMore(principalsOf(checked)) };
  const statement = (
    Sid: string,
    Action: readonly string[],
    more: Partial<KeyPolicyStatement> = {},
  ): KeyPolicyStatement => ({
    Sid,
    Effect: "Allow",
    Principal,
    Action: oneOrMore(Action),
    Resource: "*",
    ...more,
  });
  const organization = { [`kms:EncryptionContext:${contextKeyName}`]: oneOrMore(organizationIds) };
  if (access === "attestations") {
    return [
      statement("RecordingsAttestations", cryptographicActions.attestations, {
        Condition: { StringEquals: { ...organization, ...asConditions(attestationsOnly) } },
      }),
    ];
  }
  return [
    statement("Recordings", cryptographicActions.recordings, { Condition: { StringEquals: organization } }),
    statement("RecordingsDescribeKey", ["kms:DescribeKey"]),
  ];
}

export interface RecordingKeyPolicyOptions {
  /** AWS account that owns the KMS key, 12 digits. It stays in charge, so pasting the policy locks nobody out. */
  accountId: string;
  /** At least one. Recorders that must not open recordings get another, with `access: "attestations"`. */
  grants: readonly RecordingKeyGrant[];
  /** AWS partition. Default `aws`. */
  partition?: "aws" | "aws-us-gov" | "aws-cn";
}

/**
 * Writes a whole key policy: the statement with which AWS leaves a key to its account and to IAM there, and those of the
 * grants. It replaces the key's policy; to keep that, add {@link recordingKeyStatements} to it instead.
 * @throws InvalidInputError, also if the policy is larger than AWS's limit of 32,768 bytes
 */
export function recordingKeyPolicy(options: RecordingKeyPolicyOptions): KeyPolicy {
  return recordingKeyPolicyOf(checkInput(policySchema, options));
}

/** @throws InvalidInputError */
export function recordingKeyPolicyOf({ accountId, grants, partition }: Required<RecordingKeyPolicyOptions>): KeyPolicy {
  const owner: KeyPolicyStatement = {
    Sid: "EnableIAMUserPermissions",
    Effect: "Allow",
    Principal: { AWS: accountArn(partition, accountId) },
    Action: "kms:*",
    Resource: "*",
  };
  const statements = grants.flatMap((grant) => recordingKeyStatements({ partition, ...grant }));
  const policy: KeyPolicy = { Version: "2012-10-17", Statement: withDistinctSids([owner, ...statements]) };
  const bytes = Buffer.byteLength(JSON.stringify(policy, undefined, 2));
  if (bytes > maxKeyPolicyBytes)
    throw new InvalidInputError(
      "grants",
      `must fit into a key policy of ${maxKeyPolicyBytes} bytes, and take ${bytes}`,
    );
  return policy;
}

export interface RecordingRolePolicyOptions {
  /** Default `recordings`. */
  access?: KeyAccess;
  /** Key ARNs, perhaps with wildcards. Default: every KMS key of the partition whose own policy allows the role. */
  kmsKeyArns?: readonly string[];
  /** AWS partition. Default `aws`. */
  partition?: "aws" | "aws-us-gov" | "aws-cn";
}

/**
 * Writes the IAM policy for a role of the recording service, since across accounts both key policy and IAM must allow a
 * call. With `access: "attestations"` the role can encrypt recordings and have their keys confirmed, but never open one,
 * even if the organization's key policy names the service's whole account.
 * @throws InvalidInputError
 */
export function recordingRolePolicy(options: RecordingRolePolicyOptions = {}): RolePolicy {
  const { access, partition, kmsKeyArns = [`arn:${partition}:kms:*:*:key/*`] } = checkInput(rolePolicySchema, options);
  const statement = (Sid: string, Action: readonly string[]) => ({
    Sid,
    Effect: "Allow" as const,
    Action: [...Action],
    Resource: [...kmsKeyArns],
  });
  if (access === "attestations") {
    return {
      Version: "2012-10-17",
      Statement: [
        {
          ...statement("RecordingsAttestations", cryptographicActions.attestations),
          Condition: { StringEquals: asConditions(attestationsOnly) },
        },
      ],
    };
  }
  return {
    Version: "2012-10-17",
    Statement: [statement("Recordings", [...cryptographicActions.recordings, "kms:DescribeKey"])],
  };
}

export const recordingKeyGrantsSchema = z
  .array(
    z.custom<RecordingKeyGrant>((grant) => typeof grant === "object" && grant !== null, {
      message: "must be an object",
    }),
  )
  .min(1);

const policySchema = z.strictObject({
  accountId: accountIdSchema,
  grants: recordingKeyGrantsSchema,
  partition: partitionSchema,
});

const rolePolicySchema = z.strictObject({
  access: accessSchema,
  kmsKeyArns: z
    .array(
      z.string().regex(/^arn:aws(?:-us-gov|-cn)?:kms:[a-z0-9*?-]+:[\d*?]+:key\/[\w*?-]+$/, {
        message: "must be a key ARN: IAM does not know KMS keys by their aliases",
      }),
    )
    .min(1)
    .optional(),
  partition: partitionSchema,
});

function accountArn(partition: string, accountId: string): string {
  return `arn:${partition}:iam::${accountId}:root`;
}

export function principalsOf({ serviceAccountId, servicePrincipalArns, partition }: CheckedGrant): readonly string[] {
  return servicePrincipalArns ?? [accountArn(partition, serviceAccountId ?? "")];
}

function asConditions(context: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(context).map(([name, value]) => [`kms:EncryptionContext:${name}`, value]));
}

function oneOrMore(list: readonly string[]): string | string[] {
  return list.length === 1 && list[0] !== undefined ? list[0] : [...list];
}

/** Numbers repeated Sids, since a policy's statements must not share one. */
function withDistinctSids(statements: readonly KeyPolicyStatement[]): KeyPolicyStatement[] {
  const met = new Map<string, number>();
  return statements.map((statement) => {
    const count = (met.get(statement.Sid) ?? 0) + 1;
    met.set(statement.Sid, count);
    return count === 1 ? statement : { ...statement, Sid: `${statement.Sid}${count}` };
  });
}
