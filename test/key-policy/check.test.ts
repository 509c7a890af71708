import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contextOf } from "../../src/key-policy/calls.js";
import { wildcard } from "../../src/key-policy/language/wildcard.js";
import { InMemoryKms } from "../../src/testing/index.js";
import {
  checkKeyPolicy,
  keyPolicyFindingCodes,
  recordingKeyPolicy,
  recordingKeyStatements,
  type KeyPolicyCheckOptions,
  type KeyPolicyFindingCode,
} from "../../src/key-policy/index.js";

const owner = "111122223333";
const service = "444455556666";
const organizationKey = "kms:EncryptionContext:genesys-cloud-organization-id";
const role = `arn:aws:iam::${service}:role/recording`;
const options: KeyPolicyCheckOptions = { serviceAccountId: service, organizationIds: ["org-1"] };
const account = {
  Sid: "Owner",
  Effect: "Allow",
  Principal: { AWS: `arn:aws:iam::${owner}:root` },
  Action: "kms:*",
  Resource: "*",
};
const [recordings, describeKey] = recordingKeyStatements(options);
const policyOf = (...Statement: unknown[]) => ({ Version: "2012-10-17", Statement });
/** The library's policy with one statement changed. */
const but = (change: object) => policyOf(account, { ...recordings, ...change }, describeKey);
const under = (Condition: object) => but({ Condition });
const pasted = (Condition: object = { StringEquals: { [organizationKey]: "org-1" } }) =>
  policyOf(account, {
    ...recordings,
    Action: ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"],
    Condition,
  });

type Expected = [code: KeyPolicyFindingCode, statement?: number | undefined, text?: RegExp];
interface Case {
  name: string;
  policy: string | object;
  with?: Partial<KeyPolicyCheckOptions>;
  findings: Expected[];
}

const doubts = (text: RegExp): Expected[] => [["CANNOT_TELL", 2, text]];

