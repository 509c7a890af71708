import { expect } from "vitest";
import type { Send } from "../cases.js";
import { context, customer, service, type World } from "../world.js";
import { bytes, keyOf, type Row } from "./row.js";

const Plaintext = Buffer.from("a recording's key");
const encrypted = async (send: Send, KeyId: string) =>
  (await send("Encrypt", { KeyId, Plaintext }))["CiphertextBlob"] as Uint8Array;

const incorrectKey = [
  "IncorrectKeyException",
  "The key ID in the request does not identify a CMK that can perform this operation.",
] as const;

const otherKinds = [
  ["HMAC", "HMAC_224", "GENERATE_VERIFY_MAC"],
  ["signing", "ECC_NIST_P256", "SIGN_VERIFY"],
  ["key agreement", "ECC_NIST_P384", "KEY_AGREEMENT"],
  ["RSA", "RSA_2048", "ENCRYPT_DECRYPT"],
] as const;

const wrongKeys = otherKinds.flatMap(([kind, spec, usage]): Row[] => [
  {
    operation: "Decrypt",
    situation: `of a symmetric ciphertext under the id of a key of another kind (${kind})`,
    source: kind === "HMAC" ? "recorded" : "documented",
    input: async (w, send) => ({
      CiphertextBlob: await encrypted(send, w.key),
      KeyId: keyOf(w, spec, usage),
    }),
    error: incorrectKey,
  },
  {
    operation: "ReEncrypt",
    situation: `from the id of a key of another kind (${kind})`,
    source: kind === "HMAC" ? "recorded" : "documented",
    input: async (w, send) => ({
      CiphertextBlob: await encrypted(send, w.key),
      SourceKeyId: keyOf(w, spec, usage),
      DestinationKeyId: w.key,
    }),
    error: incorrectKey,
  },
]);

/** A key whose policy allows what `statement` says to bob, whom IAM allows nothing. */
const keyFor = (world: World, statement: object) =>
  world.kms.createKey({
    ...world.inAccount,
    policy: {
      Statement: [
        {
          Effect: "Allow",
          Principal: { AWS: `arn:aws:iam::${customer}:user/bob` },
          Action: "kms:*",
          Resource: "*",
          ...statement,
        },
      ],
    },
  });

const conditionRow = (
  situation: string,
  condition: object,
  { allowed, encryptionContext = {} }: { allowed: boolean; encryptionContext?: Record<string, string> },
): Row => ({
  operation: "Encrypt",
  situation,
  source: "documented",
  as: "bob",
  input: (w) => ({
    KeyId: keyFor(w, { Condition: condition }),
    Plaintext,
    EncryptionContext: encryptionContext,
  }),
  ...(allowed
    ? {}
    : {
        error: [
          "AccessDeniedException",
          `User: arn:aws:iam::${customer}:user/bob is not authorized to perform: kms:Encrypt on resource: {KeyId} because no resource-based policy allows the kms:Encrypt action`,
        ],
      }),
});

const contextKeys = "kms:EncryptionContextKeys";
const conditions: Row[] = [
  conditionRow("without a context, where Null asks for one", { Null: { [contextKeys]: "false" } }, { allowed: false }),
  conditionRow("without a context, where Null asks for none", { Null: { [contextKeys]: "true" } }, { allowed: true }),
  conditionRow(
    "under a context, where Null asks for one",
    { Null: { [contextKeys]: "false" } },
    { allowed: true, encryptionContext: context },
  ),
  conditionRow(
    "by a key without aliases, where Null asks for one",
    { Null: { "kms:ResourceAliases": "false" } },
    { allowed: false },
  ),
  conditionRow(
    "without a context, where ForAllValues names its keys",
    { "ForAllValues:StringEquals": { [contextKeys]: "purpose" } },
    { allowed: true },
  ),
  conditionRow(
    "without a context, where ForAnyValue names its keys",
    { "ForAnyValue:StringEquals": { [contextKeys]: "purpose" } },
    { allowed: false },
  ),
  conditionRow(
    "without a context, where ForAnyValue:…Not… names its keys",
    { "ForAnyValue:StringNotEquals": { [contextKeys]: "purpose" } },
    { allowed: false },
  ),
];

const aliasName = (operation: string): Row => ({
  operation,
  situation: "with a colon in the alias name",
  source: "recorded",
  input: (w) => ({ AliasName: "alias/a:b", ...(operation !== "DeleteAlias" && { TargetKeyId: w.key }) }),
  error: ["ValidationException", "{AliasName} contains invalid characters for an alias"],
});

