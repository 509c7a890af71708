import { expect } from "vitest";
import type { Case, Send } from "./cases.js";
import { context, customer, home, service, type World } from "./world.js";

/* Dry runs, paging, limits, and what is refused because it is not modelled. */

const Plaintext = Buffer.from("a recording's key");
const dryRunSucceeded: Case["error"] = [
  "DryRunOperationException",
  "The request would have succeeded, but the DryRun option is set.",
];
const validation = (text: string) => `1 validation error detected: ${text}`;
const grantee = `arn:aws:iam::${service}:role/recording`;

const sealed = async (send: Send, KeyId: string, EncryptionContext: Record<string, string> = context) =>
  (await send("Encrypt", { KeyId, Plaintext, EncryptionContext }))["CiphertextBlob"] as Uint8Array;
const granted = async (send: Send, KeyId: string, extra: object = {}) =>
  (await send("CreateGrant", { KeyId, GranteePrincipal: grantee, Operations: ["Decrypt"], ...extra })) as {
    GrantId: string;
    GrantToken: string;
  };

const dryRuns: Case[] = [
  ...(["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"] as const).map((operation): Case => ({
    name: `DryRun of ${operation}`,
    call: (w) => [operation, { KeyId: w.key, KeySpec: "AES_256", DryRun: true }],
    error: dryRunSucceeded,
  })),
  ...(["GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"] as const).map((operation): Case => ({
    name: `DryRun of ${operation}`,
    call: (w) => [operation, { KeyId: w.key, KeyPairSpec: "RSA_4096", DryRun: true }],
    error: dryRunSucceeded,
  })),
  {
    name: "DryRun of Decrypt",
    call: async (w, send) => [
      "Decrypt",
      { CiphertextBlob: await sealed(send, w.key), EncryptionContext: context, DryRun: true },
    ],
    error: dryRunSucceeded,
  },
  {
    name: "DryRun of Decrypt under another context",
    call: async (w, send) => ["Decrypt", { CiphertextBlob: await sealed(send, w.key), DryRun: true }],
    error: ["InvalidCiphertextException"],
  },
  {
    name: "DryRun of Decrypt that ignores the ciphertext",
    call: (w) => ["Decrypt", { KeyId: w.key, DryRun: true, DryRunModifiers: ["IGNORE_CIPHERTEXT"] }],
    error: dryRunSucceeded,
  },
  {
    name: "DryRun that ignores the ciphertext still asks the key policy",
    as: "bob",
    call: (w) => ["Decrypt", { KeyId: w.key, DryRun: true, DryRunModifiers: ["IGNORE_CIPHERTEXT"] }],
    error: ["AccessDeniedException"],
  },
  {
    name: "a ciphertext is ignored in dry runs only",
    call: (w) => ["Decrypt", { KeyId: w.key, DryRunModifiers: ["IGNORE_CIPHERTEXT"] }],
    error: [
      "ValidationException",
      validation("Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null"),
    ],
  },
  {
    name: "DryRun of ReEncrypt",
    call: async (w, send) => [
      "ReEncrypt",
      {
        CiphertextBlob: await sealed(send, w.key),
        SourceEncryptionContext: context,
        DestinationKeyId: w.key,
        DryRun: true,
      },
    ],
    error: dryRunSucceeded,
  },
  {
    name: "DryRun of ReEncrypt that ignores the ciphertext",
    call: (w) => [
      "ReEncrypt",
      { SourceKeyId: w.key, DestinationKeyId: w.key, DryRun: true, DryRunModifiers: ["IGNORE_CIPHERTEXT"] },
    ],
    error: dryRunSucceeded,
  },
  {
    name: "DryRun of CreateGrant",
    call: (w) => ["CreateGrant", { KeyId: w.key, GranteePrincipal: grantee, Operations: ["Decrypt"], DryRun: true }],
    error: dryRunSucceeded,
  },
  {
    name: "DryRun of RevokeGrant",
    call: async (w, send) => [
      "RevokeGrant",
      { KeyId: w.key, GrantId: (await granted(send, w.key)).GrantId, DryRun: true },
    ],
    error: dryRunSucceeded,
  },
  {
    name: "DryRun of RetireGrant",
    as: "admin",
    call: async (w, send) => ["RetireGrant", { GrantToken: (await granted(send, w.key)).GrantToken, DryRun: true }],
    error: dryRunSucceeded,
  },
  {
    name: "a dry run changes nothing",
    call: async (w, send) => {
      const { GrantId } = await granted(send, w.key);
      for (const dry of [
        send("RevokeGrant", { KeyId: w.key, GrantId, DryRun: true }),
        send("CreateGrant", { KeyId: w.key, GranteePrincipal: grantee, Operations: ["Encrypt"], DryRun: true }),
      ])
        await expect(dry).rejects.toThrow("DryRunOperation");
      return ["ListGrants", { KeyId: w.key }];
    },
    output: (o) => expect(o["Grants"]).toHaveLength(1),
  },
];

