import { KMSClient } from "@aws-sdk/client-kms";
import { describe, expect, it } from "vitest";
import { AwsKmsProvider } from "../../src/aws.js";
import { kmsErrorFromAws } from "../../src/kms/aws/failures.js";
import { diagnose, type DiagnosisContext } from "../../src/kms/diagnosis.js";
import { kmsError, kmsFailureKinds, type KmsFailureKind, type KmsError } from "../../src/kms/kms-error.js";
import { awsAnswers, type AwsAnswer } from "./aws/aws-errors.js";
import { callsOf, inMemory, keyAliasArn, keyArn, operations, rejection, serviceAccount } from "./fixtures.js";
import { renderKmsErrors } from "./render-kms-errors.js";

const context = {
  organizationId: "org-1",
  contextKeyName: "genesys-cloud-organization-id",
  serviceAccountId: serviceAccount,
};
const errorOf = (kind: KmsFailureKind, operation = "Encrypt", keyId: string | undefined = keyAliasArn) =>
  kmsError(kind, { operation, keyId, message: "what happened" });
const fromAws = ({ name, message, status = 400 }: AwsAnswer, operation = "Encrypt") =>
  kmsErrorFromAws(
    Object.assign(new Error(message ?? "UnknownError"), {
      name,
      $metadata: { httpStatusCode: status, requestId: "request-1" },
    }),
    { operation, keyId: keyAliasArn },
  );

