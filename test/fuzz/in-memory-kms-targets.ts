import { parsePrincipals } from "../../src/cli/principals-file.js";
import { InMemoryKms } from "../../src/testing/index.js";
import { mutateBytes } from "./byte-mutations.js";
import { promise, type FuzzTarget } from "./fuzzer.js";
import { mutateJson } from "./json-mutations.js";
import type { Random } from "./random.js";

const policy = JSON.stringify({
  Version: "2012-10-17",
  Statement: [
    {
      Sid: "all",
      Effect: "Allow",
      Principal: { AWS: "arn:aws:iam::000000000000:root" },
      Action: "kms:*",
      Resource: "*",
    },
    {
      Effect: "Deny",
      NotPrincipal: { AWS: ["arn:aws:iam::000000000000:user/a"] },
      NotAction: ["kms:D*"],
      Resource: "*",
      Condition: {
        "ForAllValues:StringLike": { "kms:EncryptionContextKeys": ["a*", "b?"] },
        Bool: { "kms:BypassPolicyLockoutSafetyCheck": "true" },
      },
    },
  ],
});
const KeyId = "alias/fuzz";
const EncryptionContext = { "organization-id": "org-1", purpose: "test" };
/** Placeholder for a ciphertext of the KMS, which differs in every run. */
const ciphertextMark = "Q0lQSEVSVEVYVA==";

const calls: readonly (readonly [operation: string, body: object])[] = [
  [
    "Encrypt",
    {
      KeyId,
      Plaintext: "AAECAw==",
      EncryptionContext,
      EncryptionAlgorithm: "SYMMETRIC_DEFAULT",
      GrantTokens: ["token"],
    },
  ],
  ["Decrypt", { KeyId, CiphertextBlob: ciphertextMark, EncryptionContext, DryRun: false }],
  [
    "ReEncrypt",
    {
      CiphertextBlob: ciphertextMark,
      SourceEncryptionContext: EncryptionContext,
      DestinationKeyId: KeyId,
      DestinationEncryptionContext: {},
    },
  ],
  ["GenerateDataKey", { KeyId, KeySpec: "AES_256", EncryptionContext }],
  ["GenerateDataKeyWithoutPlaintext", { KeyId, NumberOfBytes: 64 }],
  ["GenerateDataKeyPair", { KeyId, KeyPairSpec: "ECC_NIST_P256", EncryptionContext }],
  ["GenerateRandom", { NumberOfBytes: 32 }],
  [
    "CreateKey",
    {
      Policy: policy,
      Description: "d",
      KeyUsage: "ENCRYPT_DECRYPT",
      KeySpec: "SYMMETRIC_DEFAULT",
      MultiRegion: true,
      Tags: [{ TagKey: "a", TagValue: "b" }],
    },
  ],
  ["CreateAlias", { AliasName: "alias/other", TargetKeyId: KeyId }],
  ["PutKeyPolicy", { KeyId, PolicyName: "default", Policy: policy, BypassPolicyLockoutSafetyCheck: true }],
  [
    "CreateGrant",
    {
      KeyId,
      GranteePrincipal: "arn:aws:iam::000000000000:user/a",
      Operations: ["Decrypt", "Encrypt"],
      Constraints: { EncryptionContextSubset: { a: "b" } },
      Name: "n",
    },
  ],
  ["ListGrants", { KeyId, Limit: 5, Marker: "m" }],
  ["TagResource", { KeyId, Tags: [{ TagKey: "a", TagValue: "b" }] }],
  ["ScheduleKeyDeletion", { KeyId, PendingWindowInDays: 7 }],
  ["ReplicateKey", { KeyId, ReplicaRegion: "eu-west-1", Policy: policy }],
  ["RotateKeyOnDemand", { KeyId }],
  ["ListAliases", { Limit: 1 }],
  ["DescribeKey", { KeyId }],
];

const authorization = `AWS4-HMAC-SHA256 Credential=AKIAFUZZ/20260101/us-east-1/kms/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=${"0".repeat(64)}`;

/** A request as text: operation, authorization and body. */
function mutateRequest(random: Random): Buffer {
  const [operation, body] = random.pick(calls);
  const json = random.chance(0.9)
    ? mutateJson(JSON.stringify(body), random)
    : mutateBytes(Buffer.from(JSON.stringify(body)), random);
  const odd = (text: string) =>
    random.chance(0.03) ? mutateBytes(Buffer.from(text), random).toString("latin1").replaceAll("\0", "") : text;
  // Sometimes changes a policy inside its text.
  const text = random.chance(0.3)
    ? json
        .toString("utf8")
        .replace(JSON.stringify(policy), () => JSON.stringify(mutateJson(policy, random).toString("utf8")))
    : json;
  return Buffer.concat([Buffer.from(`${odd(operation)}\0${odd(authorization)}\0`, "latin1"), Buffer.from(text)]);
}

type Ask = (
  operation: string,
  signature: string,
  body: Uint8Array,
) => Promise<[status: number, json: Record<string, unknown>]>;

function newKms(): Ask {
  const kms = new InMemoryKms();
  kms.createKey({ accountId: "000000000000", region: "us-east-1", alias: KeyId });
  return async (operation, signature, body) => {
    const answer = await kms.handle({
      method: "POST",
      headers: { "x-amz-target": `TrentService.${operation}`, authorization: signature },
      body,
    });
    if (answer.type !== "response") throw new Error(`a ${answer.type} that nobody asked for`);
    const text = Buffer.from(answer.response.body).toString();
    return [answer.response.statusCode, (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>];
  };
}

export const inMemoryKmsTargets: readonly FuzzTarget[] = [
  {
    name: "in-memory KMS, wire request",
    input: mutateRequest,
    async run(input) {
      const ask = newKms();
      const [operation = "", signature = ""] = input.toString("latin1").split("\0", 2);
      const [, { CiphertextBlob }] = await ask(
        "Encrypt",
        authorization,
        Buffer.from(JSON.stringify({ KeyId, Plaintext: "AAECAw==", EncryptionContext })),
      );
      const json = input
        .subarray(operation.length + signature.length + 2)
        .toString("latin1")
        .replace(ciphertextMark, String(CiphertextBlob));
      const [status, body] = await ask(operation, signature, Buffer.from(json, "latin1"));
      promise(
        status === 200 || (status === 400 && typeof body["__type"] === "string" && body["__type"] !== ""),
        `answers ${status} ${String(body["__type"])}`,
      );
      if (operation === "Decrypt" && status === 200)
        promise(body["Plaintext"] === "AAECAw==" || json.includes('"DryRun"'), "another plaintext");
      return status === 200;
    },
  },
  {
    name: "CLI principals file",
    input: (random) =>
      mutateJson(
        JSON.stringify({
          principals: [
            {
              accessKeyId: "AKIAONE",
              arn: "arn:aws:iam::111122223333:user/a",
              identityPolicy: JSON.parse(policy) as object,
            },
            { accessKeyId: "AKIATWO", arn: "arn:aws:sts::111122223333:assumed-role/r/s" },
          ],
        }),
        random,
      ),
    run(input) {
      let principals;
      try {
        principals = parsePrincipals(input.toString("utf8"));
      } catch (error) {
        promise(
          error instanceof Error &&
            !(error instanceof RangeError) &&
            error.message !== "" &&
            !/undefined|\[object/.test(error.message),
          `says ${String(error)}`,
        );
        return false;
      }
      new InMemoryKms({ principals });
      return true;
    },
  },
];