/** Five of each, read two at a time. */
const lists: [
  operation: string,
  items: string,
  fill: (world: World, send: Send) => Promise<Record<string, unknown>>,
][] = [
  ["ListKeys", "Keys", async (w) => (fiveTimes(() => w.kms.createKey(w.inAccount)), {})],
  [
    "ListAliases",
    "Aliases",
    async (w) => {
      const KeyId = w.kms.createKey(w.inAccount);
      fiveTimes((i) => w.kms.createAlias(`alias/${i}`, KeyId));
      return { KeyId };
    },
  ],
  [
    "ListGrants",
    "Grants",
    async (w, send) => (await Promise.all(fiveTimes(() => granted(send, w.key))), { KeyId: w.key }),
  ],
  [
    "ListRetirableGrants",
    "Grants",
    async (w, send) => {
      const RetiringPrincipal = `arn:aws:iam::${customer}:user/alice`;
      await Promise.all(fiveTimes(() => granted(send, w.key, { RetiringPrincipal })));
      return { RetiringPrincipal };
    },
  ],
  [
    "ListResourceTags",
    "Tags",
    async (w, send) => (
      await send("TagResource", { KeyId: w.key, Tags: fiveTimes((i) => ({ TagKey: `t${i}`, TagValue: "" })) }),
      { KeyId: w.key }
    ),
  ],
  ["ListKeyRotations", "Rotations", async (w) => (fiveTimes(() => w.kms.rotateKey(w.key)), { KeyId: w.key })],
  ["ListKeyPolicies", "PolicyNames", async (w) => ({ KeyId: w.key })],
];
const fiveTimes = <T>(make: (index: number) => T): T[] => Array.from({ length: 5 }, (_, index) => make(index));

const paging: Case[] = lists.map(([operation, items, fill]) => ({
  name: `${operation} in pages gives what it gives at once`,
  call: async (w, send) => {
    const input = await fill(w, send);
    const paged: unknown[] = [];
    for (let Marker: unknown; ;) {
      const page = await send(operation, { ...input, Limit: 2, ...(Marker !== undefined && { Marker }) });
      paged.push(...(page[items] as unknown[]));
      expect(page["Truncated"]).toBe(page["NextMarker"] !== undefined);
      if ((Marker = page["NextMarker"]) === undefined) break;
    }
    expect(paged).toEqual((await send(operation, input))[items]);
    return [operation, { ...input, Limit: 1000 }];
  },
  output: (o) => expect((o[items] as unknown[]).length).toBeGreaterThanOrEqual(operation === "ListKeyPolicies" ? 1 : 5),
}));