const underRsa = (operation: string, input: object): Row => ({
  operation,
  situation: "under an RSA key",
  source: "documented",
  input: (w) => ({ KeyId: keyOf(w, "RSA_2048", "ENCRYPT_DECRYPT"), ...input }),
  error: ["InvalidKeyUsageException", `{KeyId} key KeySpec is RSA_2048 which is not valid for ${operation}.`],
});

const accountArn = (account: string) => `arn:aws:iam::${account}:root`;
const grantTo = async (world: World, send: Send, grantee: string) => {
  const KeyId = world.kms.createKey(world.inAccount);
  await send("CreateGrant", { KeyId, GranteePrincipal: grantee, Operations: ["Encrypt"] });
  return { KeyId, Plaintext };
};

export const faultRows: readonly Row[] = [
  ...wrongKeys,
  ...conditions,
  ...["CreateAlias", "UpdateAlias", "DeleteAlias"].map(aliasName),
  {
    operation: "CreateAlias",
    situation: "with nothing after alias/",
    source: "documented",
    input: (w) => ({ AliasName: "alias/", TargetKeyId: w.key }),
    error: ["InvalidAliasNameException"],
  },
  {
    operation: "Encrypt",
    situation: "by an alias name that no alias can have",
    source: "recorded",
    input: () => ({ KeyId: "alias/a b", Plaintext }),
    error: ["NotFoundException", `Alias arn:aws:kms:us-east-1:${customer}:{KeyId} is not found.`],
  },
  {
    operation: "Encrypt",
    situation: "with 141 bytes more than the plaintext",
    source: "recorded",
    input: (w) => ({ KeyId: w.key, Plaintext }),
    output: ({ CiphertextBlob }) => expect(bytes(CiphertextBlob)).toHaveLength(Plaintext.length + 141),
  },
  {
    operation: "GenerateDataKey",
    situation: "with 141 bytes more than the data key",
    source: "recorded",
    input: (w) => ({ KeyId: w.key, KeySpec: "AES_256" }),
    output: ({ CiphertextBlob }) => expect(bytes(CiphertextBlob)).toHaveLength(32 + 141),
  },
  underRsa("GenerateDataKey", { KeySpec: "AES_256" }),
  underRsa("GenerateDataKeyWithoutPlaintext", { KeySpec: "AES_256" }),
  underRsa("GenerateDataKeyPair", { KeyPairSpec: "ECC_NIST_P256" }),
  {
    operation: "ReplicateKey",
    situation: "into a Region that there is not",
    source: "ours",
    input: (w) => ({ KeyId: w.kms.createKey({ ...w.inAccount, multiRegion: true }), ReplicaRegion: "eu-wset-1" }),
    error: ["ValidationException", "The region {ReplicaRegion} does not exist or is not available."],
  },
  {
    operation: "ReplicateKey",
    situation: "into a Region of another partition",
    source: "ours",
    input: (w) => ({ KeyId: w.kms.createKey({ ...w.inAccount, multiRegion: true }), ReplicaRegion: "us-iso-east-1" }),
    error: ["ValidationException", "The region {ReplicaRegion} is not in the partition of us-east-1."],
  },
  {
    operation: "Encrypt",
    situation: "by a grant to the caller's account, which leaves it to IAM (allowed there)",
    source: "documented",
    as: "service",
    input: (w, send) => grantTo(w, send, accountArn(service)),
  },
  {
    operation: "Encrypt",
    situation: "by a grant to the caller's account, which leaves it to IAM (not allowed there)",
    source: "documented",
    as: "bob",
    input: (w, send) => grantTo(w, send, accountArn(customer)),
    error: [
      "AccessDeniedException",
      `User: arn:aws:iam::${customer}:user/bob is not authorized to perform: kms:Encrypt on resource: {KeyId} because no identity-based policy allows the kms:Encrypt action`,
    ],
  },
  {
    operation: "Encrypt",
    situation: "by a grant to another account",
    source: "documented",
    as: "stranger",
    input: (w, send) => grantTo(w, send, accountArn(service)),
    error: [
      "AccessDeniedException",
      "User: arn:aws:iam::999999999999:user/mallory is not authorized to perform: kms:Encrypt on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access",
    ],
  },
];
