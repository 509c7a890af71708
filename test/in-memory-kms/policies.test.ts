import { describe, expect, it } from "vitest";
import { transports, type Result } from "./transports.js";
import { context, customer, home, makeWorld, service, type CallerName, type World } from "./world.js";

interface Rule {
  name: string;
  /** Statements of the key policy, besides that of the administrators. */
  statements: object[];
  as?: CallerName;
  /** Default: Encrypt with the context. */
  call?: (world: World) => [string, Record<string, unknown>];
  allowed: boolean;
}

const Plaintext = Buffer.from("x");
const everyone = { AWS: "*" };
const serviceAccount = { AWS: `arn:aws:iam::${service}:root` };
const bob = { AWS: `arn:aws:iam::${customer}:user/bob` };
const allow = (Principal: object, Condition?: object, Action: string | string[] = "kms:Encrypt") => ({
  Effect: "Allow",
  Principal,
  Action,
  Resource: "*",
  ...(Condition && { Condition }),
});
const deny = (Principal: object, rest: object = {}) => ({
  Effect: "Deny",
  Principal,
  Action: "kms:*",
  Resource: "*",
  ...rest,
});
const organization = (operator: string, value: string | string[]) => ({
  [operator]: { "kms:EncryptionContext:genesys-cloud-organization-id": value },
});
const encryptWith =
  (EncryptionContext?: Record<string, string>) =>
  (world: World): [string, Record<string, unknown>] => [
    "Encrypt",
    { KeyId: world.key, Plaintext, ...(EncryptionContext && { EncryptionContext }) },
  ];
const describeKey = (world: World): [string, Record<string, unknown>] => ["DescribeKey", { KeyId: world.key }];
const viaAlias = (world: World): [string, Record<string, unknown>] => ["Encrypt", { KeyId: world.aliasArn, Plaintext }];
const dataKeyPair =
  (KeyPairSpec: string) =>
  (world: World): [string, Record<string, unknown>] => ["GenerateDataKeyPair", { KeyId: world.key, KeyPairSpec }];

const createGrant = (world: World): [string, Record<string, unknown>] => [
  "CreateGrant",
  {
    KeyId: world.key,
    GranteePrincipal: bob.AWS,
    Operations: ["Decrypt"],
    Constraints: { EncryptionContextSubset: context },
  },
];

