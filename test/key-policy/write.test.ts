import { PutKeyPolicyCommand } from "@aws-sdk/client-kms";
import { describe, expect, it } from "vitest";
import type { TestReport } from "../../src/administration.js";
import {
  checkKeyPolicy,
  recordingKeyPolicy,
  recordingKeyStatements,
  recordingRolePolicy,
  type RecordingKeyGrant,
  type RecordingKeyPolicyOptions,
} from "../../src/key-policy/index.js";
import { onboarding, owner, playerRole, recorderRole, region, service } from "./onboarding.js";

const grant: RecordingKeyGrant = { serviceAccountId: service, organizationIds: ["org-1"] };
const audio = Buffer.from("a call");
const recordingId = "call-1";

/** An organization's key under a policy. */
function world(policy: object) {
  const { kms, administrator, worker } = onboarding();
  const keyArn = kms.createKey({ accountId: owner, region, alias: "alias/recordings" });
  kms.putKeyPolicy(keyArn, policy);
  return { keyArn, kmsKeyAliasArn: keyArn.replace(/key\/.*/, "alias/recordings"), worker, administrator };
}

/** Outcome of each step of a test. */
const statusOf = (report: TestReport | undefined) =>
  Object.fromEntries(report!.steps.map(({ name, status }) => [name, status]));

it("writes the cryptographic actions under the condition, and DescribeKey without", () => {
  expect(recordingKeyStatements(grant)).toEqual([
    {
      Sid: "Recordings",
      Effect: "Allow",
      Principal: { AWS: `arn:aws:iam::${service}:root` },
      Action: ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*"],
      Resource: "*",
      Condition: { StringEquals: { "kms:EncryptionContext:genesys-cloud-organization-id": "org-1" } },
    },
    {
      Sid: "RecordingsDescribeKey",
      Effect: "Allow",
      Principal: { AWS: `arn:aws:iam::${service}:root` },
      Action: "kms:DescribeKey",
      Resource: "*",
    },
  ]);
});

it("takes several principals and ids, another context key and partition", () => {
  const servicePrincipalArns = [recorderRole, playerRole].map((arn) => arn.replace("arn:aws:", "arn:aws-cn:"));
  const [statement] = recordingKeyStatements({
    servicePrincipalArns,
    organizationIds: ["org-1", "org-2"],
    contextKeyName: "tenant",
    partition: "aws-cn",
  });
  expect(statement).toMatchObject({
    Principal: { AWS: servicePrincipalArns },
    Condition: { StringEquals: { "kms:EncryptionContext:tenant": ["org-1", "org-2"] } },
  });
  expect(
    recordingKeyPolicy({ accountId: owner, partition: "aws-cn", grants: [grant] }).Statement.map(
      ({ Principal }) => Principal.AWS,
    ),
  ).toEqual([`arn:aws-cn:iam::${owner}:root`, `arn:aws-cn:iam::${service}:root`, `arn:aws-cn:iam::${service}:root`]);
});

it("a whole policy leaves the owner in charge, and passes the lockout check of KMS", async () => {
  const policy = recordingKeyPolicy({ accountId: owner, grants: [grant, { ...grant, organizationIds: ["org-2"] }] });
  expect(policy.Statement.map(({ Sid }) => Sid)).toEqual([
    "EnableIAMUserPermissions",
    "Recordings",
    "RecordingsDescribeKey",
    "Recordings2",
    "RecordingsDescribeKey2",
  ]);
  const { keyArn, administrator } = world(policy);
  const put = () =>
    administrator.send(
      new PutKeyPolicyCommand({ KeyId: keyArn, PolicyName: "default", Policy: JSON.stringify(policy) }),
    );
  await put();
  await put();
});