const limits: Case[] = [
  {
    name: "a page limit of 1,001",
    call: () => ["ListKeys", { Limit: 1001 }],
    error: [
      "ValidationException",
      validation(
        "Value '1001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 1000",
      ),
    ],
  },
  {
    name: "at most 100 aliases in a page",
    given: (w) => {
      for (let i = 0; i < 120; i += 1) w.kms.createKey({ ...w.inAccount, alias: `alias/${i}` });
    },
    call: () => ["ListAliases", { Limit: 1000 }],
    output: (o) => expect([(o["Aliases"] as unknown[]).length, o["Truncated"]]).toEqual([100, true]),
  },
  {
    name: "a 51st alias of a key",
    given: (w) => {
      for (let i = 1; i < 50; i += 1) w.kms.createAlias(`alias/${i}`, w.key);
    },
    call: (w) => ["CreateAlias", { AliasName: "alias/50", TargetKeyId: w.key }],
    error: [
      "LimitExceededException",
      "Aliases per key quota for this account in this region is 50, current usage is 50.",
    ],
  },
  {
    name: "an alias of an alias",
    call: (w) => ["CreateAlias", { AliasName: "alias/second", TargetKeyId: w.aliasArn }],
    error: ["ValidationException", "Aliases must refer to keys. Not aliases"],
  },
  {
    name: "ListAliases of an alias",
    call: (w) => ["ListAliases", { KeyId: w.aliasArn }],
    error: ["InvalidArnException"],
  },
  {
    name: "an alias name with a space",
    call: (w) => ["CreateAlias", { AliasName: "alias/a b", TargetKeyId: w.key }],
    error: [
      "ValidationException",
      validation(
        "Value 'alias/a b' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$",
      ),
    ],
  },
  {
    name: "a policy in another script",
    call: (w) => ["PutKeyPolicy", { KeyId: w.key, Policy: "{}\u0100" }],
    error: [
      "ValidationException",
      validation(
        "Value '{}\u0100' at 'policy' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\u0009\\u000A\\u000D\\u0020-\\u00FF]+",
      ),
    ],
  },
  {
    name: "a policy of more than 32 KiB",
    call: (w) => ["PutKeyPolicy", { KeyId: w.key, Policy: `${w.kms.getKeyPolicy(w.key)}${" ".repeat(32_768)}` }],
    error: ["LimitExceededException"],
  },
  {
    name: "a tag key without a character",
    call: (w) => ["UntagResource", { KeyId: w.key, TagKeys: ["a", ""] }],
    error: [
      "ValidationException",
      validation(
        "Value '[a, ]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]",
      ),
    ],
  },
  {
    name: "eleven grant tokens",
    call: (w) => ["Encrypt", { KeyId: w.key, Plaintext, GrantTokens: Array.from({ length: 11 }, () => "t") }],
    error: [
      "ValidationException",
      validation(
        `Value '[${Array.from({ length: 11 }, () => "t").join(", ")}]' at 'grantTokens' failed to satisfy constraint: Member must have length less than or equal to 10`,
      ),
    ],
  },
  {
    name: "several mistakes are told together",
    call: () => ["Decrypt", { KeyId: "", CiphertextBlob: new Uint8Array(6145) }],
    error: [
      "ValidationException",
      "2 validation errors detected: Value at 'ciphertextBlob' failed to satisfy constraint: Member must have length less than or equal to 6144; Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ],
  },
];

/** Besides "*" and the forms in other tests. */
const principals: Case[] = [
  ...[
    "bob",
    "arn:aws:iam::*:root",
    "arn:aws:iam::111122223333:role/*",
    "arn:aws:s3:::bucket",
    "arn:aws:iam::111122223333:group/admins",
  ].map((AWS): Case => ({
    name: `a policy for ${AWS}`,
    call: (w) => ["PutKeyPolicy", { KeyId: w.key, Policy: policyFor({ AWS: [`arn:aws:iam::${customer}:root`, AWS] }) }],
    error: ["MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals."],
  })),
  ...[
    "111122223333",
    "arn:aws:iam::111122223333:role/path/name",
    "arn:aws:sts::111122223333:assumed-role/name/session",
  ].map((AWS): Case => ({
    name: `a policy for ${AWS}`,
    call: (w) => ["PutKeyPolicy", { KeyId: w.key, Policy: policyFor({ AWS: [`arn:aws:iam::${customer}:root`, AWS] }) }],
    output: (o) => expect(o).toEqual({}),
  })),
];
const policyFor = (Principal: object) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal, Action: "kms:*", Resource: "*" }],
  });