describe.each(kmsFailureKinds)("%s", (kind) => {
  it.each(operations)("in %s: a sentence, and steps, with nothing left blank", (operation) => {
    for (const keyId of [keyAliasArn, keyArn, undefined]) {
      for (const given of [
        {},
        context,
        { organizationId: "org-1" },
        { contextKeyName: "name" },
      ] satisfies DiagnosisContext[]) {
        const { summary, whatToDo, ...rest } = diagnose(
          kmsError(kind, { operation, keyId, message: "what happened" }),
          given,
        );
        expect(rest).toEqual({ kind, detail: "what happened" });
        expect(summary).toMatch(/^[A-Z].*\.$/);
        expect(whatToDo.length).toBeGreaterThan(0);
        for (const step of whatToDo) expect(step).toMatch(/^[A-Z].*\.$/);
        expect([summary, ...whatToDo].join(" ")).not.toMatch(/undefined|null|\[object|\s\s|\{|\}/);
      }
    }
  });
});

it.each<KmsFailureKind>(["access-denied", "key-disabled", "key-pending-deletion", "key-unusable", "key-not-found"])(
  "%s names the key and its account",
  (kind) => {
    const { summary, whatToDo } = diagnose(errorOf(kind), context);
    expect(summary).toContain(keyAliasArn);
    expect(whatToDo.join(" ")).toContain("account 111122223333");
  },
);

describe("access denied", () => {
  it("names the action, the condition, the two accounts, and what KMS does not tell strangers", () => {
    const { summary, whatToDo } = diagnose(errorOf("access-denied", "Decrypt"), context);
    expect(summary).toContain("kms:Decrypt");
    expect(whatToDo[0]).toMatch(
      /key policy of account 111122223333, allow .* account 444455556666 kms:Encrypt, kms:Decrypt and kms:GenerateDataKey\*/,
    );
    expect(whatToDo[0]).toContain('StringEquals kms:EncryptionContext:genesys-cloud-organization-id = "org-1"');
    expect(whatToDo.join(" ")).toMatch(/to other accounts KMS does not tell/);
  });

  it.each<[string, string, RegExp]>([
    [
      "no identity-based policy",
      "User: x is not authorized to perform: kms:Encrypt because no identity-based policy allows the kms:Encrypt action",
      /IAM policy of the recording service's own role/,
    ],
    [
      "an explicit deny",
      "User: x is not authorized to perform: kms:Encrypt with an explicit deny in a service control policy",
      /denies explicitly/,
    ],
    [
      "another account",
      "User: x is not authorized to perform: kms:Encrypt on this resource because the resource does not exist in this Region",
      /In the key policy/,
    ],
  ])("%s comes first", (_, message, expected) => {
    expect(diagnose(fromAws({ name: "AccessDeniedException", message })).whatToDo[0]).toMatch(expected);
  });

  it("names the account and the principal that KMS names, unless the context knows better", async () => {
    const { kms, keyArn: key } = inMemory();
    const arn = `arn:aws:sts::${serviceAccount}:assumed-role/recording/session-1`;
    const { accessKeyId } = kms.addPrincipal({ arn });
    const provider = new AwsKmsProvider({ client: (asked) => new KMSClient(kms.clientConfig(asked, { accessKeyId })) });
    const error = (await rejection(callsOf(provider, { alias: key, key }).Encrypt())) as KmsError;
    const { whatToDo } = diagnose(error, { organizationId: "org-1" });
    expect(whatToDo[0]).toContain(`allow the recording service's AWS account ${serviceAccount} kms:Encrypt`);
    expect(whatToDo[0]).toMatch(/recordingKeyStatements.*checkKeyPolicy/);
    expect(whatToDo.join(" ")).toContain(`IAM policy of the recording service's own ${arn} allows kms:Encrypt`);
    expect(diagnose(error, { serviceAccountId: "999999999999" }).whatToDo[0]).toContain("AWS account 999999999999");
  });

  it("of DescribeKey needs nothing done", () => {
    const { whatToDo } = diagnose(errorOf("access-denied", "DescribeKey"), context);
    expect(whatToDo.join(" ")).toMatch(/statement of its own, without a condition.*Otherwise do nothing/);
  });
});

it.each<[KmsFailureKind, RegExp]>([
  ["key-unsupported", /custom key store choose key pairs of the spec X25519/],
  ["throttled", /RSA key pairs have small quotas/],
])("%s of a key pair says what is special about RSA pairs", (kind, expected) => {
  expect(diagnose(errorOf(kind, "GenerateDataKeyPairWithoutPlaintext")).whatToDo.join(" ")).toMatch(expected);
});

it("a clock that is off comes first when KMS says so", () => {
  const late = {
    name: "InvalidSignatureException",
    message: "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z",
  };
  expect(diagnose(fromAws(late)).whatToDo[0]).toMatch(/clock of the host/);
  expect(diagnose(fromAws({ name: "UnrecognizedClientException" })).whatToDo[0]).toMatch(/role or credentials/);
});

it.each(awsAnswers.map(([kind, answer]) => [answer.name, kind, answer] as const))(
  "KMS's own words are shown: %s (%s)",
  (name, kind, answer) => {
    const diagnosis = diagnose(fromAws(answer));
    expect(diagnosis).toMatchObject({ kind, awsErrorName: name, awsRequestId: "request-1" });
    expect(diagnosis.awsMessage).toBe(answer.message);
  },
);

it("over the SDK too", async () => {
  const { kms, provider, keyAliasArn: alias, keyArn: key } = inMemory();
  kms.disableKey(key);
  const error = await rejection(callsOf(provider, { alias, key }).Encrypt());
  expect(diagnose(error as never)).toMatchObject({
    kind: "key-disabled",
    summary: `The KMS key behind ${alias} is disabled.`,
    awsErrorName: "DisabledException",
    awsMessage: `${key} is disabled.`,
    awsRequestId: expect.any(String),
  });
});

it("a diagnosis is plain data", () => {
  const diagnosis = diagnose(fromAws(awsAnswers[0]![1]), context);
  expect(JSON.parse(JSON.stringify(diagnosis))).toEqual(diagnosis);
});

it("docs/kms-errors.md says what the code says (`vitest run test/kms/diagnosis.test.ts -u` writes it)", async () => {
  await expect(renderKmsErrors()).toMatchFileSnapshot("../../docs/kms-errors.md");
});