const rules: Rule[] = [
  { name: "a caller whom no statement names", statements: [], as: "service", allowed: false },
  {
    name: "another account by its root, if its IAM agrees",
    statements: [allow(serviceAccount)],
    as: "service",
    allowed: true,
  },
  {
    name: "another account by its number",
    statements: [allow({ AWS: service })],
    as: "service",
    allowed: true,
  },
  {
    name: "a stranger, where another account is named",
    statements: [allow(serviceAccount)],
    as: "stranger",
    allowed: false,
  },
  {
    name: "a user of the key's account, named directly, without IAM",
    statements: [allow(bob)],
    as: "bob",
    allowed: true,
  },
  { name: "a user of the key's account, not named, without IAM", statements: [], as: "bob", allowed: false },
  {
    name: "a session of the named role",
    statements: [allow({ AWS: `arn:aws:iam::${customer}:role/recorder` })],
    as: "session",
    allowed: true,
  },
  {
    name: "a session of another role",
    statements: [allow({ AWS: `arn:aws:iam::${customer}:role/recorder2` })],
    as: "session",
    allowed: false,
  },
  { name: "everyone", statements: [allow(everyone)], as: "stranger", allowed: true },
  {
    name: "a caller, where a service principal is named",
    statements: [allow({ Service: "s3.amazonaws.com" })],
    as: "bob",
    allowed: false,
  },
  {
    name: "an action with a wildcard",
    statements: [allow(serviceAccount, undefined, "kms:Enc*")],
    as: "service",
    allowed: true,
  },
  {
    name: "an action in other letter case",
    statements: [allow(serviceAccount, undefined, "KMS:encrypt")],
    as: "service",
    allowed: true,
  },
  {
    name: "another action",
    statements: [allow(serviceAccount, undefined, ["kms:Decrypt", "kms:GenerateDataKey*"])],
    as: "service",
    allowed: false,
  },
  {
    name: "NotAction",
    statements: [{ Effect: "Allow", Principal: serviceAccount, NotAction: "kms:Decrypt", Resource: "*" }],
    as: "service",
    allowed: true,
  },
  {
    name: "NotAction names the action",
    statements: [{ Effect: "Allow", Principal: serviceAccount, NotAction: ["kms:Enc*"], Resource: "*" }],
    as: "service",
    allowed: false,
  },
  {
    name: "another key as resource",
    statements: [{ ...allow(serviceAccount), Resource: "arn:aws:kms:us-east-1:111122223333:key/other" }],
    as: "service",
    allowed: false,
  },
  {
    name: "a call under a statement without Resource",
    statements: [{ ...allow(serviceAccount), Resource: undefined }],
    as: "service",
    allowed: false,
  },
  {
    name: "a call under a Deny without Action",
    statements: [allow(serviceAccount), { ...deny(everyone), Action: undefined }],
    as: "service",
    allowed: true,
  },
  { name: "Deny beside Allow", statements: [allow(serviceAccount), deny(everyone)], as: "service", allowed: false },
  {
    name: "Deny beside the administrator's IAM",
    statements: [deny({ AWS: `arn:aws:iam::${customer}:user/alice` })],
    as: "alice",
    allowed: false,
  },
  {
    name: "Deny of another action",
    statements: [deny(everyone, { Action: "kms:Decrypt" })],
    as: "alice",
    allowed: true,
  },
  {
    name: "Deny to all but one, who is named with the account",
    statements: [
      {
        Effect: "Deny",
        NotPrincipal: { AWS: [bob.AWS, `arn:aws:iam::${customer}:root`] },
        Action: "kms:Encrypt",
        Resource: "*",
      },
      allow(bob),
    ],
    as: "bob",
    allowed: true,
  },
  {
    name: "Deny to all but one hits the others",
    statements: [
      {
        Effect: "Deny",
        NotPrincipal: { AWS: [bob.AWS, `arn:aws:iam::${customer}:root`] },
        Action: "kms:Encrypt",
        Resource: "*",
      },
    ],
    as: "alice",
    allowed: false,
  },
  {
    name: "StringEquals on the context",
    statements: [allow(serviceAccount, organization("StringEquals", "org-1"))],
    as: "service",
    allowed: true,
  },
  {
    name: "StringEquals on the context, one of several",
    statements: [allow(serviceAccount, organization("StringEquals", ["org-0", "org-1"]))],
    as: "service",
    allowed: true,
  },
  {
    name: "StringEquals on another organization",
    statements: [allow(serviceAccount, organization("StringEquals", "org-2"))],
    as: "service",
    allowed: false,
  },
  {
    name: "StringEquals in other letter case",
    statements: [allow(serviceAccount, organization("StringEquals", "ORG-1"))],
    as: "service",
    allowed: false,
  },
  {
    name: "the context's key in other letter case",
    statements: [
      allow(serviceAccount, { StringEquals: { "KMS:EncryptionContext:Genesys-Cloud-Organization-Id": "org-1" } }),
    ],
    as: "service",
    allowed: true,
  },
  {
    name: "a call without the context",
    statements: [allow(serviceAccount, organization("StringEquals", "org-1"))],
    as: "service",
    call: encryptWith(),
    allowed: false,
  },
  {
    name: "DescribeKey under a condition on the context",
    statements: [allow(serviceAccount, organization("StringEquals", "org-1"), ["kms:DescribeKey"])],
    as: "service",
    call: describeKey,
    allowed: false,
  },
  {
    name: "DescribeKey in a statement of its own",
    statements: [allow(serviceAccount, undefined, ["kms:DescribeKey"])],
    as: "service",
    call: describeKey,
    allowed: true,
  },
  {
    name: "StringLike",
    statements: [allow(serviceAccount, organization("StringLike", "org-?"))],
    as: "service",
    allowed: true,
  },
  {
    name: "StringEqualsIgnoreCase",
    statements: [allow(serviceAccount, organization("StringEqualsIgnoreCase", "ORG-1"))],
    as: "service",
    allowed: true,
  },
  {
    name: "StringNotEquals",
    statements: [allow(serviceAccount, organization("StringNotEquals", "org-1"))],
    as: "service",
    allowed: false,
  },
  {
    name: "StringNotEquals without the key",
    statements: [allow(serviceAccount, organization("StringNotEquals", "org-1"))],
    as: "service",
    call: encryptWith(),
    allowed: true,
  },
  {
    name: "…IfExists without the key",
    statements: [allow(serviceAccount, organization("StringEqualsIfExists", "org-1"))],
    as: "service",
    call: encryptWith(),
    allowed: true,
  },
  {
    name: "Null, which tests for the key",
    statements: [allow(serviceAccount, { Null: { "kms:EncryptionContext:purpose": "false" } })],
    as: "service",
    allowed: true,
  },
  {
    name: "ForAllValues of the context's keys",
    statements: [
      allow(serviceAccount, {
        "ForAllValues:StringEquals": {
          "kms:EncryptionContextKeys": ["genesys-cloud-organization-id", "purpose", "third"],
        },
      }),
    ],
    as: "service",
    allowed: true,
  },
  {
    name: "ForAllValues with a key too many",
    statements: [allow(serviceAccount, { "ForAllValues:StringEquals": { "kms:EncryptionContextKeys": ["purpose"] } })],
    as: "service",
    allowed: false,
  },
  {
    name: "ForAllValues without any value",
    statements: [allow(serviceAccount, { "ForAllValues:StringEquals": { "kms:EncryptionContextKeys": ["purpose"] } })],
    as: "service",
    call: encryptWith(),
    allowed: true,
  },
  {
    name: "ForAnyValue",
    statements: [allow(serviceAccount, { "ForAnyValue:StringEquals": { "kms:EncryptionContextKeys": ["purpose"] } })],
    as: "service",
    allowed: true,
  },
  {
    name: "ForAnyValue without any value",
    statements: [allow(serviceAccount, { "ForAnyValue:StringEquals": { "kms:EncryptionContextKeys": ["purpose"] } })],
    as: "service",
    call: encryptWith(),
    allowed: false,
  },
  {
    name: "kms:CallerAccount",
    statements: [allow(everyone, { StringEquals: { "kms:CallerAccount": service } })],
    as: "service",
    allowed: true,
  },
  {
    name: "kms:CallerAccount of another",
    statements: [allow(everyone, { StringEquals: { "kms:CallerAccount": service } })],
    as: "stranger",
    allowed: false,
  },
  {
    name: "kms:ViaService, called directly",
    statements: [allow(serviceAccount, { StringEquals: { "kms:ViaService": "s3.us-east-1.amazonaws.com" } })],
    as: "service",
    allowed: false,
  },
  {
    name: "kms:RequestAlias",
    statements: [allow(serviceAccount, { StringEquals: { "kms:RequestAlias": "alias/recordings" } })],
    as: "service",
    call: viaAlias,
    allowed: true,
  },
  {
    name: "kms:RequestAlias, called by key ARN",
    statements: [allow(serviceAccount, { StringEquals: { "kms:RequestAlias": "alias/recordings" } })],
    as: "service",
    allowed: false,
  },
  {
    name: "kms:ResourceAliases",
    statements: [allow(serviceAccount, { "ForAnyValue:StringLike": { "kms:ResourceAliases": "alias/rec*" } })],
    as: "service",
    allowed: true,
  },
  {
    name: "kms:DataKeyPairSpec",
    statements: [
      allow(serviceAccount, { StringEquals: { "kms:DataKeyPairSpec": "ECC_NIST_P256" } }, "kms:GenerateDataKeyPair"),
    ],
    as: "service",
    call: dataKeyPair("ECC_NIST_P256"),
    allowed: true,
  },
  {
    name: "kms:DataKeyPairSpec of another spec",
    statements: [
      allow(serviceAccount, { StringEquals: { "kms:DataKeyPairSpec": "ECC_NIST_P256" } }, "kms:GenerateDataKeyPair"),
    ],
    as: "service",
    call: dataKeyPair("ECC_NIST_P384"),
    allowed: false,
  },
  {
    name: "the condition keys of the key, and kms:EncryptionAlgorithm",
    statements: [
      allow(serviceAccount, {
        StringEquals: {
          "kms:KeySpec": "SYMMETRIC_DEFAULT",
          "kms:KeyUsage": "ENCRYPT_DECRYPT",
          "kms:KeyOrigin": "AWS_KMS",
          "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        },
        Bool: { "kms:MultiRegion": "false" },
      }),
    ],
    as: "service",
    allowed: true,
  },
  {
    name: "kms:MultiRegion of a single-Region key",
    statements: [allow(serviceAccount, { Bool: { "kms:MultiRegion": true } })],
    as: "service",
    allowed: false,
  },
  {
    name: "kms:GrantOperations",
    statements: [
      allow(
        serviceAccount,
        { "ForAllValues:StringEquals": { "kms:GrantOperations": ["Decrypt", "Encrypt"] } },
        "kms:CreateGrant",
      ),
    ],
    as: "service",
    call: createGrant,
    allowed: true,
  },
  {
    name: "kms:GrantOperations with one too many",
    statements: [
      allow(serviceAccount, { "ForAllValues:StringEquals": { "kms:GrantOperations": ["Encrypt"] } }, "kms:CreateGrant"),
    ],
    as: "service",
    call: createGrant,
    allowed: false,
  },
  {
    name: "kms:GrantIsForAWSResource",
    statements: [allow(serviceAccount, { Bool: { "kms:GrantIsForAWSResource": "true" } }, "kms:CreateGrant")],
    as: "service",
    call: createGrant,
    allowed: false,
  },
  {
    name: "a grant's constraint, which conditions see as its context",
    statements: [allow(serviceAccount, organization("StringEquals", "org-1"), "kms:CreateGrant")],
    as: "service",
    call: createGrant,
    allowed: true,
  },
  {
    name: "aws:PrincipalArn",
    statements: [allow(everyone, { ArnLike: { "aws:PrincipalArn": `arn:aws:iam::${service}:role/*` } })],
    as: "service",
    allowed: true,
  },
  {
    name: "Bool and DateLessThan",
    statements: [
      allow(serviceAccount, {
        Bool: { "aws:SecureTransport": true },
        DateLessThan: { "aws:CurrentTime": "2026-06-01T00:00:00Z" },
      }),
    ],
    as: "service",
    allowed: true,
  },
  {
    name: "a policy variable",
    statements: [
      deny(everyone, {
        Condition: { StringEquals: { "aws:PrincipalArn": "arn:aws:iam::${kms:CallerAccount}:user/alice" } },
      }),
    ],
    as: "alice",
    allowed: false,
  },
  {
    name: "a policy variable that the request does not have",
    statements: [deny(everyone, { Condition: { StringLike: { "aws:PrincipalArn": "*${kms:ViaService}" } } })],
    as: "alice",
    allowed: true,
  },
  {
    name: "IpAddress of a caller that has none",
    statements: [allow(serviceAccount, { IpAddress: { "aws:SourceIp": "10.0.0.0/8" } })],
    as: "service",
    allowed: false,
  },
  {
    name: "two operators of which one fails",
    statements: [
      allow(serviceAccount, { ...organization("StringEquals", "org-1"), StringLike: { "kms:CallerAccount": "9*" } }),
    ],
    as: "service",
    allowed: false,
  },
];

async function asked(
  world: World,
  as: CallerName,
  [operation, input]: [string, Record<string, unknown>],
): Promise<Result> {
  const transport = await (transports["request handler of a KMSClient"] as NonNullable<(typeof transports)[string]>)(
    world.kms,
  );
  return transport.send(operation, input, { region: home, accessKeyId: world.callers[as] });
}

describe("a key policy", () => {
  const verdicts = rules.map((rule) => ({ ...rule, verdict: rule.allowed ? "allows" : "denies" }));
  it.each(verdicts)("$verdict: $name", async ({ statements, as = "alice", call = encryptWith(context), allowed }) => {
    const world = makeWorld();
    const administration = allow({ AWS: `arn:aws:iam::${customer}:root` }, undefined, "kms:*");
    world.kms.putKeyPolicy(world.key, { Version: "2012-10-17", Statement: [administration, ...statements] });
    const result = await asked(world, as, call(world));
    expect(result).toMatchObject(allowed ? { ok: true } : { ok: false, name: "AccessDeniedException", status: 400 });
  });
});

describe("an identity policy", () => {
  const policy = (...Statement: object[]) => ({ Version: "2012-10-17", Statement });
  const table: [name: string, policy: object, allowed: boolean, text?: string][] = [
    [
      "allows the key",
      policy({ Effect: "Allow", Action: "kms:Encrypt", Resource: `arn:aws:kms:*:${customer}:key/*` }),
      true,
    ],
    [
      "allows another key",
      policy({ Effect: "Allow", Action: "kms:Encrypt", Resource: `arn:aws:kms:*:${customer}:key/1*2*3*4*x` }),
      false,
      "because no identity-based policy allows the kms:Encrypt action",
    ],
    ["allows all keys but those", policy({ Effect: "Allow", Action: "*", NotResource: "arn:aws:kms:eu-*" }), true],
    [
      "denies",
      policy({ Effect: "Allow", Action: "*", Resource: "*" }, { Effect: "Deny", Action: "kms:E*", Resource: "*" }),
      false,
      "with an explicit deny in an identity-based policy",
    ],
    [
      "allows under a condition on the context",
      policy({ Effect: "Allow", Action: "kms:*", Resource: "*", Condition: organization("StringEquals", "org-1") }),
      true,
    ],
  ];
  it.each(table)("decides when it %s", async (_name, identityPolicy, allowed, text) => {
    const world = makeWorld();
    const { accessKeyId } = world.kms.addPrincipal({ arn: `arn:aws:iam::${customer}:user/carol`, identityPolicy });
    world.callers.bob = accessKeyId;
    const result = await asked(world, "bob", encryptWith(context)(world));
    expect(result.ok).toBe(allowed);
    if (text !== undefined)
      expect(result).toMatchObject({
        message: `User: arn:aws:iam::${customer}:user/carol is not authorized to perform: kms:Encrypt on resource: ${world.key} ${text}`,
      });
  });

  it.each([
    ["10.1.2.3", "10.0.0.0/8", true],
    ["11.1.2.3", "10.0.0.0/8", false],
    ["2001:db8::1", "2001:db8::/32", true],
    ["10.1.2.3", "10.1.2.3", true],
  ])("IpAddress %s in %s: %s", async (address, network, allowed) => {
    const world = makeWorld();
    const policy = (operator: string) => ({
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Action: "*", Resource: "*", Condition: { [operator]: { "aws:SourceIp": network } } },
      ],
    });
    for (const [operator, expected] of [
      ["IpAddress", allowed],
      ["NotIpAddress", !allowed],
    ] as const) {
      world.callers.bob = world.kms.addPrincipal({
        arn: `arn:aws:iam::${customer}:user/dave`,
        identityPolicy: policy(operator),
        conditionKeys: { "aws:SourceIp": address },
      }).accessKeyId;
      expect((await asked(world, "bob", encryptWith()(world))).ok).toBe(expected);
    }
  });

  it.each([
    ["true", true],
    ["false", false],
  ])("kms:ReEncryptOnSameKey %s", async (value, sameKey) => {
    const world = makeWorld();
    const other = world.kms.createKey({ ...world.inAccount });
    for (const key of [world.key, other]) {
      world.kms.putKeyPolicy(key, {
        Version: "2012-10-17",
        Statement: [
          allow(bob, undefined, "kms:Encrypt"),
          allow(bob, { Bool: { "kms:ReEncryptOnSameKey": value } }, "kms:ReEncrypt*"),
        ],
      });
    }
    const encrypted = await asked(world, "bob", encryptWith()(world));
    if (!encrypted.ok) throw new Error(encrypted.name);
    const { CiphertextBlob } = encrypted.output;
    for (const SourceKeyId of [undefined, world.key]) {
      const reEncrypt = (DestinationKeyId: string) =>
        asked(world, "bob", [
          "ReEncrypt",
          { CiphertextBlob, DestinationKeyId, ...(SourceKeyId !== undefined && { SourceKeyId }) },
        ]);
      expect([(await reEncrypt(world.aliasArn)).ok, (await reEncrypt(other)).ok]).toEqual([sameKey, !sameKey]);
    }
  });

  it("sees the condition keys that a caller brings along", async () => {
    const world = makeWorld();
    world.kms.putKeyPolicy(world.key, {
      Version: "2012-10-17",
      Statement: [allow(everyone, { StringEquals: { "kms:ViaService": "s3.us-east-1.amazonaws.com" } })],
    });
    const { accessKeyId } = world.kms.addPrincipal({
      arn: `arn:aws:iam::${customer}:role/s3`,
      conditionKeys: { "kms:ViaService": "s3.us-east-1.amazonaws.com" },
    });
    world.callers.bob = accessKeyId;
    expect(await asked(world, "bob", encryptWith()(world))).toMatchObject({ ok: true });
  });

  it("is refused where it is given if it is malformed", () => {
    const { kms } = makeWorld();
    expect(() =>
      kms.addPrincipal({
        arn: `arn:aws:iam::${customer}:user/x`,
        identityPolicy: { Statement: [{ Effect: "Maybe" }] },
      }),
    ).toThrow(/Effect/);
    expect(() => kms.addPrincipal({ arn: "alice" })).toThrow(TypeError);
  });
});

