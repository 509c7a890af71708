import { inspect } from "node:util";
import { EncryptCommand, KMSClient, KMSServiceException } from "@aws-sdk/client-kms";
import { HttpResponse } from "@smithy/protocol-http";
import { describe, expect, it } from "vitest";
import { AwsKmsProvider } from "../../../src/aws.js";
import { classifyKmsFailure, kmsErrorFromAws } from "../../../src/kms/aws/failures.js";
import { kmsFailureGroup, kmsFailureKinds, type KmsFailureKind, KmsError } from "../../../src/kms/kms-error.js";
import { faultKinds } from "../../../src/in-memory-kms/fault-kinds.js";
import type { FaultKind } from "../../../src/testing/index.js";
import { awsAnswers, localFailures, type AwsAnswer } from "./aws-errors.js";
import {
  callsOf,
  inMemory,
  keyAliasArn,
  keyArn,
  mockedClient,
  organizationAccount,
  region,
  rejection,
} from "../fixtures.js";

const nameOfUnknown = (error: AwsAnswer) => `${error.name} ${error.status ?? 400} ${error.message ?? "(no text)"}`;

describe.each(awsAnswers.map(([kind, answer]) => [nameOfUnknown(answer), kind, answer] as const))(
  "%s",
  (_, kind, answer) => {
    const { name, message, status = 400 } = answer;
    const expected = { kind, operation: "Encrypt", keyId: keyAliasArn, awsErrorName: name, requestId: "request-1" };

    it(`is ${kind}, over the SDK's whole stack`, async () => {
      const body = JSON.stringify({ __type: name, ...(message === undefined ? {} : { message }) });
      const requestHandler = {
        handle: async () => ({
          response: new HttpResponse({
            statusCode: status,
            headers: { "x-amzn-requestid": "request-1", "content-type": "application/x-amz-json-1.1" },
            body: Buffer.from(body),
          }),
        }),
      };
      const client = new KMSClient({
        region,
        credentials: { accessKeyId: "AKIATEST", secretAccessKey: "test" },
        requestHandler,
        maxAttempts: 1,
      });
      const error = await rejection(
        callsOf(new AwsKmsProvider({ client }), { alias: keyAliasArn, key: keyArn }).Encrypt(),
      );
      expect(error).toMatchObject(expected);
      expectConsistent(error as KmsError);
      if (message !== undefined && !name.includes("Signature")) expect((error as KmsError).message).toContain(message);
      expect((error as KmsError).message).not.toContain("UnknownError");
    });

    it(`is ${kind}, under aws-sdk-client-mock`, async () => {
      const { client, mock } = mockedClient();
      const thrown = new KMSServiceException({
        name,
        $fault: status < 500 ? "client" : "server",
        message: message ?? "UnknownError",
        $metadata: { httpStatusCode: status, requestId: "request-1" },
      });
      mock.on(EncryptCommand).rejects(thrown);
      const error = await rejection(
        callsOf(new AwsKmsProvider({ client }), { alias: keyAliasArn, key: keyArn }).Encrypt(),
      );
      expect(error).toMatchObject(expected);
      expectConsistent(error as KmsError);
    });
  },
);

it.each(localFailures)("%s: %s", (kind, _, make) => {
  const error = kmsErrorFromAws(make(), { operation: "Decrypt", keyId: keyArn });
  expect(error.kind).toBe(kind);
  expectConsistent(error);
});

it("every kind is in the tables", () => {
  expect(new Set([...awsAnswers, ...localFailures].map(([kind]) => kind))).toEqual(new Set(kmsFailureKinds));
});

it("what KMS did not say bears no name of KMS", () => {
  for (const [kind, what, make] of localFailures) {
    if (what.includes("name") && kind !== "unexpected-answer") continue;
    const { awsErrorName } = classifyKmsFailure(make());
    expect(awsErrorName, what).toBe(what.includes("page") ? "SyntaxError" : undefined);
  }
});

const kindOfFault: Record<FaultKind, KmsFailureKind> = {
  "connection-refused": "unreachable",
  "name-not-found": "unreachable",
  "connection-reset": "unreachable",
  "connection-timeout": "timeout",
  "answer-lost": "unreachable",
  hang: "timeout",
  latency: "timeout",
  "internal-error": "service-error",
  "service-unavailable": "service-error",
  "key-unavailable": "service-error",
  "dependency-timeout": "service-error",
  "key-store-unreachable": "key-unusable",
  throttling: "throttled",
  "access-denied": "access-denied",
  "expired-credentials": "credentials",
  "invalid-credentials": "credentials",
  "missing-credentials": "credentials",
  "clock-skew": "credentials",
};