const notModelled: Case[] = [
  {
    name: "a grant for a service",
    source: "ours",
    call: (w) => [
      "CreateGrant",
      { KeyId: w.key, GranteeServicePrincipal: "s3.amazonaws.com", Operations: ["Decrypt"] },
    ],
    error: ["UnsupportedOperationException", "The in-memory KMS does not model GranteeServicePrincipal."],
  },
  {
    name: "RSA encryption",
    call: (w) => [
      "Encrypt",
      {
        KeyId: w.kms.createKey({ ...w.inAccount, keySpec: "RSA_2048", keyUsage: "ENCRYPT_DECRYPT" }),
        Plaintext,
        EncryptionAlgorithm: "RSAES_OAEP_SHA_256",
      },
    ],
    output: (output) => expect(output).toMatchObject({ EncryptionAlgorithm: "RSAES_OAEP_SHA_256" }),
  },
  {
    name: "an RSA key under the default algorithm",
    call: (w) => [
      "Encrypt",
      { KeyId: w.kms.createKey({ ...w.inAccount, keySpec: "RSA_2048", keyUsage: "ENCRYPT_DECRYPT" }), Plaintext },
    ],
    error: ["InvalidKeyUsageException", "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."],
  },
  {
    name: "an RSA algorithm under a symmetric key",
    call: (w) => ["Encrypt", { KeyId: w.key, Plaintext, EncryptionAlgorithm: "RSAES_OAEP_SHA_256" }],
    error: [
      "InvalidKeyUsageException",
      "Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT.",
    ],
  },
];

