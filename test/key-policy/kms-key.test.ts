import { CreateAliasCommand, CreateGrantCommand, CreateKeyCommand } from "@aws-sdk/client-kms";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hcl } from "../../src/key-policy/hcl.js";
import { recordingKeyPolicy, recordingKmsGrants, recordingKmsKey } from "../../src/key-policy/index.js";
import { onboarding, owner, playerRole, recorderRole, region, service } from "./onboarding.js";

const grants = [{ servicePrincipalArns: [playerRole], organizationIds: ["org-1"] }];
const key = { accountId: owner, aliasName: "alias/recordings", grants };
const audio = Buffer.from("a call");
const recordingId = "call-1";

/** Reads a Terraform expression that holds no reference, by the rules for strings of HCL's specification. */
function readHcl(expression: string): unknown {
  return JSON.parse(expression.replaceAll(/\$\$(?=\{)/g, "$").replaceAll(/%%(?=\{)/g, "%"));
}

/** What CloudFormation and KMS make of a template: key, policy and alias, by the account's administrator. */
async function deploy(template: string, { administrator }: ReturnType<typeof onboarding>) {
  const { Resources } = JSON.parse(template) as ReturnType<typeof recordingKmsKey>["cloudFormation"];
  const { KeyPolicy, Description, MultiRegion } = Resources.RecordingsKey.Properties;
  const { KeyMetadata } = await administrator.send(
    new CreateKeyCommand({ Policy: JSON.stringify(KeyPolicy), Description, MultiRegion }),
  );
  const { AliasName } = Resources.RecordingsKeyAlias.Properties;
  await administrator.send(new CreateAliasCommand({ AliasName, TargetKeyId: KeyMetadata!.KeyId }));
  return { kmsKeyArn: KeyMetadata!.Arn!, kmsKeyAliasArn: `arn:aws:kms:${region}:${owner}:${AliasName}` };
}

describe("recordingKmsKey for CloudFormation", () => {
  it("describes a key that stays, its policy and its alias", () => {
    expect(recordingKmsKey(key).cloudFormation).toEqual({
      AWSTemplateFormatVersion: "2010-09-09",
      Resources: {
        RecordingsKey: {
          Type: "AWS::KMS::Key",
          DeletionPolicy: "Retain",
          UpdateReplacePolicy: "Retain",
          Properties: {
            Description: "Recordings",
            EnableKeyRotation: true,
            PendingWindowInDays: 30,
            MultiRegion: false,
            KeyPolicy: recordingKeyPolicy({ accountId: owner, grants }),
          },
        },
        RecordingsKeyAlias: {
          Type: "AWS::KMS::Alias",
          Properties: { AliasName: "alias/recordings", TargetKeyId: { Ref: "RecordingsKey" } },
        },
      },
      Outputs: {
        KmsKeyArn: { Value: { "Fn::GetAtt": ["RecordingsKey", "Arn"] } },
        KmsKeyAliasArn: {
          Value: { "Fn::Sub": "arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:alias/recordings" },
        },
      },
    });
  });

  it.each(["key-policy", "kms-grants"] as const)("serves the organization, by %s", async (accessBy) => {
    const world = onboarding();
    const template = JSON.stringify(recordingKmsKey({ ...key, accessBy, multiRegion: true }).cloudFormation);
    const { kmsKeyArn, kmsKeyAliasArn } = await deploy(template, world);
    const keyStore = world.worker(playerRole);
    if (accessBy === "kms-grants") {
      expect(await keyStore.test({ kmsKeyAliasArn })).toMatchObject({ ok: false, error: { kind: "access-denied" } });
      for (const { createGrant } of recordingKmsGrants({ kmsKeyArn, ...grants[0]! }))
        await world.administrator.send(new CreateGrantCommand(createGrant));
    }
    await keyStore.configure({ kmsKeyAliasArn });
    const { body } = await keyStore.encryptRecording(audio, { recordingId });
    await keyStore.rotate();
    expect((await world.worker(playerRole).decryptRecording(body, { recordingId })).body).toEqual(audio);
  });
});

describe("recordingKmsKey for Terraform", () => {
  const policyIn = (terraform: string) => readHcl(/jsonencode\((.*?)\)\n/s.exec(terraform)?.[1] ?? "");

  it("describes the same key, and keeps it", () => {
    const { terraform } = recordingKmsKey({ ...key, multiRegion: true, description: 'Calls of "${org}" %{x}' });
    expect(policyIn(terraform)).toEqual(recordingKeyPolicy({ accountId: owner, grants }));
    expect(terraform.replace(/jsonencode\(.*?\)\n/s, "jsonencode(…)\n")).toBe(`resource "aws_kms_key" "recordings" {
  description             = "Calls of \\"$\${org}\\" %%{x}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  multi_region            = true
  policy = jsonencode(…)

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "recordings" {
  name          = "alias/recordings"
  target_key_id = aws_kms_key.recordings.key_id
}
`);
  });

  it("gives KMS grants in the place of statements, under names that stay when others come or go", () => {
    const recorders = {
      servicePrincipalArns: [recorderRole],
      organizationIds: ["org-1", "org-2"],
      access: "attestations" as const,
    };
    const namesOf = (list: Parameters<typeof recordingKmsKey>[0]["grants"]) => {
      const { terraform } = recordingKmsKey({ ...key, accessBy: "kms-grants", grants: list });
      const owners = recordingKeyPolicy({ accountId: owner, grants }).Statement.slice(0, 1);
      expect(policyIn(terraform)).toEqual({ Version: "2012-10-17", Statement: owners });
      expect(terraform.match(/key_id += aws_kms_key\.recordings\.arn\n/g)).toHaveLength(
        terraform.match(/resource "aws_kms_grant"/g)?.length ?? 0,
      );
      return [...terraform.matchAll(/"aws_kms_grant" "(\w+)"/g)].map(([, name]) => name);
    };
    const [player] = namesOf(grants);
    expect(namesOf([recorders, ...grants]).indexOf(player)).toBe(2);
    expect(namesOf([...grants, ...grants])).toEqual([player]);
  });

  it("reads every text back as it was", () => {
    const texts = fc.string({
      unit: fc.oneof(fc.constantFrom("$", "%", "{", "}", '"', "\\", "b", "\b", "\f"), fc.string()),
    });
    fc.assert(
      fc.property(texts, (text) => {
        const written = hcl({ text });
        expect(readHcl(written)).toEqual({ text });
        expect(written).not.toMatch(/(?<!\$)\$\{|(?<!%)%\{/);
        expect(written.match(/\\./g)?.filter((escape) => escape === "\\b" || escape === "\\f") ?? []).toEqual([]);
      }),
    );
  });
});

describe("bad input", () => {
  it.each([
    [{ aliasName: "recordings" }, "aliasName"],
    [{ aliasName: "alias/aws/s3" }, "aliasName"],
    [{ aliasName: `alias/${"x".repeat(251)}` }, "aliasName"],
    [{ aliasName: "alias/${x}" }, "aliasName"],
    [{ accountId: "1" }, "accountId"],
    [{ grants: [] }, "grants"],
    [{ grants: [null] }, "grants.0"],
    [
      { grants: [{ serviceAccountId: service, organizationIds: ["org-1"] }], accessBy: "kms-grants" },
      "servicePrincipalArns",
    ],
    [{ accessBy: "magic" }, "accessBy"],
    [{ multiRegion: "yes" }, "multiRegion"],
    [{ description: "{{resolve:ssm:secret}}" }, "description"],
    [{ description: "\ud800" }, "description"],
    [{ description: "x".repeat(8_193) }, "description"],
    [{ surprise: 1 }, "surprise"],
  ])("is refused: %o names %s", (change, field) => {
    expect(() => recordingKmsKey({ ...key, ...change } as never)).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_INPUT", field }),
    );
  });
});
