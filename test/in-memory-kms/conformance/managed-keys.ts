import { expect } from "vitest";
import type { Send } from "../cases.js";
import { home } from "../world.js";
import { bytes, type Input, type Row } from "./row.js";

const alias = "alias/aws/s3";
const Plaintext = Buffer.from("an object's key");

const managed = async (send: Send): Promise<string> => {
  const { KeyMetadata } = await send("DescribeKey", { KeyId: alias });
  return (KeyMetadata as { Arn: string }).Arn;
};

const denied = (operation: string, input: (KeyId: string) => Input): Row => ({
  operation,
  situation: "of an AWS managed key",
  source: "documented",
  input: async (_world, send) => input(await managed(send)),
  error: [
    "AccessDeniedException",
    new RegExp(`not authorized to perform: kms:${operation} on resource: \\S+ because no resource-based policy allows`),
  ],
});

export const managedKeyRows: readonly Row[] = [
  {
    operation: "DescribeKey",
    situation: "of an AWS managed key by its alias, which makes it",
    source: "documented",
    region: "eu-west-2",
    input: () => ({ KeyId: alias }),
    output: async ({ KeyMetadata }, { kms }, input, send) => {
      expect(KeyMetadata).toMatchObject({ KeyManager: "AWS", KeyState: "Enabled", Origin: "AWS_KMS" });
      const again = await send("DescribeKey", input, "alice", "eu-west-2");
      expect(again["KeyMetadata"]).toEqual(KeyMetadata);
      expect(kms.snapshot().keys).toContainEqual(
        expect.objectContaining({ keyId: (KeyMetadata as Input)["KeyId"], manager: "AWS" }),
      );
    },
  },
  {
    operation: "DescribeKey",
    situation: "by the alias of no service",
    source: "documented",
    input: () => ({ KeyId: "alias/aws/nothing" }),
    error: ["NotFoundException", `Alias arn:aws:kms:${home}:111122223333:{KeyId} is not found.`],
  },
  {
    operation: "ListAliases",
    situation: "of an AWS managed key",
    source: "documented",
    input: async (_world, send) => ({ KeyId: await managed(send) }),
    output: ({ Aliases }) => expect(Aliases).toMatchObject([{ AliasName: alias }]),
  },
  {
    operation: "Encrypt",
    situation: "under an AWS managed key, directly",
    source: "documented",
    input: () => ({ KeyId: alias, Plaintext }),
    error: [
      "AccessDeniedException",
      /not authorized to perform: kms:Encrypt .* because no resource-based policy allows/,
    ],
  },
  {
    operation: "Encrypt",
    situation: "under an AWS managed key, through its service",
    source: "documented",
    as: "throughS3",
    input: () => ({ KeyId: alias, Plaintext }),
    output: async ({ CiphertextBlob }, _world, _input, send) => {
      const opened = await send("Decrypt", { CiphertextBlob }, "throughS3");
      expect(bytes(opened["Plaintext"])).toEqual(Plaintext);
      await expect(send("Decrypt", { CiphertextBlob })).rejects.toThrow("AccessDeniedException");
    },
  },
  {
    operation: "GetKeyPolicy",
    situation: "of an AWS managed key",
    source: "documented",
    input: async (_world, send) => ({ KeyId: await managed(send) }),
    output: ({ Policy }) => expect(Policy).toContain(`"kms:ViaService":"s3.${home}.amazonaws.com"`),
  },
  {
    operation: "GetKeyRotationStatus",
    situation: "of an AWS managed key",
    source: "documented",
    input: async (_world, send) => ({ KeyId: await managed(send) }),
    output: (output) => expect(output).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 365 }),
  },
  denied("PutKeyPolicy", (KeyId) => ({ KeyId, Policy: "{}" })),
  denied("ScheduleKeyDeletion", (KeyId) => ({ KeyId })),
  denied("DisableKey", (KeyId) => ({ KeyId })),
  denied("DisableKeyRotation", (KeyId) => ({ KeyId })),
  denied("TagResource", (KeyId) => ({ KeyId, Tags: [{ TagKey: "a", TagValue: "b" }] })),
  denied("CreateAlias", (TargetKeyId) => ({ AliasName: "alias/mine", TargetKeyId })),
  denied("CreateGrant", (KeyId) => ({
    KeyId,
    GranteePrincipal: "arn:aws:iam::111122223333:user/bob",
    Operations: ["Decrypt"],
  })),
];
