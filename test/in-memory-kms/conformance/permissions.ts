import { expect } from "vitest";
import type { KeySpec, KeyUsage } from "../../../src/in-memory-kms/key-specs.js";
import { customer, type World } from "../world.js";
import { type Input, type Row } from "./row.js";

const bob = `arn:aws:iam::${customer}:user/bob`;
const Message = Buffer.from("message");

/** Calls with each condition key's value in them, and a value that is not. */
const conditioned: readonly (readonly [
  operation: string,
  conditionKey: string,
  kind: readonly [KeySpec, KeyUsage],
  input: Input,
  value: string,
])[] = [
  [
    "Sign",
    "kms:SigningAlgorithm",
    ["ECC_NIST_P256", "SIGN_VERIFY"],
    { Message, SigningAlgorithm: "ECDSA_SHA_256" },
    "ECDSA_SHA_256",
  ],
  ["Sign", "kms:MessageType", ["ECC_NIST_P256", "SIGN_VERIFY"], { Message, SigningAlgorithm: "ECDSA_SHA_256" }, "RAW"],
  [
    "GenerateMac",
    "kms:MacAlgorithm",
    ["HMAC_256", "GENERATE_VERIFY_MAC"],
    { Message, MacAlgorithm: "HMAC_SHA_256" },
    "HMAC_SHA_256",
  ],
  [
    "Encrypt",
    "kms:EncryptionAlgorithm",
    ["RSA_2048", "ENCRYPT_DECRYPT"],
    { Plaintext: Message, EncryptionAlgorithm: "RSAES_OAEP_SHA_256" },
    "RSAES_OAEP_SHA_256",
  ],
  ["GetPublicKey", "kms:KeySpec", ["ECC_NIST_P256", "SIGN_VERIFY"], {}, "ECC_NIST_P256"],
  ["GetPublicKey", "kms:KeyUsage", ["ECC_NIST_P256", "KEY_AGREEMENT"], {}, "KEY_AGREEMENT"],
  ["GetPublicKey", "kms:KeyOrigin", ["ECC_NIST_P256", "SIGN_VERIFY"], {}, "AWS_KMS"],
];

const keyUnder = (world: World, [keySpec, keyUsage]: readonly [KeySpec, KeyUsage], condition: object) =>
  world.kms.createKey({
    ...world.inAccount,
    keySpec,
    keyUsage,
    policy: {
      Statement: [{ Effect: "Allow", Principal: { AWS: bob }, Action: "kms:*", Resource: "*", Condition: condition }],
    },
  });

const conditionRows = conditioned.flatMap(([operation, conditionKey, kind, input, value]): Row[] =>
  [true, false].map((allowed) => ({
    operation,
    situation: `where ${conditionKey} must be ${allowed ? "its own" : "another"}`,
    source: "documented",
    as: "bob",
    input: (w) => ({
      KeyId: keyUnder(w, kind, { StringEquals: { [conditionKey]: allowed ? value : "another" } }),
      ...input,
    }),
    ...(!allowed && {
      error: [
        "AccessDeniedException",
        `User: ${bob} is not authorized to perform: kms:${operation} on resource: {KeyId} because no resource-based policy allows the kms:${operation} action`,
      ] as const,
    }),
  })),
);

const granted: readonly (readonly [operation: string, kind: readonly [KeySpec, KeyUsage], input: Input])[] = [
  ["Sign", ["ECC_NIST_P256", "SIGN_VERIFY"], { Message, SigningAlgorithm: "ECDSA_SHA_256" }],
  ["GetPublicKey", ["ECC_NIST_P256", "SIGN_VERIFY"], {}],
  ["GenerateMac", ["HMAC_256", "GENERATE_VERIFY_MAC"], { Message, MacAlgorithm: "HMAC_SHA_256" }],
];

const grantRows = granted.map(([operation, [keySpec, keyUsage], input]): Row => ({
  operation,
  situation: "by a grant for it, to a caller without any other right",
  source: "documented",
  as: "bob",
  input: async (w, send) => {
    const KeyId = w.kms.createKey({ ...w.inAccount, keySpec, keyUsage });
    await send("CreateGrant", { KeyId, GranteePrincipal: bob, Operations: [operation] });
    return { KeyId, ...input };
  },
  output: (output, _world, { KeyId }) => expect(output).toMatchObject({ KeyId }),
}));

export const permissionRows: readonly Row[] = [
  ...conditionRows,
  ...grantRows,
  {
    operation: "CreateGrant",
    situation: "for signing, on a symmetric key",
    source: "documented",
    input: (w) => ({ KeyId: w.key, GranteePrincipal: bob, Operations: ["Sign"] }),
    error: ["ValidationException", "Grant operations Sign are not valid for key spec SYMMETRIC_DEFAULT."],
  },
];
