import { expect } from "vitest";
import type { Source } from "./conformance/row.js";
import { context, customer, day, home, type CallerName, type World } from "./world.js";

export type Send = (
  operation: string,
  input: Record<string, unknown>,
  as?: CallerName,
  region?: string,
) => Promise<Record<string, unknown>>;

export interface Case {
  name: string;
  /** Where the answer is known from. Default: documented, of an error its name. */
  source?: Source;
  /** Prepares the world. */
  given?: (world: World) => void;
  as?: CallerName;
  region?: string;
  /** The call. May make others before. */
  call: (world: World, send: Send) => [string, Record<string, unknown>] | Promise<[string, Record<string, unknown>]>;
  /** `undefined` for an error without a message. */
  error?: [name: string, message?: string | ((world: World) => string), status?: number];
  output?: (output: Record<string, unknown>, world: World) => void;
}

const Plaintext = Buffer.from("a recording's key");
const unknownId = "12345678-1234-1234-1234-123456789012";
const arnOf = (id: string, region = home, account = customer) => `arn:aws:kms:${region}:${account}:key/${id}`;
const validation = (text: string) => `1 validation error detected: ${text}`;

const encrypted = async (send: Send, KeyId: string, EncryptionContext?: Record<string, string>) =>
  (await send("Encrypt", { KeyId, Plaintext, ...(EncryptionContext && { EncryptionContext }) }))[
    "CiphertextBlob"
  ] as Uint8Array;

const decrypts = (output: Record<string, unknown>, { key }: World) => {
  expect(Buffer.from(output["Plaintext"] as Uint8Array)).toEqual(Plaintext);
  expect(output).toMatchObject({
    KeyId: key,
    EncryptionAlgorithm: "SYMMETRIC_DEFAULT",
    KeyMaterialId: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
  });
};

const keyForms: Case[] = (["key", "keyId", "aliasArn"] as const).flatMap((form) => [
  {
    name: `Encrypt takes ${form}, and answers with the key ARN`,
    call: (world: World): [string, Record<string, unknown>] => ["Encrypt", { KeyId: world[form], Plaintext }],
    output: (output: Record<string, unknown>, world: World) => expect(output).toMatchObject({ KeyId: world.key }),
  },
]);