describe("a grant", () => {
  const granted = async (world: World, extra: object = {}, operations = ["Encrypt", "Decrypt"]) => {
    const result = await asked(world, "alice", [
      "CreateGrant",
      {
        KeyId: world.key,
        GranteePrincipal: `arn:aws:iam::${service}:role/recording`,
        Operations: operations,
        ...extra,
      },
    ]);
    if (!result.ok) throw new Error(result.message);
    return result.output as { GrantId: string; GrantToken: string };
  };
  const constraint = (kind: string, pairs: Record<string, string>) => ({ Constraints: { [kind]: pairs } });
  const table: [name: string, extra: object, context: Record<string, string> | undefined, allowed: boolean][] = [
    ["none", {}, undefined, true],
    ["subset, met", constraint("EncryptionContextSubset", { purpose: "test" }), context, true],
    ["subset, not met", constraint("EncryptionContextSubset", { purpose: "other" }), context, false],
    ["equals, met", constraint("EncryptionContextEquals", context), context, true],
    ["equals, with a pair too many", constraint("EncryptionContextEquals", { purpose: "test" }), context, false],
  ];
  it.each(table)("decides by its constraints: %s", async (_name, extra, pairs, allowed) => {
    const world = makeWorld();
    await granted(world, extra);
    expect((await asked(world, "service", encryptWith(pairs)(world))).ok).toBe(allowed);
    expect((await asked(world, "stranger", encryptWith(pairs)(world))).ok).toBe(false);
  });

  it("allows only the operations that it names", async () => {
    const world = makeWorld();
    await granted(world, {}, ["Decrypt"]);
    expect(await asked(world, "service", encryptWith()(world))).toMatchObject({ name: "AccessDeniedException" });
  });

  it("ends when it is revoked, or retired by its token", async () => {
    const world = makeWorld();
    const { GrantId } = await granted(world);
    const second = await granted(world, { RetiringPrincipal: `arn:aws:iam::${customer}:user/bob` });
    const listed = await asked(world, "alice", ["ListGrants", { KeyId: world.key }]);
    expect(listed).toMatchObject({ ok: true, output: { Grants: [{ Operations: ["Encrypt", "Decrypt"] }, {}] } });
    expect(await asked(world, "alice", ["RevokeGrant", { KeyId: world.key, GrantId }])).toMatchObject({ ok: true });
    expect((await asked(world, "service", encryptWith()(world))).ok).toBe(true);
    expect(await asked(world, "stranger", ["RetireGrant", { GrantToken: second.GrantToken }])).toMatchObject({
      name: "AccessDeniedException",
    });
    expect(await asked(world, "bob", ["RetireGrant", { GrantToken: second.GrantToken }])).toMatchObject({ ok: true });
    expect(await asked(world, "service", encryptWith()(world))).toMatchObject({ name: "AccessDeniedException" });
  });

  it("allows no more than the grant under which it was created", async () => {
    const world = makeWorld();
    await granted(world, constraint("EncryptionContextSubset", { purpose: "test" }), ["Encrypt", "CreateGrant"]);
    const create = (Operations: string[], extra: object) =>
      asked(world, "service", [
        "CreateGrant",
        { KeyId: world.key, GranteePrincipal: `arn:aws:iam::${service}:user/other`, Operations, ...extra },
      ]);
    expect((await create(["Encrypt"], constraint("EncryptionContextSubset", { ...context }))).ok).toBe(true);
    expect((await create(["Decrypt"], constraint("EncryptionContextSubset", { ...context }))).ok).toBe(false);
    expect((await create(["Encrypt"], {})).ok).toBe(false);
  });

  it("with a name is created once", async () => {
    const world = makeWorld();
    const first = await granted(world, { Name: "recorders" });
    const again = await granted(world, { Name: "recorders" });
    expect(again.GrantId).toBe(first.GrantId);
    expect(again.GrantToken).not.toBe(first.GrantToken);
  });

  const refusals: [Record<string, unknown>, string][] = [
    [{ GranteePrincipal: "bob", Operations: ["Encrypt"] }, "InvalidArnException"],
    [{ GranteePrincipal: `arn:aws:iam::${service}:role/r`, Operations: ["Fly"] }, "ValidationException"],
    [{ GranteePrincipal: `arn:aws:iam::${service}:role/r`, Operations: ["Sign"] }, "ValidationException"],
    [
      { GranteePrincipal: `arn:aws:iam::${service}:role/r`, Operations: ["Encrypt"], DryRun: true },
      "DryRunOperationException",
    ],
  ];
  it.each(refusals)("is refused with %o", async (input, name) => {
    const world = makeWorld();
    expect(await asked(world, "alice", ["CreateGrant", { KeyId: world.key, ...input }])).toMatchObject({
      ok: false,
      name,
    });
  });
});