describe.each(["X25519", "RSA_2048"] as const)("under the policy that the library writes, %s", (keyPairSpec) => {
  it("an organization is served in every step of the test", async () => {
    const { worker, kmsKeyAliasArn } = world(recordingKeyPolicy({ accountId: owner, grants: [grant] }));
    const keyStore = worker();
    const { report } = await keyStore.configure({ kmsKeyAliasArn, keyPairSpec });
    expect([...new Set(Object.values(statusOf(report)))]).toEqual(["passed"]);
    const { body } = await keyStore.encryptRecording(audio, { recordingId });
    await keyStore.rotate();
    expect((await worker().decryptRecording(body, { recordingId })).body).toEqual(audio);
  });

  it("another organization and another account are denied", async () => {
    const { worker, kmsKeyAliasArn } = world(recordingKeyPolicy({ accountId: owner, grants: [grant] }));
    for (const keyStore of [
      worker(undefined, { organizationId: "org-2" }),
      worker("arn:aws:iam::999999999999:role/recording"),
    ]) {
      expect(await keyStore.test({ kmsKeyAliasArn, keyPairSpec })).toMatchObject({
        ok: false,
        error: { kind: "access-denied" },
      });
    }
    const tenant = worker(undefined, { contextKeyName: "tenant" });
    expect(await tenant.test({ kmsKeyAliasArn, keyPairSpec })).toMatchObject({
      ok: false,
      error: { kind: "access-denied" },
    });
  });
});

it("an organization with the reference policy is served, though its key's type is unknown", async () => {
  const [statement] = recordingKeyStatements(grant);
  const Action = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"];
  const [account] = recordingKeyPolicy({ accountId: owner, grants: [grant] }).Statement;
  const policy = { Version: "2012-10-17", Statement: [account, { ...statement, Action }] };
  const { worker, kmsKeyAliasArn } = world(policy);
  const keyStore = worker();
  expect(await keyStore.test({ kmsKeyAliasArn })).toMatchObject({ ok: true });
  const { report } = await keyStore.configure({ kmsKeyAliasArn });
  expect(statusOf(report)).toMatchObject({
    "describe-key": "unknown",
    "unwrap-private-key": "passed",
    "confirm-public-key": "passed",
  });
  const { body } = await keyStore.encryptRecording(audio, { recordingId });
  expect((await keyStore.decryptRecording(body, { recordingId })).body).toEqual(audio);
  expect(checkKeyPolicy(policy, grant)).toMatchObject({ ok: true, findings: [{ code: "DESCRIBE_KEY_DENIED" }] });
});

describe("a recorder that may only have attestations decrypted", () => {
  const ways: [name: string, policy: object, identityPolicy: object | undefined][] = [
    [
      "by the organization's key policy",
      recordingKeyPolicy({
        accountId: owner,
        grants: [
          { servicePrincipalArns: [playerRole], organizationIds: ["org-1"] },
          { servicePrincipalArns: [recorderRole], organizationIds: ["org-1"], access: "attestations" },
        ],
      }),
      undefined,
    ],
    [
      "by the IAM policy of its own role",
      recordingKeyPolicy({ accountId: owner, grants: [grant] }),
      recordingRolePolicy({ access: "attestations" }),
    ],
  ];
  it.each(ways)("%s", async (_, policy, identityPolicy) => {
    const { worker, kmsKeyAliasArn } = world(policy);
    const player = worker(playerRole, {}, recordingRolePolicy());
    await player.configure({ kmsKeyAliasArn });
    const recorder = worker(recorderRole, { requireConfirmedKey: true }, identityPolicy);
    const recorded = await recorder.encryptRecording(audio, { recordingId });
    expect(recorded).toMatchObject({ confirmation: "confirmed", usedLastKnownKey: false });
    expect(await recorder.confirm()).toMatchObject({ confirmation: "confirmed", usedLastKnownKey: false });
    await expect(recorder.decryptRecording(recorded.body, { recordingId })).rejects.toMatchObject({
      code: "ERR_KMS_REFUSED",
      kind: "access-denied",
      operation: "Decrypt",
    });
    await expect(recorder.rotate()).rejects.toMatchObject({ code: "ERR_KMS_REFUSED", kind: "access-denied" });
    expect((await player.decryptRecording(recorded.body, { recordingId })).body).toEqual(audio);
  });

  it("the policy of a role that opens recordings allows no other key", async () => {
    const { worker, kmsKeyAliasArn, keyArn } = world(recordingKeyPolicy({ accountId: owner, grants: [grant] }));
    expect(
      await worker(playerRole, {}, recordingRolePolicy({ kmsKeyArns: [keyArn] })).test({ kmsKeyAliasArn }),
    ).toMatchObject({ ok: true });
    expect(
      await worker(
        recorderRole,
        {},
        recordingRolePolicy({ kmsKeyArns: [keyArn.replace(owner, "*").replace(/.$/, "?x")] }),
      ).test({ kmsKeyAliasArn }),
    ).toMatchObject({ ok: false });
  });
});