describe.each(faultKinds)("the in-memory KMS's fault %s", (fault) => {
  it.each(["DescribeKey", "Encrypt", "Decrypt", "GenerateDataKeyPairWithoutPlaintext"] as const)(
    "%s",
    async (operation) => {
      const { kms, provider, ...keys } = inMemory({
        deadline: 100,
        keyPairDeadline: kindOfFault[fault] === "timeout" ? 100 : 10_000,
      });
      const { ciphertext } = await provider.encrypt({
        keyId: keys.keyArn,
        plaintext: Buffer.from("x"),
        encryptionContext: {},
      });
      kms.faults.inject(fault, { ms: fault === "latency" ? 400 : 600_000 });
      const error = await rejection(
        callsOf(provider, { alias: keys.keyAliasArn, key: keys.keyArn, ciphertext })[operation](),
      );
      expect(error).toMatchObject({ kind: kindOfFault[fault], operation });
      expectConsistent(error as KmsError);
    },
  );
});

describe("states of the key, in the in-memory KMS", () => {
  type Scene = ReturnType<typeof inMemory>;
  it.each<[KmsFailureKind, string, (scene: Scene) => void]>([
    ["key-disabled", "disabled", ({ kms, keyArn: key }) => kms.disableKey(key)],
    ["key-pending-deletion", "pending deletion", ({ kms, keyArn: key }) => kms.scheduleKeyDeletion(key)],
    ["key-not-found", "no alias", ({ kms, keyAliasArn: alias }) => kms.deleteAlias(alias)],
    [
      "key-unsupported",
      "a key for signatures",
      ({ kms, keyAliasArn: alias }) => {
        kms.deleteAlias(alias);
        kms.createKey({
          accountId: organizationAccount,
          region,
          keySpec: "RSA_2048",
          keyUsage: "SIGN_VERIFY",
          alias: "alias/recordings",
        });
      },
    ],
  ])("%s: %s", async (kind, _, arrange) => {
    const scene = inMemory();
    arrange(scene);
    expect(
      await rejection(callsOf(scene.provider, { alias: scene.keyAliasArn, key: scene.keyArn }).Encrypt()),
    ).toMatchObject({ kind });
  });
});

describe("the cause", () => {
  const secrets = {
    token: `FwoGZXIvYXdzE${"Ab1+/".repeat(40)}==`,
    keyId: "ASIAQWERTYUIOPASDFGH",
    secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    body: Buffer.from("the private half of a key pair, in a request").toString("base64"),
  };
  const leaky = Object.assign(
    new Error(
      `The request signature does not match. Token ${secrets.token} of ${secrets.keyId}, ${secrets.secretKey}.\n\nThe Canonical String should have been\nx-amz-security-token:${secrets.token}`,
    ),
    {
      name: "UnrecognizedClientException",
      $metadata: { httpStatusCode: 400, requestId: "request-1", attempts: 3 },
      $response: { body: secrets.body, headers: { authorization: secrets.secretKey } },
      config: { credentials: { secretAccessKey: secrets.secretKey, sessionToken: secrets.token } },
      cause: Object.assign(new AggregateError([new Error(`POST / ${secrets.body}`)]), {
        code: "ECONNRESET",
        request: { body: secrets.body },
      }),
    },
  );

  it("keeps name, code, status and frames, and holds no secret", () => {
    const error = kmsErrorFromAws(leaky, { operation: "Encrypt", keyId: keyArn });
    expect(error.cause).toMatchObject({
      name: "UnrecognizedClientException",
      httpStatusCode: 400,
      requestId: "request-1",
      attempts: 3,
      cause: { code: "ECONNRESET" },
    });
    expect((error.cause as Error).stack).toMatch(/^UnrecognizedClientException: .*\n\s+at /);
    const shown =
      inspect(error, { depth: Infinity, showHidden: true, maxStringLength: Infinity }) + JSON.stringify(error);
    for (const [what, secret] of Object.entries(secrets)) expect(shown.includes(secret), what).toBe(false);
  });

  it("keeps the ARNs, addresses and words of KMS's own texts", () => {
    for (const [, { name, message = "" }] of awsAnswers) {
      const error = kmsErrorFromAws(Object.assign(new Error(message), { name }), {
        operation: "Encrypt",
        keyId: keyArn,
      });
      expect((error.cause as Error).message).toBe(message);
    }
    const dns = Object.assign(new Error("getaddrinfo ENOTFOUND kms.eu-west-1.amazonaws.com"), { code: "ENOTFOUND" });
    expect(kmsErrorFromAws(dns, { operation: "Encrypt", keyId: keyArn }).message).toContain(dns.message);
  });
});

/** Code and `retryable` follow from the kind. */
function expectConsistent(error: KmsError): void {
  const group = kmsFailureGroup(error.kind);
  expect(error).toBeInstanceOf(KmsError);
  expect(error.code).toBe(
    { unavailable: "ERR_KMS_UNAVAILABLE", refused: "ERR_KMS_REFUSED", rejected: "ERR_KMS_REJECTED" }[group],
  );
  expect(error.retryable).toBe(group !== "rejected");
  expect(error.message).toContain(error.keyId);
}
