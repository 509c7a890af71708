import { createHash } from "node:crypto";
import * as z from "zod";
import { InvalidInputError } from "../errors.js";
import { isKmsKeyArn, parseKmsArn } from "../kms/arn.js";
import { purposeContextKey, type CiphertextPurpose } from "../kms/context-keys.js";
import { checkInput } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import {
  checkGrantee,
  grantShape,
  partitions,
  principalArnSchema,
  type CheckedGrant,
  type KeyAccess,
  type RecordingKeyGrant,
} from "./grant.js";
import { hcl, hclArguments } from "./hcl.js";

/** Options of {@link recordingKmsGrants}. `servicePrincipalArns` is required: a KMS grant is given to a role or a user. */
export interface RecordingKmsGrantsOptions extends RecordingKeyGrant {
  /** ARN of the organization's KMS key. `CreateGrant` takes no alias, and a grant stays with the key, not with its alias. */
  kmsKeyArn: string;
  /** ARN of a role or user that may retire the grants, in whichever account. Default: nobody. */
  retiringPrincipalArn?: string;
  /**
   * Name of the grants, 1 to 256 of `A-Z a-z 0-9 : / _ -`. KMS makes a named grant once, however often it is asked for the same
   * one. Default: `recordings` or `attestations`, as `access` says.
   */
  name?: string;
}

/** What the library calls under a grant. */
export type KmsGrantOperation = "Encrypt" | "Decrypt" | "GenerateDataKeyPairWithoutPlaintext" | "DescribeKey";

/** Input of `CreateGrant`. */
export interface KmsCreateGrant {
  KeyId: string;
  GranteePrincipal: string;
  RetiringPrincipal?: string;
  Operations: KmsGrantOperation[];
  /** Binds every operation but `DescribeKey`, which carries no encryption context. */
  Constraints: { EncryptionContextSubset: Record<string, string> };
  Name: string;
}

/** A KMS grant for one role or user and one organization id, for whichever tool creates it. */
export interface RecordingKmsGrant {
  /** Input of `CreateGrant`. Its answer has the `GrantId` by which the grant is revoked. */
  readonly createGrant: KmsCreateGrant;
  /** The same call as a command of the AWS CLI, for a POSIX shell. */
  readonly command: string;
  /** A Terraform resource `aws_kms_grant`, which Terraform revokes when it is removed. */
  readonly terraform: string;
}

/** How a KMS grant is revoked. */
export interface KmsGrantRevocation {
  /** Input of `RevokeGrant`. */
  readonly revokeGrant: { KeyId: string; GrantId: string };
  /** The same call as a command of the AWS CLI, for a POSIX shell. */
  readonly command: string;
}

/** A KMS grant without its key. */
type KmsGrantFacts = Omit<KmsCreateGrant, "KeyId">;

/**
 * Exactly the calls that the library makes: a grant's operations know no wildcard. RSA key pairs are made without plaintext only,
 * so `GenerateDataKeyPair` and the operations for symmetric data keys are not among them.
 */
const operations = {
  recordings: ["Encrypt", "Decrypt", "GenerateDataKeyPairWithoutPlaintext", "DescribeKey"],
  attestations: ["Decrypt"],
} as const satisfies Record<KeyAccess, readonly KmsGrantOperation[]>;

/**
 * Writes the KMS grants that let the recording service in without a change of the key's policy, one for each of its roles or users
 * and each organization id. The constraint names the organization's id. It is `EncryptionContextSubset`, since the context of each
 * key pair has a digest of its own. `DescribeKey` is in the same grant, and no constraint binds it.
 *
 * Across accounts the role's own IAM policy must allow the calls too: {@link recordingRolePolicy}. A new grant takes effect within
 * some five minutes.
 * @throws InvalidInputError
 */
export function recordingKmsGrants(options: RecordingKmsGrantsOptions): RecordingKmsGrant[] {
  const checked = checkInput(optionsSchema, options);
  const { kmsKeyArn, retiringPrincipalArn, name } = checked;
  const { partition = "aws", region = "" } = parseKmsArn(kmsKeyArn) ?? {};
  if (checked.partition !== undefined && checked.partition !== partition)
    throw new InvalidInputError("partition", `must be that of kmsKeyArn, ${partition}`, checked.partition);
  if (retiringPrincipalArn?.startsWith(`arn:${partition}:`) === false)
    throw new InvalidInputError("retiringPrincipalArn", `must be of the partition ${partition}`, retiringPrincipalArn);
  const grant: CheckedGrant = Object.assign(checked, { partition }); // not spread: a copy would inherit from Object.prototype
  return kmsGrantsOf(grant, { name, retiringPrincipalArn }).map((facts) => {
    const createGrant = { KeyId: kmsKeyArn, ...facts };
    return {
      createGrant,
      command: createGrantCommand(region, createGrant),
      terraform: grantResource(facts, { arn: kmsKeyArn }),
    };
  });
}

