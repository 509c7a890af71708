import * as z from "zod";
import { InvalidInputError } from "../errors.js";
import { contextKeyNameRule, defaultContextKeyName, organizationIdRule } from "../kms/context-keys.js";
import { checkInput } from "../util/check-input.js";

/**
 * What a grantee may do with an organization's KMS key.
 *
 * - `recordings`: make key pairs and open recordings.
 * - `attestations`: have KMS confirm public keys, which is all that a worker needs that only encrypts.
 */
export type KeyAccess = "recordings" | "attestations";

/** Access to an organization's KMS key for the recording service, on behalf of one or more organization ids. */
export interface RecordingKeyGrant {
  /** AWS account of the recording service, 12 digits. IAM in that account decides which of its roles. */
  serviceAccountId?: string;
  /** ARNs of the recording service's roles or users, instead of its account. At least one. */
  servicePrincipalArns?: readonly string[];
  /** Ids of the organization, at least one. They become the condition on the encryption context. */
  organizationIds: readonly string[];
  /** Name of the id in the encryption context. Default `genesys-cloud-organization-id`. */
  contextKeyName?: string;
  /** Default `recordings`. */
  access?: KeyAccess;
  /** AWS partition. Default `aws`. */
  partition?: "aws" | "aws-us-gov" | "aws-cn";
}

export const partitions = ["aws", "aws-us-gov", "aws-cn"] as const;
const distinct = (list: readonly string[]) => new Set(list).size === list.length;

export const accountIdSchema = z.string().regex(/^\d{12}$/, { message: "must be an AWS account id, 12 digits" });
export const partitionSchema = z.enum(partitions).default("aws");
export const accessSchema = z.enum(["recordings", "attestations"]).default("recordings");

export const principalArnSchema = z
  .string()
  .regex(/^arn:aws(?:-us-gov|-cn)?:(?:iam::\d{12}:(?:role|user)|sts::\d{12}:assumed-role)\/[\w+=,.@/-]+$/, {
    message: "must be the ARN of an IAM role or user",
  });

export const grantShape = {
  serviceAccountId: accountIdSchema.optional(),
  servicePrincipalArns: z
    .array(principalArnSchema)
    .min(1)
    .refine(distinct, { message: "must not name one twice" })
    .optional(),
  organizationIds: z
    .array(z.string().regex(organizationIdRule.pattern, { message: organizationIdRule.message }))
    .min(1)
    .refine(distinct, { message: "must not name one twice" }),
  contextKeyName: z
    .string()
    .regex(contextKeyNameRule.pattern, { message: contextKeyNameRule.message })
    .refine((name) => !contextKeyNameRule.taken.test(name), { message: contextKeyNameRule.takenMessage })
    .default(defaultContextKeyName),
  access: accessSchema,
  partition: partitionSchema,
};

const grantSchema = z.strictObject(grantShape);
export type CheckedGrant = z.output<typeof grantSchema>;

/** @throws InvalidInputError */
export function checkGrant(input: RecordingKeyGrant): CheckedGrant {
  const grant = checkInput(grantSchema, input);
  checkGrantee(grant);
  return grant;
}

/** @throws InvalidInputError unless the grant names an account or principals, all of its partition */
export function checkGrantee({ serviceAccountId, servicePrincipalArns, partition }: CheckedGrant): void {
  if ((serviceAccountId === undefined) === (servicePrincipalArns === undefined)) {
    throw new InvalidInputError("serviceAccountId", "must be given, or servicePrincipalArns instead of it");
  }
  const foreign = servicePrincipalArns?.findIndex((arn) => !arn.startsWith(`arn:${partition}:`)) ?? -1;
  if (foreign >= 0)
    throw new InvalidInputError(
      `servicePrincipalArns.${foreign}`,
      `must be of the partition ${partition}`,
      servicePrincipalArns?.[foreign],
    );
}
