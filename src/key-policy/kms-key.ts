import * as z from "zod";
import { checkInput } from "../util/check-input.js";
import { accountIdSchema, checkGrant, partitionSchema, type RecordingKeyGrant } from "./grant.js";
import { hcl } from "./hcl.js";
import { grantResource, kmsGrantsOf } from "./kms-grants.js";
import { recordingKeyGrantsSchema, recordingKeyPolicyOf, type KeyPolicy } from "./write.js";

/** Options of {@link recordingKmsKey}. */
export interface RecordingKmsKeyOptions {
  /** AWS account that owns the KMS key, 12 digits. It stays in charge. */
  accountId: string;
  /** Alias by which the recording service reaches the key: `alias/` and up to 250 characters of `A-Z a-z 0-9 / _ -`. */
  aliasName: string;
  /** Who uses the key, on behalf of which organization ids. At least one. */
  grants: readonly RecordingKeyGrant[];
  /**
   * How the key lets them in: by statements of its policy, or by KMS grants, each of which can be revoked without a change of the
   * policy. Default `key-policy`.
   */
  accessBy?: "key-policy" | "kms-grants";
  /** Whether the key can be replicated to other Regions. It can't be changed later. Default `false`. */
  multiRegion?: boolean;
  /** Description of the key, at most 8,192 characters, without `{{`, in which CloudFormation sees a reference. Default `Recordings`. */
  description?: string;
  /** AWS partition. Default `aws`. */
  partition?: "aws" | "aws-us-gov" | "aws-cn";
}

/** A CloudFormation template. `JSON.stringify` makes it its text. */
export interface RecordingKmsKeyTemplate {
  AWSTemplateFormatVersion: "2010-09-09";
  Resources: {
    RecordingsKey: {
      Type: "AWS::KMS::Key";
      DeletionPolicy: "Retain";
      UpdateReplacePolicy: "Retain";
      Properties: {
        Description: string;
        EnableKeyRotation: true;
        PendingWindowInDays: 30;
        MultiRegion: boolean;
        KeyPolicy: KeyPolicy;
      };
    };
    RecordingsKeyAlias: {
      Type: "AWS::KMS::Alias";
      Properties: { AliasName: string; TargetKeyId: { Ref: "RecordingsKey" } };
    };
  };
  Outputs: {
    /** For {@link recordingKmsGrants}. */
    KmsKeyArn: { Value: { "Fn::GetAtt": ["RecordingsKey", "Arn"] } };
    /** For `configure()`. */
    KmsKeyAliasArn: { Value: { "Fn::Sub": string } };
  };
}

/** A KMS key for an organization's recordings, for whichever tool makes it. */
export interface RecordingKmsKey {
  /**
   * A template with key, alias and key policy. The key stays when the stack goes. CloudFormation has no resource for KMS grants:
   * with `accessBy: "kms-grants"` they are made afterwards, by the calls of {@link recordingKmsGrants}.
   */
  readonly cloudFormation: RecordingKmsKeyTemplate;
  /** Terraform resources `aws_kms_key.recordings`, which Terraform does not destroy, its alias, and its KMS grants if there are any. */
  readonly terraform: string;
}

/**
 * Describes a symmetric KMS key with its alias and what the recording service may do with it. KMS rotates the key's material each
 * year; recordings stay decryptable, since it keeps the old.
 * @throws InvalidInputError, also if the key policy is larger than AWS's limit of 32,768 bytes
 */
export function recordingKmsKey(options: RecordingKmsKeyOptions): RecordingKmsKey {
  const { accountId, aliasName, grants, accessBy, multiRegion, description, partition } = checkInput(
    optionsSchema,
    options,
  );
  const byGrants = accessBy === "kms-grants";
  const policy = recordingKeyPolicyOf({ accountId, partition, grants: byGrants ? [] : grants });
  const kmsGrants = byGrants ? grants.flatMap((grant) => kmsGrantsOf(checkGrant({ partition, ...grant }))) : [];
  const cloudFormation: RecordingKmsKeyTemplate = {
    AWSTemplateFormatVersion: "2010-09-09",
    Resources: {
      RecordingsKey: {
        Type: "AWS::KMS::Key",
        DeletionPolicy: "Retain",
        UpdateReplacePolicy: "Retain",
        Properties: {
          Description: description,
          EnableKeyRotation: true,
          PendingWindowInDays: 30,
          MultiRegion: multiRegion,
          KeyPolicy: policy,
        },
      },
      RecordingsKeyAlias: {
        Type: "AWS::KMS::Alias",
        Properties: { AliasName: aliasName, TargetKeyId: { Ref: "RecordingsKey" } },
      },
    },
    Outputs: {
      KmsKeyArn: { Value: { "Fn::GetAtt": ["RecordingsKey", "Arn"] } },
      KmsKeyAliasArn: {
        Value: { "Fn::Sub": `arn:\${AWS::Partition}:kms:\${AWS::Region}:\${AWS::AccountId}:${aliasName}` },
      },
    },
  };
  const key = `resource "aws_kms_key" "recordings" {
  description             = ${hcl(description)}
  enable_key_rotation     = true
  deletion_window_in_days = 30
  multi_region            = ${multiRegion}
  policy = jsonencode(${hcl(policy, "  ")})

  lifecycle {
    prevent_destroy = true
  }
}
`;
  const alias = `resource "aws_kms_alias" "recordings" {
  name          = ${hcl(aliasName)}
  target_key_id = aws_kms_key.recordings.key_id
}
`;
  const resources = new Set(kmsGrants.map((grant) => grantResource(grant, { resource: "recordings" })));
  return { cloudFormation, terraform: [key, alias, ...resources].join("\n") };
}

const optionsSchema = z.strictObject({
  accountId: accountIdSchema,
  aliasName: z.string().regex(/^alias\/(?!aws\/)[A-Za-z0-9/_-]{1,250}$/, {
    message: "must be alias/ and up to 250 of A-Z a-z 0-9 / _ -, and not begin with alias/aws/",
  }),
  grants: recordingKeyGrantsSchema,
  accessBy: z.enum(["key-policy", "kms-grants"]).default("key-policy"),
  multiRegion: z.boolean().default(false),
  description: z
    .string()
    .max(8_192)
    .refine((text) => !text.includes("{{"), { message: "must not hold {{, in which CloudFormation sees a reference" })
    .refine((text) => !/\p{Surrogate}/u.test(text), { message: "must be well-formed text" })
    .default("Recordings"),
  partition: partitionSchema,
});