/**
 * Writes the one call that ends a KMS grant. Private keys that are unwrapped already are used for at most `privateKeyTtl` longer;
 * KMS itself takes up to some five minutes to refuse everywhere.
 * @throws InvalidInputError
 */
export function revokeRecordingKmsGrant(options: {
  /** ARN of the organization's KMS key. */
  kmsKeyArn: string;
  /** From the answer of `CreateGrant`, or of `ListGrants`. */
  grantId: string;
}): KmsGrantRevocation {
  const { kmsKeyArn, grantId } = checkInput(revocationSchema, options);
  const region = parseKmsArn(kmsKeyArn)?.region ?? "";
  return {
    revokeGrant: { KeyId: kmsKeyArn, GrantId: grantId },
    command: command("revoke-grant", { region, "key-id": kmsKeyArn, "grant-id": grantId }),
  };
}

/** @throws InvalidInputError for a grant that names an account */
export function kmsGrantsOf(
  grant: CheckedGrant,
  { name, retiringPrincipalArn }: { name?: string | undefined; retiringPrincipalArn?: string | undefined } = {},
): KmsGrantFacts[] {
  const { serviceAccountId, servicePrincipalArns, organizationIds, contextKeyName, access } = grant;
  if (serviceAccountId !== undefined || servicePrincipalArns === undefined)
    throw new InvalidInputError("servicePrincipalArns", "must be given: a KMS grant is for a role or a user");
  checkGrantee(grant);
  return servicePrincipalArns.flatMap((GranteePrincipal) =>
    organizationIds.map((organizationId) => ({
      GranteePrincipal,
      ...defined({ RetiringPrincipal: retiringPrincipalArn }),
      Operations: [...operations[access]],
      Constraints: {
        EncryptionContextSubset: {
          [contextKeyName]: organizationId,
          ...(access === "attestations" && { [purposeContextKey]: "attestation" satisfies CiphertextPurpose }),
        },
      },
      Name: name ?? access,
    })),
  );
}

/**
 * A resource `aws_kms_grant`. Its name goes by grantee and constraint, so that it stays when others come or go.
 * @param key - the key's ARN, or the name of its `aws_kms_key` beside it
 */
export function grantResource(grant: KmsGrantFacts, key: { arn: string } | { resource: string }): string {
  const { GranteePrincipal, RetiringPrincipal, Operations, Constraints, Name } = grant;
  const identity = JSON.stringify([GranteePrincipal, Constraints, Name, "arn" in key ? key.arn : key.resource]);
  const digest = createHash("sha256").update(identity).digest("hex").slice(0, 12);
  const facts = hclArguments({
    name: hcl(Name),
    key_id: "arn" in key ? hcl(key.arn) : `aws_kms_key.${key.resource}.arn`,
    grantee_principal: hcl(GranteePrincipal),
    retiring_principal: RetiringPrincipal && hcl(RetiringPrincipal),
    operations: `[${Operations.map((operation) => hcl(operation)).join(", ")}]`,
  });
  return `resource "aws_kms_grant" "recordings_${digest}" {
${facts}

  constraints {
    encryption_context_subset = ${hcl(Constraints.EncryptionContextSubset, "    ")}
  }
}
`;
}

const kmsKeyArnSchema = z.string().refine(isKmsKeyArn, { message: "must be a KMS key ARN" });

const optionsSchema = z.strictObject({
  ...grantShape,
  partition: z.enum(partitions).optional(),
  kmsKeyArn: kmsKeyArnSchema,
  retiringPrincipalArn: principalArnSchema.optional(),
  name: z
    .string()
    .regex(/^[\w:/-]{1,256}$/, { message: "must be 1 to 256 of A-Z a-z 0-9 : / _ -" })
    .optional(),
});

const revocationSchema = z.strictObject({
  kmsKeyArn: kmsKeyArnSchema,
  grantId: z.string().regex(/^\w[\w-]{0,127}$/, { message: "must be the id of a grant, as CreateGrant answers" }),
});

function createGrantCommand(region: string, grant: KmsCreateGrant): string {
  return command("create-grant", {
    region,
    "key-id": grant.KeyId,
    "grantee-principal": grant.GranteePrincipal,
    "retiring-principal": grant.RetiringPrincipal,
    operations: grant.Operations,
    constraints: JSON.stringify(grant.Constraints),
    name: grant.Name,
  });
}

function command(verb: string, options: Readonly<Record<string, string | readonly string[] | undefined>>): string {
  const lines = Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`  --${name} ${[value].flat().map(shellWord).join(" ")}`],
  );
  return [`aws kms ${verb}`, ...lines].join(" \\\n");
}

function shellWord(text: string): string {
  return /^[\w+=,.@:/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