describe("bad input", () => {
  const grants: [Partial<Record<keyof RecordingKeyGrant, unknown>>, field: string][] = [
    [{ serviceAccountId: "4444" }, "serviceAccountId"],
    [{ serviceAccountId: undefined }, "serviceAccountId"],
    [{ servicePrincipalArns: [recorderRole] }, "serviceAccountId"],
    [{ serviceAccountId: undefined, servicePrincipalArns: [] }, "servicePrincipalArns"],
    [
      { serviceAccountId: undefined, servicePrincipalArns: [`arn:aws:iam::${service}:role/*`] },
      "servicePrincipalArns.0",
    ],
    [{ serviceAccountId: undefined, servicePrincipalArns: [recorderRole, recorderRole] }, "servicePrincipalArns"],
    [
      { serviceAccountId: undefined, servicePrincipalArns: [recorderRole], partition: "aws-cn" },
      "servicePrincipalArns.0",
    ],
    [{ organizationIds: [] }, "organizationIds"],
    [{ organizationIds: ["org-*"] }, "organizationIds.0"],
    [{ organizationIds: ["org-1", "${aws:PrincipalTag/x}"] }, "organizationIds.1"],
    [{ organizationIds: ["org-1", "org-1"] }, "organizationIds"],
    [{ contextKeyName: "aws:x" }, "contextKeyName"],
    [{ access: "everything" }, "access"],
    [{ partition: "azure" }, "partition"],
    [{ surprise: 1 } as object, "surprise"],
  ];
  it.each(grants)("is refused: %o names %s", (change, field) => {
    const given = { ...grant, ...change } as RecordingKeyGrant;
    for (const call of [
      () => recordingKeyStatements(given),
      () => checkKeyPolicy("{}", given),
      () => recordingKeyPolicy({ accountId: owner, grants: [given] }),
    ]) {
      expect(call).toThrow(expect.objectContaining({ code: "ERR_INVALID_INPUT", field }));
    }
  });

  it.each([
    [{ accountId: "1" }, "accountId"],
    [{ accountId: owner, grants: [] }, "grants"],
    [{ accountId: owner, grants: [null] }, "grants.0"],
    [
      {
        accountId: owner,
        grants: [
          {
            ...grant,
            organizationIds: Array.from({ length: 1_000 }, (_, index) => `organization-${"x".repeat(20)}-${index}`),
          },
        ],
      },
      "grants",
    ],
  ])("is refused in a policy: %o names %s", (options, field) => {
    expect(() => recordingKeyPolicy({ grants: [grant], ...options } as RecordingKeyPolicyOptions)).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_INPUT", field }),
    );
  });

  it("is refused for a role policy by alias, since IAM knows no aliases", () => {
    expect(() => recordingRolePolicy({ kmsKeyArns: [`arn:aws:kms:${region}:${owner}:alias/recordings`] })).toThrow(
      expect.objectContaining({ field: "kmsKeyArns.0" }),
    );
  });
});