const cases: Case[] = [
  {
    name: "what the library writes",
    policy: recordingKeyPolicy({ accountId: owner, grants: [options] }),
    with: { accountId: owner, keyPairSpec: "RSA_4096" },
    findings: [],
  },
  {
    name: "the same as text",
    policy: JSON.stringify(recordingKeyPolicy({ accountId: owner, grants: [options] }), undefined, 2),
    findings: [],
  },
  { name: "the account by its number", policy: but({ Principal: { AWS: service } }), findings: [] },
  { name: "several ids", policy: under({ StringEquals: { [organizationKey]: ["org-0", "org-1"] } }), findings: [] },
  {
    name: "condition keys and actions in other letter case",
    policy: but({
      Action: ["KMS:encrypt", "kms:DECRYPT", "kms:generatedatakey*"],
      Condition: { StringEquals: { "KMS:encryptioncontext:GENESYS-cloud-organization-ID": "org-1" } },
    }),
    findings: [],
  },
  {
    name: "a context key of one's own, in another letter case",
    policy: under({ StringEquals: { "kms:EncryptionContext:tenantid": "org-1" } }),
    with: { contextKeyName: "TenantId" },
    findings: [],
  },
  {
    name: "a Deny of whatever does not carry the id",
    policy: policyOf(account, { ...recordings, Condition: undefined }, describeKey, {
      Effect: "Deny",
      Principal: "*",
      Action: ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*"],
      Resource: "*",
      Condition: { StringNotEquals: { [organizationKey]: "org-1" } },
    }),
    findings: [],
  },
  {
    name: "the reference policy as it stands",
    policy: pasted(),
    findings: [["DESCRIBE_KEY_DENIED", undefined, /carries no encryption context/]],
  },
  {
    name: "no DescribeKey at all",
    policy: policyOf(account, recordings),
    findings: [["DESCRIBE_KEY_DENIED", undefined, /is denied\. Recordings/]],
  },

  { name: "no JSON", policy: '{ "Version": ', findings: [["POLICY_MALFORMED", undefined, /Syntax errors.*JSON/]] },
  {
    name: "quotes of a word processor",
    policy: "{ “Version”: 1 }",
    findings: [["POLICY_MALFORMED", undefined, /U\+201C in line 1, .* typographic quotes/]],
  },
  {
    name: "a space that nobody sees",
    policy: JSON.stringify(under({ StringEquals: { [organizationKey]: "org-1\u200b" } }), undefined, 2),
    findings: [["POLICY_MALFORMED", undefined, /U\+200B in line 2\d/]],
  },
  {
    name: "a character that KMS does not take",
    policy: but({ Sid: "Aufnahmen für \u{1f399}" }),
    findings: [["POLICY_MALFORMED", undefined, /U\+1F399/]],
  },
  {
    name: "the same, escaped",
    policy: JSON.stringify(but({ Sid: "x" })).replace('"x"', '"\\ud83c\\udf99 ü"'),
    findings: [],
  },
  {
    name: "statements without their policy",
    policy: recordingKeyStatements(options),
    findings: [["POLICY_MALFORMED", undefined, /policy must be an object/]],
  },
  { name: "no Effect", policy: but({ Effect: undefined }), findings: [["POLICY_MALFORMED", undefined, /Effect/]] },
  {
    name: "an operator that does not exist",
    policy: under({ StringEqual: { [organizationKey]: "org-1" } }),
    findings: [["POLICY_MALFORMED", undefined, /StringEqual\./]],
  },
  {
    name: "the context as an object",
    policy: under({ StringEquals: { "kms:EncryptionContext": { "genesys-cloud-organization-id": "org-1" } } }),
    findings: [["POLICY_MALFORMED"]],
  },
  { name: "a Sid that is no text", policy: but({ Sid: 1 }), findings: [["POLICY_MALFORMED", undefined, /Sid/]] },
  {
    name: "a service principal that is no text",
    policy: but({ Principal: { AWS: service, Service: [["s3.amazonaws.com"]] } }),
    findings: [["POLICY_MALFORMED", undefined, /Principal/]],
  },
  {
    name: "depths of nothing",
    policy: JSON.stringify(but({ Sid: "x" })).replace('"x"', `${"[".repeat(15_000)}${"]".repeat(15_000)}`),
    findings: [["POLICY_MALFORMED"]],
  },
  {
    name: "a wildcard within a principal",
    policy: but({ Principal: { AWS: `arn:aws:iam::${service}:role/*` } }),
    findings: [["POLICY_MALFORMED", undefined, /invalid principals/]],
  },
  {
    name: "an account with a digit too few",
    policy: but({ Principal: { AWS: "44445555666" } }),
    findings: [["POLICY_MALFORMED", undefined, /invalid principals/]],
  },
  {
    name: "too large",
    policy: but({ Sid: "x".repeat(33_000) }),
    findings: [["POLICY_TOO_LARGE", undefined, /takes 33\d\d\d bytes/]],
  },

  { name: "nobody but the owner", policy: policyOf(account), findings: [["SERVICE_NOT_ALLOWED"]] },
  {
    name: "another service's statement on its own context",
    policy: policyOf(account, {
      ...recordings,
      Principal: { AWS: "999999999999" },
      Condition: { StringEquals: { "kms:EncryptionContext:tenant": "t" } },
    }),
    findings: [["SERVICE_NOT_ALLOWED"]],
  },
  {
    name: "another account in one of the statements",
    policy: but({ Principal: { AWS: "444455556667" } }),
    findings: [["ACTION_MISSING", 3]],
  },
  {
    name: "another account throughout",
    policy: policyOf(account, { ...recordings, Principal: { AWS: "444455556667" } }),
    findings: [["PRINCIPAL_WRONG", 2, /444455556667/]],
  },
  {
    name: "a service principal",
    policy: policyOf(account, { ...recordings, Principal: { Service: "connect.amazonaws.com" } }),
    findings: [["PRINCIPAL_WRONG", 2, /no AWS account/]],
  },
  {
    name: "an action is missing",
    policy: but({ Action: ["kms:Encrypt", "kms:GenerateDataKey*"] }),
    findings: [["ACTION_MISSING", 2, /kms:Decrypt/]],
  },
  {
    name: "NotAction leaves it out",
    policy: but({ Action: undefined, NotAction: "kms:dec*" }),
    findings: [["ACTION_MISSING", 2, /kms:Decrypt/]],
  },
  {
    name: "GenerateDataKey without its star, and X25519",
    policy: but({ Action: ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"] }),
    findings: [["RSA_KEY_PAIRS_DENIED"]],
  },
  {
    name: "GenerateDataKey without its star, and RSA",
    policy: but({ Action: ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"] }),
    with: { keyPairSpec: "RSA_3072" },
    findings: [["ACTION_MISSING", 2, /kms:GenerateDataKeyPairWithoutPlaintext/]],
  },
  {
    name: "no Resource",
    policy: but({ Resource: undefined }),
    findings: [["ELEMENT_MISSING", 2, /no Resource and therefore no effect/]],
  },
  {
    name: "no Action",
    policy: policyOf(account, { ...recordings, Action: undefined }, describeKey),
    findings: [["ELEMENT_MISSING", 2, /no Action and/]],
  },
  {
    name: "two Conditions",
    policy: JSON.stringify(but({})).replace(
      '"Condition":',
      '"Condition":{"Bool":{"aws:SecureTransport":"true"}},"Condition":',
    ),
    findings: [["MEMBER_TWICE", undefined, /^Condition stands twice/]],
  },
  {
    name: "two lines under one operator, by repeating it",
    policy: JSON.stringify(under({ StringEquals: { "kms:CallerAccount": service } })).replace(
      '"StringEquals":',
      '"StringEquals":{"kms:EncryptionContext:genesys-cloud-organization-id":"org-1"},"StringEquals":',
    ),
    findings: [
      ["MEMBER_TWICE", undefined, /^StringEquals/],
      ["NOT_BOUND_TO_ORGANIZATION", 2],
    ],
  },
  {
    name: "escapes in names, and names among values",
    policy: JSON.stringify(but({})).replace('"Sid":"Recordings"', '"S\\u0069d":"a \\"Sid\\": b"'),
    findings: [],
  },
  {
    name: "an alias as Resource",
    policy: but({ Resource: `arn:aws:kms:eu-west-1:${owner}:alias/recordings` }),
    findings: [["RESOURCE_WRONG", 2, /never by an alias/]],
  },
  {
    name: "another key as Resource",
    policy: but({ Resource: `arn:aws:kms:eu-west-1:${owner}:key/1` }),
    with: { kmsKeyArn: `arn:aws:kms:eu-west-1:${owner}:key/2` },
    findings: [["RESOURCE_WRONG", 2]],
  },
  {
    name: "this key as Resource",
    policy: but({ Resource: `arn:aws:kms:eu-west-1:${owner}:key/2` }),
    with: { kmsKeyArn: `arn:aws:kms:eu-west-1:${owner}:key/2` },
    findings: [],
  },
  {
    name: "a key as Resource, and nobody told which key it is",
    policy: but({ Resource: `arn:aws:kms:eu-west-1:${owner}:key/2` }),
    findings: [["CANNOT_TELL", 2, /the Resource arn/]],
  },

  {
    name: "the context key misspelt",
    policy: under({ StringEquals: { "kms:EncryptionContext:genesys-cloud-organisation-id": "org-1" } }),
    findings: [["CONTEXT_KEY_WRONG", 2, /asks for genesys-cloud-organisation-id/]],
  },
  {
    name: "no prefix",
    policy: under({ StringEquals: { "genesys-cloud-organization-id": "org-1" } }),
    findings: [["CONTEXT_KEY_WRONG", 2, /there is no condition key/]],
  },
  {
    name: "a slash for the colon",
    policy: under({ StringEquals: { "kms:EncryptionContext/genesys-cloud-organization-id": "org-1" } }),
    findings: [["CONTEXT_KEY_WRONG", 2, /there is no condition key/]],
  },
  {
    name: "no other context keys allowed",
    policy: under({
      StringEquals: { [organizationKey]: "org-1" },
      "ForAllValues:StringEquals": { "kms:EncryptionContextKeys": "genesys-cloud-organization-id" },
    }),
    findings: [["CONTEXT_KEY_WRONG", 2, /recording-keystore:birth-record/]],
  },
  {
    name: "all context keys named",
    policy: under({
      StringEquals: { [organizationKey]: "org-1" },
      "ForAllValues:StringLike": {
        "kms:EncryptionContextKeys": ["genesys-cloud-organization-id", "recording-keystore:*"],
      },
    }),
    findings: [],
  },
  {
    name: "another organization",
    policy: under({ StringEquals: { [organizationKey]: "org-2" } }),
    findings: [["ORGANIZATION_ID_WRONG", 2, /"org-2".*"org-1"/]],
  },
  {
    name: "one of two organizations",
    policy: recordingKeyPolicy({ accountId: owner, grants: [options] }),
    with: { organizationIds: ["org-1", "org-2"] },
    findings: [["ORGANIZATION_ID_WRONG", 2, /id is "org-2"/]],
  },
  {
    name: "the id in other letter case",
    policy: under({ StringEquals: { [organizationKey]: "ORG-1" } }),
    findings: [["ORGANIZATION_ID_WRONG", 2, /upper and lower case/]],
  },
  {
    name: "the id with a space",
    policy: under({ StringEquals: { [organizationKey]: "org-1 " } }),
    findings: [["ORGANIZATION_ID_WRONG", 2, /space too many/]],
  },
  {
    name: "ids in one text",
    policy: under({ StringEquals: { [organizationKey]: "org-0, org-1" } }),
    findings: [["ORGANIZATION_ID_WRONG", 2, /quotes of its own/]],
  },
  {
    name: "a negated operator",
    policy: under({ StringNotEquals: { [organizationKey]: "org-1" } }),
    findings: [
      ["OPERATOR_WRONG", 2],
      ["NOT_BOUND_TO_ORGANIZATION", 2],
    ],
  },
  {
    name: "Null",
    policy: under({ Null: { [organizationKey]: "true" } }),
    findings: [
      ["OPERATOR_WRONG", 2],
      ["NOT_BOUND_TO_ORGANIZATION", 2],
    ],
  },
  {
    name: "numbers",
    policy: under({ NumericEquals: { [organizationKey]: "org-1" } }),
    findings: [["OPERATOR_WRONG", 2]],
  },
  {
    name: "StringEquals with a wildcard",
    policy: under({ StringEquals: { [organizationKey]: "org-*" } }),
    findings: [["OPERATOR_WRONG", 2, /wildcard/]],
  },
  {
    name: "attestations only",
    policy: recordingKeyPolicy({ accountId: owner, grants: [{ ...options, access: "attestations" }] }),
    findings: [
      ["ACTION_MISSING", 2],
      ["PURPOSE_EXCLUDED", 2],
    ],
  },
  {
    name: "through another AWS service",
    policy: under({ StringEquals: { [organizationKey]: "org-1", "kms:ViaService": "s3.eu-west-1.amazonaws.com" } }),
    findings: [["CONDITION_FAILS", 2, /calls KMS itself/]],
  },
  {
    name: "through an alias only",
    policy: under({ StringEquals: { [organizationKey]: "org-1", "kms:RequestAlias": "alias/recordings" } }),
    findings: [
      ["CONDITION_FAILS", 2, /by its ARN/],
      ["CANNOT_TELL", 2, /kms:RequestAlias/],
    ],
  },
  {
    name: "another account by condition",
    policy: but({
      Principal: "*",
      Condition: { StringEquals: { [organizationKey]: "org-1", "kms:CallerAccount": "999999999999" } },
    }),
    findings: [["CONDITION_FAILS", 2, /999999999999/]],
  },

  {
    name: "denied",
    policy: policyOf(account, recordings, describeKey, {
      Sid: "No",
      Effect: "Deny",
      Principal: { AWS: service },
      Action: "kms:Dec*",
      Resource: "*",
    }),
    findings: [["DENIED", 4, /denies kms:Decrypt/]],
  },
  {
    name: "denied to all but the owner, by NotPrincipal",
    policy: policyOf(account, recordings, describeKey, {
      Effect: "Deny",
      NotPrincipal: { AWS: `arn:aws:iam::${owner}:root` },
      Action: "kms:*",
      Resource: "*",
    }),
    findings: [["DENIED", 4, /NotPrincipal/]],
  },
  {
    name: "denied to all but the service's account, whose roles NotPrincipal does not spare",
    policy: policyOf(account, recordings, describeKey, {
      Effect: "Deny",
      NotPrincipal: { AWS: [`arn:aws:iam::${owner}:root`, service] },
      Action: "kms:Encrypt",
      Resource: "*",
    }),
    findings: [["DENIED", 4]],
  },
  {
    name: "denied to all but the service's role",
    policy: policyOf(account, recordings, describeKey, {
      Effect: "Deny",
      NotPrincipal: { AWS: [`arn:aws:iam::${owner}:root`, service, role] },
      Action: "kms:Encrypt",
      Resource: "*",
    }),
    with: { serviceAccountId: undefined as never, servicePrincipalArns: [role] },
    findings: [],
  },
  {
    name: "RSA key pairs to an AWS organization",
    policy: policyOf(account, { ...recordings, Action: ["kms:Encrypt", "kms:Decrypt"] }, describeKey, {
      ...recordings,
      Sid: "Rsa",
      Action: "kms:GenerateDataKeyPair*",
      Condition: { StringEquals: { [organizationKey]: "org-1", "aws:PrincipalOrgID": "o-1" } },
    }),
    findings: [["CANNOT_TELL", 4, /kms:GenerateDataKeyPairWithoutPlaintext/]],
  },
  {
    name: "denied outside a network",
    policy: policyOf(account, recordings, describeKey, {
      Effect: "Deny",
      Principal: "*",
      Action: "kms:*",
      Resource: "*",
      Condition: { StringNotEquals: { "aws:SourceVpce": "vpce-1" } },
    }),
    findings: [["CANNOT_TELL", 4, /aws:SourceVpce = "vpce-1"/]],
  },
  {
    name: "allowed to an AWS organization",
    policy: under({ StringEquals: { [organizationKey]: "org-1", "aws:PrincipalOrgID": "o-1" } }),
    findings: [["CANNOT_TELL", 2, /aws:PrincipalOrgID/]],
  },
  {
    name: "one role of the account",
    policy: policyOf(account, ...[recordings, describeKey].map((each) => ({ ...each, Principal: { AWS: role } }))),
    findings: [["ONE_PRINCIPAL_ONLY", undefined, /role\/recording/]],
  },
  {
    name: "that role, and it is known to be the caller",
    policy: policyOf(account, ...[recordings, describeKey].map((each) => ({ ...each, Principal: { AWS: role } }))),
    with: { serviceAccountId: undefined as never, servicePrincipalArns: [role] },
    findings: [],
  },
  {
    name: "a role that was deleted",
    policy: policyOf(account, { ...recordings, Principal: { AWS: "AROAEXAMPLEEXAMPLE123" } }),
    findings: [["PRINCIPAL_WRONG", 2, /AROAEXAMPLEEXAMPLE123/]],
  },

  {
    name: "kms:* without a condition",
    policy: policyOf(account, { Effect: "Allow", Principal: { AWS: service }, Action: "kms:*", Resource: "*" }),
    findings: [
      ["NOT_BOUND_TO_ORGANIZATION", 2, /without an encryption context/],
      ["MORE_THAN_NEEDED", 2, /kms:CreateGrant/],
    ],
  },
  {
    name: "kms:* under the condition",
    policy: policyOf(account, { ...recordings, Action: "kms:*" }),
    findings: [["DESCRIBE_KEY_DENIED"]],
  },
  {
    name: "ForAllValues also holds without the context",
    policy: under({ "ForAllValues:StringEquals": { [organizationKey]: "org-1" } }),
    findings: [["NOT_BOUND_TO_ORGANIZATION", 2, /without an encryption context/]],
  },
  {
    name: "so does IfExists",
    policy: under({ StringEqualsIfExists: { [organizationKey]: "org-1" } }),
    findings: [["NOT_BOUND_TO_ORGANIZATION", 2, /without an encryption context/]],
  },
  {
    name: "ForAnyValue does not",
    policy: under({ "ForAnyValue:StringEquals": { [organizationKey]: "org-1" } }),
    findings: [],
  },
  {
    name: "any id",
    policy: under({ StringLike: { [organizationKey]: "*" } }),
    findings: [["NOT_BOUND_TO_ORGANIZATION", 2, /other organizations' ids/]],
  },
  {
    name: "every id with a beginning",
    policy: under({ StringLike: { [organizationKey]: "org-1*" } }),
    findings: [["NOT_BOUND_TO_ORGANIZATION", 2, /other organizations' ids/]],
  },
  ...["**", "?*", "*?*", "a*", "arn:*", "*:key/*", "arn:aws:kms:*"].map((Resource): Case => ({
    name: `the Resource ${Resource} of a key that is known`,
    policy: but({ Resource }),
    with: { kmsKeyArn: `arn:aws:kms:eu-west-1:${owner}:key/1` },
    findings: [],
  })),
  ...["**", "?*", "*?*"].map((Resource): Case => ({
    name: `the Resource ${Resource}, which matches every key`,
    policy: but({ Resource }),
    findings: [],
  })),
  ...["a*", "arn:*", "*:key/*", "arn:aws:kms:*"].map((Resource): Case => ({
    name: `the Resource ${Resource}, which may match the key`,
    policy: but({ Resource }),
    findings: doubts(/Resource/),
  })),
  ...["kms*", "key", "", "?", "*:alias/*"].map((Resource): Case => ({
    name: `the Resource ${JSON.stringify(Resource)}, which matches no key`,
    policy: but({ Resource }),
    with: Resource === "?" ? { kmsKeyArn: `arn:aws:kms:eu-west-1:${owner}:key/1` } : {},
    findings: [["RESOURCE_WRONG", 2]],
  })),
  ...["ArnLike", "ArnEquals"].flatMap((operator) =>
    (
      [
        [role, []],
        [`arn:aws:iam::${service}:role/*`, []],
        ["arn:*:iam:*:*:role/recor?ing", []],
        ["arn:*:*:*:*:*", []],
        ["*", doubts(/PrincipalArn = "\*"/)],
        ["arn:aws:iam:*", doubts(/PrincipalArn/)],
        ["arn:aws:iam::*", doubts(/PrincipalArn/)],
        [`arn:aws:*:role/recording`, doubts(/PrincipalArn/)],
        [`arn:aws:iam:*:*:user/*`, [["CONDITION_FAILS", 2]]],
        ["recording", [["CONDITION_FAILS", 2]]],
      ] as [string, Expected[]][]
    ).map(([pattern, findings]): Case => ({
      name: `${operator} with ${pattern}`,
      policy: under({ StringEquals: { [organizationKey]: "org-1" }, [operator]: { "aws:PrincipalArn": pattern } }),
      with: { serviceAccountId: undefined, servicePrincipalArns: [role] } as unknown as Partial<KeyPolicyCheckOptions>,
      findings,
    })),
  ),
  { name: "everyone", policy: but({ Principal: "*" }), findings: [["OPEN_TO_EVERYONE", 2]] },
  {
    name: "everyone but somebody",
    policy: but({ Principal: undefined, NotPrincipal: { AWS: "999999999999" } }),
    findings: [["OPEN_TO_EVERYONE", 2]],
  },
  {
    name: "recorders who could open recordings",
    policy: but({}),
    with: { access: "attestations" },
    findings: [["CAN_OPEN_RECORDINGS", 2]],
  },
  {
    name: "recorders",
    policy: recordingKeyPolicy({ accountId: owner, grants: [{ ...options, access: "attestations" }] }),
    with: { access: "attestations" },
    findings: [],
  },
  { name: "nobody in charge", policy: policyOf(recordings, describeKey), findings: [["OWNER_LOCKED_OUT"]] },
  {
    name: "another account in charge",
    policy: but({}),
    with: { accountId: "222222222222" },
    findings: [["OWNER_LOCKED_OUT", undefined, /account 222222222222/]],
  },
  {
    name: "a role of the owner's in charge",
    policy: policyOf({ ...account, Principal: { AWS: `arn:aws:iam::${owner}:role/admin` } }, recordings, describeKey),
    with: { accountId: owner },
    findings: [],
  },
  {
    name: "a service in the key's own account",
    policy: recordingKeyPolicy({ accountId: service, grants: [options] }),
    with: { accountId: service },
    findings: [],
  },
];

it.each(cases)("reports the expected findings: $name", ({ policy, with: more = {}, findings: expected }) => {
  const { ok, findings } = checkKeyPolicy(policy, { ...options, ...more });
  expect(findings.map(({ code, statement }) => [code, statement?.number])).toEqual(
    expected.map(([code, statement]) => [code, statement]),
  );
  for (const [index, [, , text]] of expected.entries()) if (text) expect(findings[index]?.message).toMatch(text);
  expect(ok).toBe(findings.every(({ severity }) => severity === "warning"));
  for (const { message, whatToDo, statement } of findings) {
    for (const sentence of [message, whatToDo]) expect(sentence).toMatch(/^[A-Z][^]*[.]$|^AWS KMS takes/);
    expect(`${message} ${whatToDo}`).not.toMatch(/undefined|null|\[object|\s\s/);
    if (statement?.sid !== undefined) expect(message).toContain(JSON.stringify(statement.sid));
  }
});

it("the table has every finding", () => {
  const met = new Set(cases.flatMap(({ findings }) => findings.map(([code]) => code)));
  expect([...met].sort()).toEqual([...keyPolicyFindingCodes].sort());
});

it("a report is plain data", () => {
  const report = checkKeyPolicy(pasted({}), options);
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
});

it.each([
  [undefined, "policy"],
  [7, "policy"],
  [Object.assign({}, { n: 1n }), "policy"],
])("refuses %o, which is no policy", (policy, field) => {
  expect(() => checkKeyPolicy(policy as never, options)).toThrow(
    expect.objectContaining({ code: "ERR_INVALID_INPUT", field }),
  );
});

it("refuses options about different keys", () => {
  expect(() =>
    checkKeyPolicy("{}", { ...options, kmsKeyArn: `arn:aws:kms:eu-west-1:${owner}:key/2`, accountId: service }),
  ).toThrow(expect.objectContaining({ field: "accountId" }));
  expect(() => checkKeyPolicy("{}", { ...options, kmsKeyArn: `arn:aws:kms:eu-west-1:${owner}:alias/x` })).toThrow(
    expect.objectContaining({ field: "kmsKeyArn" }),
  );
});

it("comes back from a hostile policy, which a matcher that backtracks would not", () => {
  const stars = `${"*A".repeat(8_000)}B`;
  const byStars = checkKeyPolicy(
    under({ StringLike: { "kms:EncryptionContext:recording-keystore:birth-record": stars } }),
    options,
  );
  const byVariables = checkKeyPolicy(under({ StringEquals: { [organizationKey]: "${".repeat(10_000) } }), options);
  const byPrincipals = checkKeyPolicy(
    policyOf({
      ...account,
      Effect: "Deny",
      Principal: { AWS: Array.from({ length: 2_000 }, (_, index) => String(100_000_000_000 + index)) },
    }),
    options,
  );
  expect([byStars.ok, byVariables.ok, byPrincipals.ok]).toEqual([false, false, false]);
});

it("wildcards match as their regular expressions do", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "😀"), maxLength: 12 });
  const pattern = fc.string({ unit: fc.constantFrom("a", "b", "😀", "*", "?"), maxLength: 8 });
  fc.assert(
    fc.property(pattern, text, (wanted, given) => {
      const expression = new RegExp(`^${wanted.replaceAll("*", ".*").replaceAll("?", ".")}$`, "su");
      expect(wildcard(wanted)(given)).toBe(expression.test(given));
    }),
    { numRuns: 2_000 },
  );
});

describe("against the in-memory KMS", () => {
  const region = "eu-west-1";
  const kms = new InMemoryKms();
  const keyArn = kms.createKey({ accountId: owner, region, alias: "alias/recordings" });
  const aliasArn = keyArn.replace(/key\/.*/, "alias/recordings");
  const callers = {
    service: kms.addPrincipal({ arn: role, identityPolicy: "administrator" }),
    owner: kms.addPrincipal({ arn: `arn:aws:iam::${owner}:role/admin`, identityPolicy: "administrator" }),
  };
  const contexts = {
    "private-key": contextOf("genesys-cloud-organization-id", "org-1", "private-key"),
    attestation: contextOf("genesys-cloud-organization-id", "org-1", "attestation"),
  };

  async function send(
    as: keyof typeof callers,
    operation: string,
    input: object,
  ): Promise<{ statusCode: number; body: Record<string, unknown> }> {
    const authorization = `AWS4-HMAC-SHA256 Credential=${callers[as].accessKeyId}/20260101/${region}/kms/aws4_request, SignedHeaders=host, Signature=${"0".repeat(64)}`;
    const { response } = await kms.requestHandler.handle({
      method: "POST",
      headers: { "x-amz-target": `TrentService.${operation}`, authorization },
      body: JSON.stringify(input),
    });
    return {
      statusCode: response.statusCode,
      body: JSON.parse(Buffer.from(response.body).toString()) as Record<string, unknown>,
    };
  }
  async function allows(operation: string, input: object): Promise<boolean> {
    const { statusCode, body } = await send("service", operation, input);
    if (statusCode === 200 || body["__type"] === "DryRunOperationException") return true;
    expect(body["__type"]).toBe("AccessDeniedException");
    return false;
  }

  const one = <T>(...values: T[]) => fc.constantFrom(...values);
  const usually = <T>(usual: T, ...others: T[]) =>
    fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: one(...others) });
  const principal = usually<object>(
    { Principal: { AWS: `arn:aws:iam::${service}:root` } },
    { Principal: "*" },
    { Principal: { AWS: [owner, service] } },
    { Principal: { AWS: role } },
    { Principal: { AWS: `arn:aws:iam::${service}:role/other` } },
    { Principal: { AWS: owner } },
    { Principal: { Service: "s3.amazonaws.com" } },
    { NotPrincipal: { AWS: owner } },
    { NotPrincipal: { AWS: [role, service] } },
    { NotPrincipal: { AWS: `arn:aws:iam::${service}:root` } },
  );
  const actions = usually<object>(
    { Action: ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*"] },
    { Action: "kms:*" },
    { Action: ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"] },
    { Action: "kms:DescribeKey" },
    { Action: ["KMS:?ecrypt", "kms:e*"] },
    { Action: "kms:GenerateDataKeyPair*" },
    { NotAction: "kms:De*" },
    { NotAction: ["kms:DescribeKey"] },
  );
  const resource = usually<object>(
    { Resource: "*" },
    { Resource: keyArn },
    { Resource: aliasArn },
    { Resource: ["arn:aws:kms:*:*:key/*"] },
    { NotResource: keyArn },
    { NotResource: aliasArn },
  );
  const operator = usually(
    "StringEquals",
    ...[
      "StringLike",
      "StringEqualsIgnoreCase",
      "StringNotEquals",
      "StringNotLike",
      "StringEqualsIfExists",
      "ForAllValues:StringEquals",
      "ForAnyValue:StringEquals",
      "ForAllValues:StringNotEquals",
      "ForAnyValue:StringNotLike",
      "Null",
      "NumericEquals",
      "ArnLike",
      "Bool",
    ],
  );
  const pair = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.tuple(
        one(organizationKey, organizationKey.toUpperCase()),
        usually<unknown>(
          "org-1",
          "org-*",
          "ORG-1",
          ["org-0", "org-1"],
          [],
          "true",
          "false",
          "${kms:CallerAccount}",
          "or?-1",
        ),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(
        one("kms:EncryptionContext:recording-keystore:purpose"),
        one<unknown>("attestation", "private-key", ["attestation", "private-key"], "*"),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(
        one("kms:EncryptionContextKeys"),
        one<unknown>(
          Object.keys(contexts.attestation),
          "genesys-cloud-organization-id",
          "recording-keystore:*",
          "true",
        ),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(
        one(
          "kms:CallerAccount",
          "aws:PrincipalAccount",
          "kms:ViaService",
          "kms:EncryptionAlgorithm",
          "kms:KeySpec",
          "kms:DataKeyPairSpec",
          "kms:NoSuchKey",
        ),
        one<unknown>(service, owner, "SYMMETRIC_DEFAULT", "RSA_2048", "false"),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(
        one("aws:PrincipalArn", "aws:ResourceAccount", "aws:SecureTransport"),
        one<unknown>(role, `arn:aws:iam::${service}:role/*`, owner, "true"),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(
        one(
          "kms:RequestAlias",
          "kms:ResourceAliases",
          "aws:SourceIp",
          "aws:PrincipalOrgID",
          "aws:RequestedRegion",
          "kms:MultiRegion",
        ),
        one<unknown>("alias/recordings", "alias/*", region, "false"),
      ),
    },
  );
  const condition = fc.oneof(
    { weight: 3, arbitrary: fc.constant<object | undefined>(undefined) },
    { weight: 4, arbitrary: fc.constant<object | undefined>({ StringEquals: { [organizationKey]: "org-1" } }) },
    {
      weight: 6,
      arbitrary: fc
        .array(fc.tuple(operator, pair), { minLength: 1, maxLength: 2 })
        .map((lines): object | undefined =>
          Object.fromEntries(lines.map(([name, [key, value]]) => [name, { [key]: value }])),
        ),
    },
  );
  const statement = fc
    .tuple(usually("Allow", "Deny"), principal, actions, resource, condition)
    .map(([Effect, ...parts]) => {
      const [who, what, where, Condition] = parts;
      return { Effect, ...who, ...what, ...where, ...(Condition && { Condition }) };
    });
  const policies = fc
    .tuple(fc.subarray([recordings, describeKey]), fc.array(statement, { maxLength: 3 }))
    .map(([right, more]) => policyOf(account, ...right, ...more));

  it("reports no error exactly when KMS allows the service's calls", async () => {
    const ciphertexts: Record<string, unknown> = {};
    for (const [purpose, EncryptionContext] of Object.entries(contexts)) {
      ciphertexts[purpose] = (
        await send("owner", "Encrypt", { KeyId: keyArn, Plaintext: "eA==", EncryptionContext })
      ).body["CiphertextBlob"];
    }
    const seen = { served: 0, refused: 0, open: 0, described: 0 };
    await fc.assert(
      fc.asyncProperty(policies, fc.boolean(), fc.boolean(), fc.boolean(), async (policy, byArn, withKey, rsa) => {
        kms.putKeyPolicy(keyArn, policy);
        const encrypt = (KeyId: string, EncryptionContext: object) =>
          allows("Encrypt", { KeyId, Plaintext: "eA==", EncryptionContext, DryRun: true });
        const decrypt = (purpose: keyof typeof contexts) =>
          allows("Decrypt", {
            KeyId: keyArn,
            CiphertextBlob: ciphertexts[purpose],
            EncryptionContext: contexts[purpose],
            DryRun: true,
          });
        const dataKeyPair = () =>
          allows("GenerateDataKeyPairWithoutPlaintext", {
            KeyId: aliasArn,
            KeyPairSpec: "RSA_2048",
            EncryptionContext: contexts["private-key"],
            DryRun: true,
          });
        const answers = [
          await encrypt(aliasArn, contexts["private-key"]),
          await encrypt(keyArn, contexts.attestation),
          await decrypt("private-key"),
          await decrypt("attestation"),
        ];
        const dataKeyPairs = await dataKeyPair();
        const described = await allows("DescribeKey", { KeyId: aliasArn });
        const served = answers.every(Boolean) && (!rsa || dataKeyPairs);

        const report = checkKeyPolicy(policy, {
          organizationIds: ["org-1"],
          ...(byArn ? { servicePrincipalArns: [role] } : { serviceAccountId: service }),
          ...(withKey && { kmsKeyArn: keyArn }),
          keyPairSpec: rsa ? "RSA_2048" : "X25519",
        });
        const codes = report.findings.map(({ code }) => code);
        const open = codes.includes("CANNOT_TELL") || codes.includes("ONE_PRINCIPAL_ONLY");
        // A checker that knows the account only can't judge a statement about this role.
        const aboutRole = !byArn && JSON.stringify(policy).includes(`role/`);
        seen.open += open ? 1 : 0;
        if (!report.ok) expect(served).toBe(false);
        if (report.ok && !open && !aboutRole) expect(served).toBe(true);
        if (report.ok && !open && !aboutRole) {
          expect(codes.includes("DESCRIBE_KEY_DENIED")).toBe(!described);
          if (!rsa) expect(codes.includes("RSA_KEY_PAIRS_DENIED")).toBe(!dataKeyPairs);
          seen.described += described ? 1 : 0;
        }
        seen[served ? "served" : "refused"] += 1;
      }),
      { numRuns: 1_500 },
    );
    // The property means something only if it meets all of these often.
    expect(Math.min(seen.served, seen.refused, seen.described)).toBeGreaterThan(200);
    expect(seen.open).toBeLessThan(500);
  }, 60_000);
});
