import { CreateGrantCommand, RevokeGrantCommand } from "@aws-sdk/client-kms";
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { recordingKmsGrants, recordingRolePolicy, revokeRecordingKmsGrant } from "../../src/key-policy/index.js";
import { onboarding, owner, playerRole, recorderRole, region, service } from "./onboarding.js";

const kmsKeyArn = `arn:aws:kms:${region}:${owner}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
const grant = { kmsKeyArn, servicePrincipalArns: [playerRole], organizationIds: ["org-1"] };
const audio = Buffer.from("a call");
const recordingId = "call-1";

/** Arguments as a shell takes the command apart, with a printer in the place of the AWS CLI. */
function argumentsOf(command: string): string[] {
  const script = `aws() { printf '%s\\n' "$@"; }\n${command}`;
  return execFileSync("sh", ["-c", script], { encoding: "utf8" }).trimEnd().split("\n");
}

/** A key whose policy names its owner alone, opened to the service by the grants that the library writes. */
async function openedByGrants(...wanted: Omit<Parameters<typeof recordingKmsGrants>[0], "kmsKeyArn">[]) {
  const { kms, administrator, worker } = onboarding();
  const keyArn = kms.createKey({ accountId: owner, region, alias: "alias/recordings" });
  const grantIds: string[] = [];
  for (const { createGrant } of wanted.flatMap((one) => recordingKmsGrants({ kmsKeyArn: keyArn, ...one }))) {
    const { GrantId } = await administrator.send(new CreateGrantCommand(createGrant));
    grantIds.push(GrantId!);
  }
  const kmsKeyAliasArn = `arn:aws:kms:${region}:${owner}:alias/recordings`;
  return { kms, administrator, worker, keyArn, kmsKeyAliasArn, grantIds };
}

describe("recordingKmsGrants", () => {
  it("names exactly what the library calls, under the organization's id", () => {
    expect(recordingKmsGrants(grant).map(({ createGrant }) => createGrant)).toEqual([
      {
        KeyId: kmsKeyArn,
        GranteePrincipal: playerRole,
        Operations: ["Encrypt", "Decrypt", "GenerateDataKeyPairWithoutPlaintext", "DescribeKey"],
        Constraints: { EncryptionContextSubset: { "genesys-cloud-organization-id": "org-1" } },
        Name: "recordings",
      },
    ]);
  });

  it("makes one for each role and each organization id", () => {
    const grants = recordingKmsGrants({
      kmsKeyArn,
      servicePrincipalArns: [playerRole, recorderRole],
      organizationIds: ["org-1", "org-2"],
      contextKeyName: "tenant",
      access: "attestations",
      retiringPrincipalArn: `arn:aws:iam::${owner}:role/key-administrator`,
      name: "recorders",
    });
    expect(
      grants.map(({ createGrant }) => [
        createGrant.GranteePrincipal,
        createGrant.Constraints.EncryptionContextSubset["tenant"],
      ]),
    ).toEqual([
      [playerRole, "org-1"],
      [playerRole, "org-2"],
      [recorderRole, "org-1"],
      [recorderRole, "org-2"],
    ]);
    expect(grants[0]?.createGrant).toEqual({
      KeyId: kmsKeyArn,
      GranteePrincipal: playerRole,
      RetiringPrincipal: `arn:aws:iam::${owner}:role/key-administrator`,
      Operations: ["Decrypt"],
      Constraints: { EncryptionContextSubset: { tenant: "org-1", "recording-keystore:purpose": "attestation" } },
      Name: "recorders",
    });
    expect(new Set(grants.map(({ terraform }) => /"(recordings_\w+)"/.exec(terraform)?.[1])).size).toBe(4);
  });

  it("gives the same call to a shell", () => {
    const [one] = recordingKmsGrants({ ...grant, retiringPrincipalArn: recorderRole });
    expect(argumentsOf(one!.command)).toEqual([
      ...["kms", "create-grant", "--region", region, "--key-id", kmsKeyArn, "--grantee-principal", playerRole],
      ...["--retiring-principal", recorderRole],
      ...["--operations", "Encrypt", "Decrypt", "GenerateDataKeyPairWithoutPlaintext", "DescribeKey"],
      ...["--constraints", '{"EncryptionContextSubset":{"genesys-cloud-organization-id":"org-1"}}'],
      ...["--name", "recordings"],
    ]);
  });

  it("gives the same grant to Terraform", () => {
    const [one] = recordingKmsGrants({ ...grant, retiringPrincipalArn: recorderRole });
    expect(one!.terraform.replace(/recordings_[0-9a-f]{12}/, "recordings_x"))
      .toBe(`resource "aws_kms_grant" "recordings_x" {
  name               = "recordings"
  key_id             = "${kmsKeyArn}"
  grantee_principal  = "${playerRole}"
  retiring_principal = "${recorderRole}"
  operations         = ["Encrypt", "Decrypt", "GenerateDataKeyPairWithoutPlaintext", "DescribeKey"]

  constraints {
    encryption_context_subset = {
      "genesys-cloud-organization-id" : "org-1"
    }
  }
}
`);
  });

  it.each([
    [{ servicePrincipalArns: undefined, serviceAccountId: service }, "servicePrincipalArns"],
    [{ servicePrincipalArns: undefined }, "servicePrincipalArns"],
    [{ serviceAccountId: service }, "servicePrincipalArns"],
    [{ servicePrincipalArns: [`arn:aws:iam::${service}:root`] }, "servicePrincipalArns.0"],
    [{ servicePrincipalArns: [playerRole.replace("aws", "aws-cn")] }, "servicePrincipalArns.0"],
    [{ kmsKeyArn: undefined }, "kmsKeyArn"],
    [{ kmsKeyArn: `arn:aws:kms:${region}:${owner}:alias/recordings` }, "kmsKeyArn"],
    [{ partition: "aws-cn" }, "partition"],
    [{ retiringPrincipalArn: "somebody" }, "retiringPrincipalArn"],
    [{ retiringPrincipalArn: playerRole.replace("aws", "aws-cn") }, "retiringPrincipalArn"],
    [{ name: "two words" }, "name"],
    [{ organizationIds: ["'; rm"] }, "organizationIds.0"],
    [{ surprise: 1 }, "surprise"],
  ])("refuses %o", (change, field) => {
    expect(() => recordingKmsGrants({ ...grant, ...change } as never)).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_INPUT", field }),
    );
  });
});

describe("revokeRecordingKmsGrant", () => {
  it("is one call, for the SDK and for a shell", () => {
    const { revokeGrant, command } = revokeRecordingKmsGrant({ kmsKeyArn, grantId: "0f".repeat(32) });
    expect(revokeGrant).toEqual({ KeyId: kmsKeyArn, GrantId: "0f".repeat(32) });
    expect(argumentsOf(command)).toEqual([
      ...["kms", "revoke-grant", "--region", region, "--key-id", kmsKeyArn, "--grant-id", "0f".repeat(32)],
    ]);
  });

  it.each([
    [{ grantId: "-x" }, "grantId"],
    [{ grantId: "a b" }, "grantId"],
    [{ kmsKeyArn: "alias/recordings" }, "kmsKeyArn"],
  ])("refuses %o", (change, field) => {
    expect(() => revokeRecordingKmsGrant({ kmsKeyArn, grantId: "1", ...change })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_INPUT", field }),
    );
  });
});

describe.each(["X25519", "RSA_2048"] as const)("an organization that gives a KMS grant, %s", (keyPairSpec) => {
  const access = { servicePrincipalArns: [playerRole], organizationIds: ["org-1"] };

  it("is served in every step of the test, DescribeKey too, until the grant is revoked", async () => {
    const { kms, administrator, worker, keyArn, kmsKeyAliasArn, grantIds } = await openedByGrants(access);
    const keyStore = worker(playerRole, {}, recordingRolePolicy());
    const report = await keyStore.test({ kmsKeyAliasArn, keyPairSpec });
    expect(report.steps.filter(({ status }) => status !== "passed")).toEqual([]);
    await keyStore.configure({ kmsKeyAliasArn, keyPairSpec });
    const before = await keyStore.encryptRecording(audio, { recordingId });
    await keyStore.rotate();
    const after = await keyStore.encryptRecording(audio, { recordingId });
    expect(after.keyPairId).not.toBe(before.keyPairId);
    const another = worker(playerRole, {}, recordingRolePolicy());
    for (const { body } of [before, after])
      expect((await another.decryptRecording(body, { recordingId })).body).toEqual(audio);

    const { revokeGrant } = revokeRecordingKmsGrant({ kmsKeyArn: keyArn, grantId: grantIds[0]! });
    await administrator.send(new RevokeGrantCommand(revokeGrant));
    another.forgetPrivateKeys();
    await expect(another.decryptRecording(after.body, { recordingId })).rejects.toMatchObject({
      code: "ERR_KMS_REFUSED",
      kind: "access-denied",
      operation: "Decrypt",
    });
    expect(await keyStore.encryptRecording(audio, { recordingId })).toMatchObject({ keyPairId: after.keyPairId });
    expect(kms.journal.count("RevokeGrant")).toBe(1);
  });

  it("leaves out other organizations, other context keys, other roles, and roles whose IAM denies", async () => {
    const { worker, kmsKeyAliasArn } = await openedByGrants(access);
    for (const keyStore of [
      worker(playerRole, { organizationId: "org-2" }),
      worker(playerRole, { contextKeyName: "tenant" }),
      worker(recorderRole),
      worker(
        playerRole,
        {},
        { Version: "2012-10-17", Statement: [{ Effect: "Deny", Action: "kms:*", Resource: "*" }] },
      ),
    ]) {
      expect(await keyStore.test({ kmsKeyAliasArn, keyPairSpec })).toMatchObject({
        ok: false,
        error: { kind: "access-denied" },
      });
    }
  });
});

it("a recorder with a grant for attestations has keys confirmed and opens nothing", async () => {
  const { worker, kmsKeyAliasArn } = await openedByGrants(
    { servicePrincipalArns: [playerRole], organizationIds: ["org-1"] },
    { servicePrincipalArns: [recorderRole], organizationIds: ["org-1"], access: "attestations" },
  );
  await worker(playerRole).configure({ kmsKeyAliasArn });
  const recorder = worker(recorderRole, { requireConfirmedKey: true });
  const { body, confirmation } = await recorder.encryptRecording(audio, { recordingId });
  expect(confirmation).toBe("confirmed");
  await expect(recorder.decryptRecording(body, { recordingId })).rejects.toMatchObject({ kind: "access-denied" });
  expect((await worker(playerRole).decryptRecording(body, { recordingId })).body).toEqual(audio);
});

it("a grant that is created twice is one", async () => {
  const { kms, administrator, keyArn, grantIds } = await openedByGrants({
    servicePrincipalArns: [playerRole],
    organizationIds: ["org-1"],
  });
  const [again] = recordingKmsGrants({ ...grant, kmsKeyArn: keyArn });
  const { GrantId } = await administrator.send(new CreateGrantCommand(again!.createGrant));
  expect(GrantId).toBe(grantIds[0]);
  expect(kms.journal.count("CreateGrant")).toBe(2);
});