const encryption: Case[] = [
  ...keyForms,
  {
    name: "Encrypt takes an alias name",
    call: () => ["Encrypt", { KeyId: "alias/recordings", Plaintext }],
    output: (o, w) => expect(o).toMatchObject({ KeyId: w.key }),
  },
  {
    name: "Decrypt returns what Encrypt encrypted",
    call: async (w, send) => [
      "Decrypt",
      { CiphertextBlob: await encrypted(send, w.key, context), EncryptionContext: context },
    ],
    output: decrypts,
  },
  {
    name: "the context's order is irrelevant",
    call: async (w, send) => [
      "Decrypt",
      { CiphertextBlob: await encrypted(send, w.key, { a: "1", b: "2" }), EncryptionContext: { b: "2", a: "1" } },
    ],
    output: decrypts,
  },
  {
    name: "a context is compared exactly",
    source: "recorded",
    call: async (w, send) => [
      "Decrypt",
      { CiphertextBlob: await encrypted(send, w.key, { a: "1" }), EncryptionContext: { A: "1" } },
    ],
    error: ["InvalidCiphertextException"],
  },
  {
    name: "contexts with the same characters differ",
    source: "recorded",
    call: async (w, send) => [
      "Decrypt",
      { CiphertextBlob: await encrypted(send, w.key, { a: "b", c: "d" }), EncryptionContext: { a: "bc", d: "" } },
    ],
    error: ["InvalidCiphertextException"],
  },
  {
    name: "a missing context is refused",
    source: "recorded",
    call: async (w, send) => ["Decrypt", { CiphertextBlob: await encrypted(send, w.key, context) }],
    error: ["InvalidCiphertextException"],
  },
  {
    name: "garbage is no ciphertext",
    source: "recorded",
    call: (w) => ["Decrypt", { CiphertextBlob: Buffer.from("garbage"), KeyId: w.key }],
    error: ["InvalidCiphertextException"],
  },
  {
    name: "another key's ciphertext under a named key",
    source: "recorded",
    call: async (w, send) => [
      "Decrypt",
      { CiphertextBlob: await encrypted(send, w.key), KeyId: w.kms.createKey(w.inAccount) },
    ],
    error: [
      "IncorrectKeyException",
      "The key ID in the request does not identify a CMK that can perform this operation.",
    ],
  },
  {
    name: "a ciphertext of an unknown key",
    source: "recorded",
    call: async (w, send) => ["Decrypt", { CiphertextBlob: await encrypted(send, w.key) }],
    region: "eu-west-1",
    error: [
      "AccessDeniedException",
      "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
    ],
  },
  {
    name: "ReEncrypt moves a ciphertext to another key and context",
    call: async (w, send) => [
      "ReEncrypt",
      {
        CiphertextBlob: await encrypted(send, w.key, context),
        SourceEncryptionContext: context,
        DestinationKeyId: w.kms.createKey({ ...w.inAccount, alias: "alias/next" }),
        DestinationEncryptionContext: { x: "y" },
      },
    ],
    output: (o, w) => expect(o).toMatchObject({ SourceKeyId: w.key, KeyId: expect.stringMatching(/:key\//) as string }),
  },
  {
    name: "a plaintext of 4,096 bytes",
    call: (w) => ["Encrypt", { KeyId: w.key, Plaintext: new Uint8Array(4096) }],
    output: (o) => expect(o).toHaveProperty("CiphertextBlob"),
  },
  {
    name: "a plaintext of 4,097 bytes",
    call: (w) => ["Encrypt", { KeyId: w.key, Plaintext: new Uint8Array(4097) }],
    error: [
      "ValidationException",
      validation(
        "Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096",
      ),
    ],
  },
  {
    name: "a ciphertext of 6,145 bytes",
    call: () => ["Decrypt", { CiphertextBlob: new Uint8Array(6145) }],
    error: [
      "ValidationException",
      validation(
        "Value at 'ciphertextBlob' failed to satisfy constraint: Member must have length less than or equal to 6144",
      ),
    ],
  },
  {
    name: "DryRun of Encrypt",
    call: (w) => ["Encrypt", { KeyId: w.key, Plaintext, DryRun: true }],
    error: ["DryRunOperationException", "The request would have succeeded, but the DryRun option is set."],
  },
  {
    name: "DryRun of a call that would fail",
    given: (w) => w.kms.disableKey(w.key),
    call: (w) => ["Encrypt", { KeyId: w.key, Plaintext, DryRun: true }],
    error: ["DisabledException", (w) => `${w.key} is disabled.`],
  },
];

const naming: Case[] = [
  {
    name: "an unknown key id",
    source: "recorded",
    call: () => ["DescribeKey", { KeyId: unknownId }],
    error: ["NotFoundException", `Key '${arnOf(unknownId)}' does not exist`],
  },
  {
    name: "an unknown key ARN",
    source: "recorded",
    call: () => ["DescribeKey", { KeyId: arnOf(unknownId) }],
    error: ["NotFoundException", `Key '${arnOf(unknownId)}' does not exist`],
  },
  {
    name: "no key id at all",
    source: "recorded",
    call: () => ["DescribeKey", { KeyId: "fake-key-id" }],
    error: ["NotFoundException", "Invalid keyId 'fake-key-id'"],
  },
  {
    name: "a key ARN of another Region",
    call: () => ["DescribeKey", { KeyId: arnOf(unknownId, "eu-west-1") }],
    error: ["NotFoundException", "Invalid arn eu-west-1"],
  },
  {
    name: "an unknown alias",
    source: "recorded",
    call: () => ["Encrypt", { KeyId: "alias/nobody", Plaintext }],
    error: ["NotFoundException", `Alias arn:aws:kms:${home}:${customer}:alias/nobody is not found.`],
  },
  {
    name: "an alias where only keys are accepted",
    call: () => ["DisableKey", { KeyId: "alias/recordings" }],
    error: ["InvalidArnException", "Key Aliases are not supported for this operation"],
  },
  {
    name: "an ARN of something else",
    call: () => ["Encrypt", { KeyId: "arn:aws:s3:::bucket", Plaintext }],
    error: ["InvalidArnException", "Invalid arn arn:aws:s3:::bucket"],
  },
  {
    name: "another account's key",
    source: "recorded",
    as: "stranger",
    call: (w) => ["DescribeKey", { KeyId: w.key }],
    error: [
      "AccessDeniedException",
      "User: arn:aws:iam::999999999999:user/mallory is not authorized to perform: kms:DescribeKey on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access",
    ],
  },
  {
    name: "another account's key by its bare id means one's own account",
    as: "stranger",
    call: (w) => ["DescribeKey", { KeyId: w.keyId }],
    error: ["NotFoundException", (w) => `Key '${arnOf(w.keyId, home, "999999999999")}' does not exist`],
  },
];

const aliases: Case[] = [
  {
    name: "CreateAlias",
    call: (w) => ["CreateAlias", { AliasName: "alias/another", TargetKeyId: w.key }],
    output: (o) => expect(o).toEqual({}),
  },
  {
    name: "an alias that exists",
    source: "recorded",
    call: (w) => ["CreateAlias", { AliasName: "alias/recordings", TargetKeyId: w.key }],
    error: ["AlreadyExistsException", (w) => `An alias with the name ${w.aliasArn} already exists`],
  },
  {
    name: "an alias without its prefix",
    call: (w) => ["CreateAlias", { AliasName: "recordings", TargetKeyId: w.key }],
    error: [
      "ValidationException",
      'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html',
    ],
  },
  {
    name: "a reserved alias",
    source: "recorded",
    call: (w) => ["CreateAlias", { AliasName: "alias/aws/mine", TargetKeyId: w.key }],
    error: ["NotAuthorizedException"],
  },
  {
    name: "an alias with a character that is not allowed",
    source: "recorded",
    call: (w) => ["CreateAlias", { AliasName: "alias/a:b", TargetKeyId: w.key }],
    error: ["ValidationException", "alias/a:b contains invalid characters for an alias"],
  },
  {
    name: "UpdateAlias points encryption at the new key",
    call: async (w, send) => {
      const next = w.kms.createKey(w.inAccount);
      await send("UpdateAlias", { AliasName: "alias/recordings", TargetKeyId: next });
      return ["Encrypt", { KeyId: w.aliasArn, Plaintext }];
    },
    output: (o, w) => expect(o["KeyId"]).not.toBe(w.key),
  },
  {
    name: "UpdateAlias to a key of another kind",
    call: (w) => [
      "UpdateAlias",
      {
        AliasName: "alias/recordings",
        TargetKeyId: w.kms.createKey({ ...w.inAccount, keySpec: "RSA_2048", keyUsage: "ENCRYPT_DECRYPT" }),
      },
    ],
    error: ["ValidationException"],
  },
  {
    name: "UpdateAlias to an asymmetric key of another family",
    call: (w) => {
      w.kms.createKey({ ...w.inAccount, keySpec: "RSA_2048", keyUsage: "SIGN_VERIFY", alias: "alias/signing" });
      return [
        "UpdateAlias",
        {
          AliasName: "alias/signing",
          TargetKeyId: w.kms.createKey({ ...w.inAccount, keySpec: "ECC_NIST_P256", keyUsage: "SIGN_VERIFY" }),
        },
      ];
    },
    output: (o) => expect(o).toEqual({}),
  },
  {
    name: "DeleteAlias",
    source: "recorded",
    call: async (_w, send) => {
      await send("DeleteAlias", { AliasName: "alias/recordings" });
      return ["Encrypt", { KeyId: "alias/recordings", Plaintext }];
    },
    error: ["NotFoundException", `Alias arn:aws:kms:${home}:${customer}:alias/recordings is not found.`],
  },
  {
    name: "ListAliases of a key",
    call: (w) => ["ListAliases", { KeyId: w.key }],
    output: (o, w) =>
      expect(o).toMatchObject({
        Aliases: [{ AliasName: "alias/recordings", AliasArn: w.aliasArn, TargetKeyId: w.keyId }],
        Truncated: false,
      }),
  },
];

const states: Case[] = [
  ...(["Encrypt", "GenerateDataKey", "GenerateDataKeyPairWithoutPlaintext"] as const).map((operation): Case => ({
    name: `${operation} under a disabled key`,
    source: "recorded",
    given: (w) => w.kms.disableKey(w.key),
    call: (w) => [
      operation,
      {
        KeyId: w.aliasArn,
        ...(operation === "Encrypt"
          ? { Plaintext }
          : operation === "GenerateDataKey"
            ? { KeySpec: "AES_256" }
            : { KeyPairSpec: "RSA_2048" }),
      },
    ],
    error: ["DisabledException", (w) => `${w.key} is disabled.`],
  })),
  {
    name: "Decrypt under a disabled key",
    call: async (w, send) => {
      const CiphertextBlob = await encrypted(send, w.key);
      w.kms.disableKey(w.key);
      return ["Decrypt", { CiphertextBlob }];
    },
    error: ["DisabledException", (w) => `${w.key} is disabled.`],
  },
  {
    name: "Decrypt under a key that was enabled again",
    call: async (w, send) => {
      const CiphertextBlob = await encrypted(send, w.key);
      await send("DisableKey", { KeyId: w.key });
      await send("EnableKey", { KeyId: w.key });
      return ["Decrypt", { CiphertextBlob }];
    },
    output: decrypts,
  },
  {
    name: "Encrypt under a key that is pending deletion",
    source: "recorded",
    given: (w) => w.kms.scheduleKeyDeletion(w.key),
    call: (w) => ["Encrypt", { KeyId: w.key, Plaintext }],
    error: ["KMSInvalidStateException", (w) => `${w.key} is pending deletion.`],
  },
  {
    name: "ScheduleKeyDeletion tells the date",
    call: (w) => ["ScheduleKeyDeletion", { KeyId: w.keyId, PendingWindowInDays: 7 }],
    output: (o, w) =>
      expect(o).toEqual({
        KeyId: w.key,
        KeyState: "PendingDeletion",
        PendingWindowInDays: 7,
        DeletionDate: new Date(w.clock.now() + 7 * day),
      }),
  },
  {
    name: "CancelKeyDeletion leaves the key disabled",
    call: async (w, send) => {
      await send("ScheduleKeyDeletion", { KeyId: w.key });
      await send("CancelKeyDeletion", { KeyId: w.key });
      return ["DescribeKey", { KeyId: w.key }];
    },
    output: (o) => expect(o).toMatchObject({ KeyMetadata: { KeyState: "Disabled", Enabled: false } }),
  },
  {
    name: "CancelKeyDeletion of a key that is not pending deletion",
    call: (w) => ["CancelKeyDeletion", { KeyId: w.key }],
    error: ["KMSInvalidStateException", (w) => `${w.key} is not pending deletion.`],
  },
  {
    name: "a deleted key is gone, and its aliases with it",
    source: "recorded",
    call: (w) => {
      w.kms.scheduleKeyDeletion(w.key, 7);
      w.clock.advance(7 * day);
      return ["DescribeKey", { KeyId: "alias/recordings" }];
    },
    error: ["NotFoundException", `Alias arn:aws:kms:${home}:${customer}:alias/recordings is not found.`],
  },
  {
    name: "a window of six days",
    call: (w) => ["ScheduleKeyDeletion", { KeyId: w.key, PendingWindowInDays: 6 }],
    error: ["ValidationException", "PendingWindowInDays must be between 7 and 30"],
  },
];

const dataKeys: Case[] = [
  {
    name: "GenerateDataKey of 32 bytes",
    call: (w) => ["GenerateDataKey", { KeyId: w.key, KeySpec: "AES_256" }],
    output: (o) => expect(o["Plaintext"]).toHaveLength(32),
  },
  {
    name: "GenerateDataKeyWithoutPlaintext",
    call: (w) => ["GenerateDataKeyWithoutPlaintext", { KeyId: w.key, NumberOfBytes: 64 }],
    output: (o) => expect(Object.keys(o).sort()).toEqual(["CiphertextBlob", "KeyId", "KeyMaterialId"]),
  },
  {
    name: "GenerateDataKey without a size",
    call: (w) => ["GenerateDataKey", { KeyId: w.key }],
    error: ["ValidationException", "Please specify either number of bytes or key spec."],
  },
  {
    name: "GenerateDataKeyPair of P-256",
    call: (w) => ["GenerateDataKeyPair", { KeyId: w.key, KeyPairSpec: "ECC_NIST_P256" }],
    output: (o, w) =>
      expect(o).toMatchObject({
        KeyId: w.key,
        KeyPairSpec: "ECC_NIST_P256",
        PublicKey: expect.anything() as unknown,
        PrivateKeyPlaintext: expect.anything() as unknown,
      }),
  },
  {
    name: "a data key pair of a spec that the service has elsewhere",
    source: "ours",
    call: (w) => ["GenerateDataKeyPair", { KeyId: w.key, KeyPairSpec: "SM2" }],
    error: ["UnsupportedOperationException", "Key pairs of spec SM2 are made in the Regions of China only."],
  },
  {
    name: "a data key pair of no spec",
    call: (w) => ["GenerateDataKeyPair", { KeyId: w.key, KeyPairSpec: "RSA_1024" }],
    error: [
      "ValidationException",
      validation(
        "Value 'RSA_1024' at 'keyPairSpec' failed to satisfy constraint: Member must satisfy enum value set: [RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, ECC_SECG_P256K1, ECC_NIST_EDWARDS25519, SM2, ML_KEM_512, ML_KEM_768, ML_KEM_1024]",
      ),
    ],
  },
  {
    name: "GenerateRandom",
    call: () => ["GenerateRandom", { NumberOfBytes: 24 }],
    output: (o) => expect(o["Plaintext"]).toHaveLength(24),
  },
  {
    name: "GenerateRandom without a size",
    source: "ours",
    call: () => ["GenerateRandom", {}],
    error: ["ValidationException", "NumberOfBytes is required."],
  },
  {
    name: "GenerateRandom of 0 bytes",
    call: () => ["GenerateRandom", { NumberOfBytes: 0 }],
    error: [
      "ValidationException",
      validation(
        "Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1",
      ),
    ],
  },
];

const otherKeyTypes: Case[] = [
  {
    name: "CreateKey of RSA needs a usage",
    call: () => ["CreateKey", { KeySpec: "RSA_2048" }],
    error: [
      "ValidationException",
      "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
    ],
  },
  {
    name: "CreateKey with a usage that does not fit",
    call: () => ["CreateKey", { KeySpec: "RSA_2048", KeyUsage: "KEY_AGREEMENT" }],
    error: ["ValidationException", "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048"],
  },
  {
    name: "Encrypt under a signing key",
    call: (w) => [
      "Encrypt",
      { KeyId: w.kms.createKey({ ...w.inAccount, keySpec: "ECC_NIST_P256", keyUsage: "SIGN_VERIFY" }), Plaintext },
    ],
    error: ["InvalidKeyUsageException"],
  },
  {
    name: "GenerateDataKeyPair under an RSA key",
    call: (w) => [
      "GenerateDataKeyPair",
      {
        KeyId: w.kms.createKey({ ...w.inAccount, keySpec: "RSA_2048", keyUsage: "ENCRYPT_DECRYPT" }),
        KeyPairSpec: "RSA_2048",
      },
    ],
    error: ["InvalidKeyUsageException"],
  },
  {
    name: "rotation of an HMAC key",
    call: (w) => [
      "EnableKeyRotation",
      { KeyId: w.kms.createKey({ ...w.inAccount, keySpec: "HMAC_256", keyUsage: "GENERATE_VERIFY_MAC" }) },
    ],
    error: ["UnsupportedOperationException"],
  },
];

const imported = async (send: Send) =>
  ((await send("CreateKey", { Origin: "EXTERNAL" })) as { KeyMetadata: { Arn: string } }).KeyMetadata.Arn;

const rotation: Case[] = [
  {
    name: "ciphertexts outlive rotation",
    call: async (w, send) => {
      const CiphertextBlob = await encrypted(send, w.key);
      await send("RotateKeyOnDemand", { KeyId: w.key });
      return ["Decrypt", { CiphertextBlob, KeyId: w.key }];
    },
    output: decrypts,
  },
  {
    name: "automatic rotation happens on its date",
    call: async (w, send) => {
      await send("EnableKeyRotation", { KeyId: w.key, RotationPeriodInDays: 90 });
      w.clock.advance(181 * day);
      return ["ListKeyRotations", { KeyId: w.key }];
    },
    output: (o, w) =>
      expect(o["Rotations"]).toMatchObject([
        { KeyId: w.key, RotationType: "AUTOMATIC" },
        { RotationType: "AUTOMATIC" },
      ]),
  },
  {
    name: "GetKeyRotationStatus",
    call: async (w, send) => {
      await send("EnableKeyRotation", { KeyId: w.key });
      return ["GetKeyRotationStatus", { KeyId: w.key }];
    },
    output: (o, w) =>
      expect(o).toEqual({
        KeyId: w.key,
        KeyRotationEnabled: true,
        RotationPeriodInDays: 365,
        NextRotationDate: new Date(w.clock.now() + 365 * day),
      }),
  },
  {
    name: "DisableKeyRotation",
    call: async (w, send) => {
      await send("EnableKeyRotation", { KeyId: w.key });
      await send("DisableKeyRotation", { KeyId: w.key });
      return ["GetKeyRotationStatus", { KeyId: w.key }];
    },
    output: (o, w) => expect(o).toEqual({ KeyId: w.key, KeyRotationEnabled: false }),
  },
  {
    name: "at most 25 rotations on demand",
    given: (w) => {
      for (let i = 0; i < 25; i += 1) w.kms.rotateKey(w.key);
    },
    call: (w) => ["RotateKeyOnDemand", { KeyId: w.key }],
    error: [
      "LimitExceededException",
      (w) =>
        `The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: ${w.key}`,
    ],
  },
  {
    name: "a key disabled over its rotation date rotates once when it is enabled",
    call: async (w, send) => {
      await send("EnableKeyRotation", { KeyId: w.key, RotationPeriodInDays: 90 });
      await send("DisableKey", { KeyId: w.key });
      w.clock.advance(200 * day);
      expect(await send("ListKeyRotations", { KeyId: w.key })).toMatchObject({ Rotations: [] });
      await send("EnableKey", { KeyId: w.key });
      expect(await send("GetKeyRotationStatus", { KeyId: w.key })).toMatchObject({
        KeyRotationEnabled: true,
        NextRotationDate: new Date(w.clock.now() + 90 * day),
      });
      return ["ListKeyRotations", { KeyId: w.key }];
    },
    output: (o, w) =>
      expect(o["Rotations"]).toMatchObject([{ RotationDate: new Date(w.clock.now()), RotationType: "AUTOMATIC" }]),
  },
  {
    name: "a key that was disabled before its rotation date keeps it",
    call: async (w, send) => {
      await send("EnableKeyRotation", { KeyId: w.key, RotationPeriodInDays: 90 });
      await send("DisableKey", { KeyId: w.key });
      w.clock.advance(50 * day);
      await send("EnableKey", { KeyId: w.key });
      return ["GetKeyRotationStatus", { KeyId: w.key }];
    },
    output: (o, w) => expect(o).toMatchObject({ NextRotationDate: new Date(w.clock.now() + 40 * day) }),
  },
  {
    name: "a key pending deletion does not rotate, and reports that it doesn't",
    call: async (w, send) => {
      await send("EnableKeyRotation", { KeyId: w.key, RotationPeriodInDays: 90 });
      w.clock.advance(80 * day);
      await send("ScheduleKeyDeletion", { KeyId: w.key });
      w.clock.advance(20 * day);
      expect(await send("GetKeyRotationStatus", { KeyId: w.key })).toEqual({ KeyId: w.key, KeyRotationEnabled: false });
      await send("CancelKeyDeletion", { KeyId: w.key });
      expect(await send("GetKeyRotationStatus", { KeyId: w.key })).toMatchObject({
        KeyRotationEnabled: true,
        RotationPeriodInDays: 90,
      });
      return ["ListKeyRotations", { KeyId: w.key }];
    },
    output: (o) => expect(o["Rotations"]).toEqual([]),
  },
  {
    name: "EnableKeyRotation without a period sets 365 days, even over another",
    call: async (w, send) => {
      await send("EnableKeyRotation", { KeyId: w.key, RotationPeriodInDays: 90 });
      await send("EnableKeyRotation", { KeyId: w.key });
      return ["GetKeyRotationStatus", { KeyId: w.key }];
    },
    output: (o) => expect(o).toMatchObject({ RotationPeriodInDays: 365 }),
  },
  {
    name: "rotation on demand leaves the schedule as it is",
    call: async (w, send) => {
      await send("EnableKeyRotation", { KeyId: w.key, RotationPeriodInDays: 90 });
      w.clock.advance(10 * day);
      await send("RotateKeyOnDemand", { KeyId: w.key });
      return ["GetKeyRotationStatus", { KeyId: w.key }];
    },
    output: (o, w) => expect(o).toMatchObject({ NextRotationDate: new Date(w.clock.now() + 80 * day) }),
  },
  {
    name: "ListKeyRotations with the first material",
    call: async (w, send) => {
      await send("RotateKeyOnDemand", { KeyId: w.key });
      return ["ListKeyRotations", { KeyId: w.key, IncludeKeyMaterial: "ALL_KEY_MATERIAL" }];
    },
    output: (o, w) =>
      expect(o["Rotations"]).toEqual([
        { KeyId: w.key, KeyMaterialId: expect.any(String) as string, KeyMaterialState: "NON_CURRENT" },
        {
          KeyId: w.key,
          KeyMaterialId: expect.any(String) as string,
          KeyMaterialState: "CURRENT",
          RotationDate: new Date(w.clock.now()),
          RotationType: "ON_DEMAND",
        },
      ]),
  },
  {
    name: "automatic rotation of imported material",
    call: async (_w, send) => ["EnableKeyRotation", { KeyId: await imported(send) }],
    error: [
      "UnsupportedOperationException",
      (w) => `${w.kms.journal.calls().at(-1)?.keyArn ?? ""} origin is EXTERNAL which is not valid for this operation.`,
    ],
  },
  {
    name: "rotation on demand before the import",
    call: async (_w, send) => ["RotateKeyOnDemand", { KeyId: await imported(send) }],
    error: ["KMSInvalidStateException", (w) => `${w.kms.journal.calls().at(-1)?.keyArn ?? ""} is pending import.`],
  },
  {
    name: "a disabled key does not rotate",
    given: (w) => w.kms.disableKey(w.key),
    call: (w) => ["RotateKeyOnDemand", { KeyId: w.key }],
    error: ["DisabledException", (w) => `${w.key} is disabled.`],
  },
];

const multiRegion: Case[] = [
  {
    name: "a replica decrypts its primary's ciphertext, and answers with its own ARN",
    region: "eu-west-1",
    call: async (w, send) => {
      const primary = w.kms.createKey({ ...w.inAccount, multiRegion: true });
      w.kms.replicateKey(primary, "eu-west-1");
      w.kms.rotateKey(primary);
      return ["Decrypt", { CiphertextBlob: await encrypted(send, primary), KeyId: primary.replace(home, "eu-west-1") }];
    },
    output: (o) => expect(o["KeyId"]).toMatch(/^arn:aws:kms:eu-west-1:\d{12}:key\/mrk-[0-9a-f]{32}$/),
  },
  {
    name: "ReplicateKey describes the replica",
    call: (w) => [
      "ReplicateKey",
      { KeyId: w.kms.createKey({ ...w.inAccount, multiRegion: true }), ReplicaRegion: "eu-west-1" },
    ],
    output: (o) => {
      expect(o).toMatchObject({
        ReplicaKeyMetadata: {
          KeyState: "Creating",
          Enabled: false,
          Description: "",
          MultiRegion: true,
          MultiRegionConfiguration: {
            MultiRegionKeyType: "REPLICA",
            PrimaryKey: { Region: home },
            ReplicaKeys: [{ Region: "eu-west-1" }],
          },
        },
      });
      expect(Object.keys(o).sort()).toEqual(["ReplicaKeyMetadata", "ReplicaPolicy"]);
    },
  },
  {
    name: "a replica is there for the next call",
    region: "eu-west-1",
    call: async (w, send) => {
      const primary = w.kms.createKey({ ...w.inAccount, multiRegion: true });
      await send("ReplicateKey", {
        KeyId: primary,
        ReplicaRegion: "eu-west-1",
        Description: "in Ireland",
        Tags: [{ TagKey: "a", TagValue: "b" }],
      });
      return ["DescribeKey", { KeyId: primary.replace(home, "eu-west-1") }];
    },
    output: (o) =>
      expect(o).toMatchObject({
        KeyMetadata: {
          KeyState: "Enabled",
          Enabled: true,
          Description: "in Ireland",
          CurrentKeyMaterialId: expect.any(String) as string,
        },
      }),
  },
  {
    name: "replicas rotate with their primary",
    region: "eu-west-1",
    call: async (w, send) => {
      const primary = w.kms.createKey({ ...w.inAccount, multiRegion: true });
      const KeyId = w.kms.replicateKey(primary, "eu-west-1");
      w.kms.enableKeyRotation(primary, 90);
      w.kms.disableKey(KeyId);
      w.clock.advance(90 * day);
      expect(await send("GetKeyRotationStatus", { KeyId }, "alice", "eu-west-1")).toMatchObject({
        KeyRotationEnabled: true,
        RotationPeriodInDays: 90,
      });
      return ["ListKeyRotations", { KeyId }];
    },
    output: (o) => expect(o["Rotations"]).toHaveLength(1),
  },
  {
    name: "replicas don't rotate while their primary is disabled",
    region: "eu-west-1",
    call: (w) => {
      const primary = w.kms.createKey({ ...w.inAccount, multiRegion: true });
      const KeyId = w.kms.replicateKey(primary, "eu-west-1");
      w.kms.enableKeyRotation(primary, 90);
      w.kms.disableKey(primary);
      w.clock.advance(90 * day);
      return ["ListKeyRotations", { KeyId }];
    },
    output: (o) => expect(o["Rotations"]).toEqual([]),
  },
  {
    name: "rotation is set at the primary",
    region: "eu-west-1",
    call: (w) => [
      "EnableKeyRotation",
      { KeyId: w.kms.replicateKey(w.kms.createKey({ ...w.inAccount, multiRegion: true }), "eu-west-1") },
    ],
    error: ["UnsupportedOperationException"],
  },
  {
    name: "a replica cannot be replicated",
    region: "eu-west-1",
    call: (w) => [
      "ReplicateKey",
      {
        KeyId: w.kms.replicateKey(w.kms.createKey({ ...w.inAccount, multiRegion: true }), "eu-west-1"),
        ReplicaRegion: "eu-west-3",
      },
    ],
    error: [
      "UnsupportedOperationException",
      (w) => `${w.kms.journal.calls().at(-1)?.keyArn ?? ""} is not a multi-region primary key.`,
    ],
  },
  {
    name: "a second replica in a Region",
    call: (w) => {
      const primary = w.kms.createKey({ ...w.inAccount, multiRegion: true });
      w.kms.replicateKey(primary, "eu-west-1");
      return ["ReplicateKey", { KeyId: primary, ReplicaRegion: "eu-west-1" }];
    },
    error: ["AlreadyExistsException"],
  },
  {
    name: "UpdatePrimaryRegion to a Region without a replica",
    call: (w) => [
      "UpdatePrimaryRegion",
      { KeyId: w.kms.createKey({ ...w.inAccount, multiRegion: true }), PrimaryRegion: "eu-west-1" },
    ],
    error: ["NotFoundException"],
  },
  {
    name: "a primary that waits for its replicas can be kept",
    call: async (w, send) => {
      const primary = w.kms.createKey({ ...w.inAccount, multiRegion: true });
      w.kms.replicateKey(primary, "eu-west-1");
      expect(await send("ScheduleKeyDeletion", { KeyId: primary })).toEqual({
        KeyId: primary,
        KeyState: "PendingReplicaDeletion",
        PendingWindowInDays: 30,
      });
      await send("CancelKeyDeletion", { KeyId: primary });
      return ["DescribeKey", { KeyId: primary }];
    },
    output: (o) => expect(o).toMatchObject({ KeyMetadata: { KeyState: "Disabled" } }),
  },
  {
    name: "ReplicateKey of a single-Region key",
    call: (w) => ["ReplicateKey", { KeyId: w.key, ReplicaRegion: "eu-west-1" }],
    error: ["UnsupportedOperationException", (w) => `${w.key} is not a multi-region primary key.`],
  },
  {
    name: "UpdatePrimaryRegion",
    call: async (w, send) => {
      const primary = w.kms.createKey({ ...w.inAccount, multiRegion: true });
      w.kms.replicateKey(primary, "eu-west-1");
      await send("UpdatePrimaryRegion", { KeyId: primary, PrimaryRegion: "eu-west-1" });
      return ["DescribeKey", { KeyId: primary }];
    },
    output: (o) =>
      expect(o).toMatchObject({
        KeyMetadata: {
          MultiRegionConfiguration: { MultiRegionKeyType: "REPLICA", PrimaryKey: { Region: "eu-west-1" } },
        },
      }),
  },
  {
    name: "a primary waits for its replicas before it is deleted",
    call: async (w, send) => {
      const primary = w.kms.createKey({ ...w.inAccount, multiRegion: true });
      w.kms.replicateKey(primary, "eu-west-1");
      await send("ScheduleKeyDeletion", { KeyId: primary, PendingWindowInDays: 7 });
      return ["DescribeKey", { KeyId: primary }];
    },
    output: (o) =>
      expect(o).toMatchObject({ KeyMetadata: { KeyState: "PendingReplicaDeletion", PendingDeletionWindowInDays: 7 } }),
  },
  {
    name: "a primary's waiting period begins when its last replica is gone",
    call: async (w, send) => {
      const primary = w.kms.createKey({ ...w.inAccount, multiRegion: true });
      const replica = w.kms.replicateKey(primary, "eu-west-1");
      await send("ScheduleKeyDeletion", { KeyId: primary, PendingWindowInDays: 10 });
      w.kms.scheduleKeyDeletion(replica, 7);
      w.clock.advance(8 * day);
      return ["DescribeKey", { KeyId: primary }];
    },
    output: (o, w) =>
      expect(o).toMatchObject({
        KeyMetadata: { KeyState: "PendingDeletion", DeletionDate: new Date(w.clock.now() + 9 * day) },
      }),
  },
];

const metadata: Case[] = [
  {
    name: "DescribeKey",
    call: (w) => ["DescribeKey", { KeyId: w.key }],
    output: (o, w) =>
      expect(o).toEqual({
        KeyMetadata: {
          AWSAccountId: customer,
          Arn: w.key,
          KeyId: w.keyId,
          CreationDate: new Date(w.clock.now()),
          CurrentKeyMaterialId: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
          CustomerMasterKeySpec: "SYMMETRIC_DEFAULT",
          KeySpec: "SYMMETRIC_DEFAULT",
          KeyUsage: "ENCRYPT_DECRYPT",
          Description: "",
          Enabled: true,
          EncryptionAlgorithms: ["SYMMETRIC_DEFAULT"],
          KeyManager: "CUSTOMER",
          KeyState: "Enabled",
          MultiRegion: false,
          Origin: "AWS_KMS",
        },
      }),
  },
  {
    name: "UpdateKeyDescription",
    call: async (w, send) => {
      await send("UpdateKeyDescription", { KeyId: w.key, Description: "for recordings" });
      return ["DescribeKey", { KeyId: w.key }];
    },
    output: (o) => expect(o).toMatchObject({ KeyMetadata: { Description: "for recordings" } }),
  },
  {
    name: "tags",
    call: async (w, send) => {
      await send("TagResource", {
        KeyId: w.key,
        Tags: [
          { TagKey: "b", TagValue: "2" },
          { TagKey: "a", TagValue: "1" },
        ],
      });
      await send("UntagResource", { KeyId: w.key, TagKeys: ["b"] });
      return ["ListResourceTags", { KeyId: w.key }];
    },
    output: (o) => expect(o).toEqual({ Tags: [{ TagKey: "a", TagValue: "1" }], Truncated: false }),
  },
  {
    name: "a reserved tag",
    call: (w) => ["TagResource", { KeyId: w.key, Tags: [{ TagKey: "AWS:x", TagValue: "" }] }],
    error: ["TagException", "Tags beginning with aws: are reserved"],
  },
  {
    name: "a tag twice",
    call: (w) => [
      "TagResource",
      {
        KeyId: w.key,
        Tags: [
          { TagKey: "x", TagValue: "" },
          { TagKey: "x", TagValue: "" },
        ],
      },
    ],
    error: ["TagException", "Duplicate tag keys"],
  },
  {
    name: "51 tags",
    call: () => ["CreateKey", { Tags: Array.from({ length: 51 }, (_, i) => ({ TagKey: `t${i}`, TagValue: "" })) }],
    error: ["TagException", "Too many tags"],
  },
  {
    name: "a tag key of 129 characters",
    call: (w) => ["TagResource", { KeyId: w.key, Tags: [{ TagKey: "k".repeat(129), TagValue: "" }] }],
    error: [
      "ValidationException",
      validation(
        `Value '${"k".repeat(129)}' at 'tags.1.member.tagKey' failed to satisfy constraint: Member must have length less than or equal to 128`,
      ),
    ],
  },
  {
    name: "paging",
    call: async (w, send) => {
      for (let i = 0; i < 4; i += 1) w.kms.createKey(w.inAccount);
      const first = await send("ListKeys", { Limit: 3 });
      expect(first).toMatchObject({ Truncated: true, Keys: [{}, {}, {}] });
      return ["ListKeys", { Limit: 3, Marker: first["NextMarker"] }];
    },
    output: (o) => expect(o).toMatchObject({ Truncated: false, Keys: [{}, {}] }),
  },
  {
    name: "a marker that no page returned",
    call: () => ["ListKeys", { Marker: "?" }],
    error: ["InvalidMarkerException", "Could not deserialize marker"],
  },
  {
    name: "ListKeyPolicies",
    call: (w) => ["ListKeyPolicies", { KeyId: w.key }],
    output: (o) => expect(o).toEqual({ PolicyNames: ["default"], Truncated: false }),
  },
  {
    name: "GetKeyPolicy returns the policy as it was put",
    call: async (w, send) => {
      const { Policy } = await send("GetKeyPolicy", { KeyId: w.key });
      await send("PutKeyPolicy", { KeyId: w.key, Policy: `${Policy as string}  ` });
      return ["GetKeyPolicy", { KeyId: w.key, PolicyName: "default" }];
    },
    output: (o) =>
      expect(o).toEqual({ PolicyName: "default", Policy: expect.stringMatching(/^\{.*\} {2}$/s) as string }),
  },
  {
    name: "a policy that is malformed",
    call: (w) => ["PutKeyPolicy", { KeyId: w.key, Policy: "{" }],
    error: ["MalformedPolicyDocumentException"],
  },
  {
    name: "a policy with a wildcard within a principal",
    call: (w) => [
      "PutKeyPolicy",
      {
        KeyId: w.key,
        Policy: JSON.stringify({
          Version: "2012-10-17",
          Statement: [
            { Effect: "Allow", Principal: { AWS: "arn:aws:iam::111122223333:role/*" }, Action: "kms:*", Resource: "*" },
          ],
        }),
      },
    ],
    error: ["MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals."],
  },
  {
    name: "a policy that locks its author out",
    call: (w) => ["PutKeyPolicy", { KeyId: w.key, Policy: JSON.stringify({ Version: "2012-10-17", Statement: [] }) }],
    error: [
      "MalformedPolicyDocumentException",
      "The new key policy will not allow you to update the key policy in the future.",
    ],
  },
];

/** One table for every transport. */
export const cases: readonly Case[] = [
  ...encryption,
  ...naming,
  ...aliases,
  ...states,
  ...dataKeys,
  ...otherKeyTypes,
  ...rotation,
  ...multiRegion,
  ...metadata,
];