const grants: Case[] = [
  {
    name: "a grant token that is none",
    call: (w) => ["Encrypt", { KeyId: w.key, Plaintext, GrantTokens: ["dG9rZW4="] }],
    error: ["InvalidGrantTokenException"],
  },
  {
    name: "a grant token",
    as: "service",
    call: async (w, send) => {
      const CiphertextBlob = await sealed(send, w.key);
      return [
        "Decrypt",
        { CiphertextBlob, EncryptionContext: context, GrantTokens: [(await granted(send, w.key)).GrantToken] },
      ];
    },
    output: (o) => expect(Buffer.from(o["Plaintext"] as Uint8Array)).toEqual(Plaintext),
  },
  {
    name: "every token of a named grant stands for it",
    as: "admin",
    call: async (w, send) => {
      const [first, second] = [
        await granted(send, w.key, { Name: "once" }),
        await granted(send, w.key, { Name: "once" }),
      ];
      expect(second.GrantId).toBe(first.GrantId);
      return ["RetireGrant", { GrantToken: first.GrantToken }];
    },
    output: (_o, w) => expect(w.kms.journal.count("CreateGrant")).toBe(2),
  },
  {
    name: "a constraint's keys are compared whatever their letter case",
    as: "service",
    call: async (w, send) => {
      const CiphertextBlob = await sealed(send, w.key);
      await granted(send, w.key, {
        Constraints: { EncryptionContextEquals: { PURPOSE: "test", "Genesys-Cloud-Organization-Id": "org-1" } },
      });
      return ["Decrypt", { CiphertextBlob, EncryptionContext: context }];
    },
    output: (o) => expect(o).toHaveProperty("Plaintext"),
  },
  {
    name: "a constraint's values are compared exactly",
    as: "service",
    call: async (w, send) => {
      const CiphertextBlob = await sealed(send, w.key);
      await granted(send, w.key, { Constraints: { EncryptionContextSubset: { purpose: "TEST" } } });
      return ["Decrypt", { CiphertextBlob, EncryptionContext: context }];
    },
    error: ["AccessDeniedException"],
  },
  {
    name: "a constraint of nine pairs",
    call: (w) => [
      "CreateGrant",
      {
        KeyId: w.key,
        GranteePrincipal: grantee,
        Operations: ["Decrypt"],
        Constraints: {
          EncryptionContextSubset: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`k${i}`, ""])),
        },
      },
    ],
    error: ["LimitExceededException"],
  },
  {
    name: "a constraint's value of 385 characters",
    call: (w) => [
      "CreateGrant",
      {
        KeyId: w.key,
        GranteePrincipal: grantee,
        Operations: ["Decrypt"],
        Constraints: { EncryptionContextEquals: { k: "v".repeat(385) } },
      },
    ],
    error: ["LimitExceededException"],
  },
  {
    name: "a constraint on an asymmetric key",
    call: (w) => [
      "CreateGrant",
      {
        KeyId: w.kms.createKey({ ...w.inAccount, keySpec: "RSA_2048", keyUsage: "SIGN_VERIFY" }),
        GranteePrincipal: grantee,
        Operations: ["Sign"],
        Constraints: { EncryptionContextEquals: { k: "v" } },
      },
    ],
    error: ["ValidationException"],
  },
  {
    name: "ListRetirableGrants tells of other accounts' keys too",
    as: "service",
    call: async (w, send) => {
      await granted(send, w.key, { RetiringPrincipal: grantee });
      await granted(send, w.key, { RetiringPrincipal: `arn:aws:iam::${customer}:user/bob` });
      return ["ListRetirableGrants", { RetiringPrincipal: grantee }];
    },
    output: (o, w) =>
      expect(o).toMatchObject({
        Grants: [
          {
            KeyId: w.key,
            RetiringPrincipal: grantee,
            GranteePrincipal: grantee,
            Operations: ["Decrypt"],
            IssuingAccount: `arn:aws:iam::${customer}:root`,
          },
        ],
        Truncated: false,
      }),
  },
  {
    name: "ListGrants by grantee",
    call: async (w, send) => {
      await granted(send, w.key);
      await granted(send, w.key, { GranteePrincipal: `arn:aws:iam::${customer}:user/bob` });
      return ["ListGrants", { KeyId: w.key, GranteePrincipal: grantee }];
    },
    output: (o, w) =>
      expect(o["Grants"]).toEqual([
        {
          KeyId: w.key,
          GrantId: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
          Name: "",
          CreationDate: new Date(w.clock.now()),
          GranteePrincipal: grantee,
          IssuingAccount: `arn:aws:iam::${customer}:root`,
          Operations: ["Decrypt"],
        },
      ]),
  },
];

const tagging: Case[] = [
  {
    name: "CreateKey with tags needs the right to tag",
    as: "stranger",
    given: (w) => {
      const noTags = {
        Version: "2012-10-17",
        Statement: [
          { Effect: "Allow", Action: "kms:*", Resource: "*" },
          { Effect: "Deny", Action: "kms:TagResource", Resource: "*" },
        ],
      };
      w.callers.stranger = w.kms.addPrincipal({
        arn: `arn:aws:iam::${customer}:user/erin`,
        identityPolicy: noTags,
      }).accessKeyId;
    },
    region: home,
    call: () => ["CreateKey", { Tags: [{ TagKey: "a", TagValue: "b" }] }],
    error: [
      "AccessDeniedException",
      `User: arn:aws:iam::${customer}:user/erin is not authorized to perform: kms:TagResource on resource: * with an explicit deny in an identity-based policy`,
    ],
  },
];

export const inputCases: readonly Case[] = [
  ...dryRuns,
  ...paging,
  ...limits,
  ...principals,
  ...notModelled,
  ...grants,
  ...tagging,
];
