import { expect } from "vitest";
import type { World } from "../world.js";
import { bytes, type Input, type Row } from "./row.js";

const Plaintext = Buffer.from("a recording's key");
type Type = "AWS_CLOUDHSM" | "EXTERNAL_KEY_STORE";

/** A connected key store, made as whoever runs what is behind it makes it. */
const storeOf = (w: World, type: Type = "EXTERNAL_KEY_STORE", connected = true) =>
  w.kms.keyStores.create({ ...w.inAccount, type, connected });

/** A key in a key store of its own. */
const keyIn = (w: World, type: Type = "EXTERNAL_KEY_STORE") => {
  const store = storeOf(w, type);
  return { store, KeyId: w.kms.createKey({ ...w.inAccount, customKeyStoreId: store }) };
};

/** A key whose key store is disconnected. */
const unavailableKey = (w: World, type?: Type) => {
  const { store, KeyId } = keyIn(w, type);
  w.kms.keyStores.disconnect(store);
  return { store, KeyId };
};

const unavailable: NonNullable<Row["error"]> = ["KMSInvalidStateException", "{KeyId} is unavailable."];
const shownState = async (send: Parameters<Row["input"]>[1], KeyId: unknown) => {
  const { KeyMetadata } = await send("DescribeKey", { KeyId: KeyId });
  const { Enabled, KeyState } = KeyMetadata as Input;
  return { Enabled, KeyState };
};

const creations: readonly Row[] = [
  {
    operation: "CreateKey",
    situation: "in a CloudHSM key store",
    source: "documented",
    input: (w) => ({ Origin: "AWS_CLOUDHSM", CustomKeyStoreId: storeOf(w, "AWS_CLOUDHSM") }),
    output: ({ KeyMetadata }, { kms }, input) => {
      const { Origin, CustomKeyStoreId } = input;
      const store = kms.snapshot().keyStores?.find(({ id }) => id === CustomKeyStoreId);
      const CloudHsmClusterId = store?.settings.type === "AWS_CLOUDHSM" ? store.settings.clusterId : "none";
      expect(KeyMetadata).toMatchObject({ Origin, CustomKeyStoreId, CloudHsmClusterId, KeyState: "Enabled" });
      expect(KeyMetadata).not.toHaveProperty("CurrentKeyMaterialId");
      expect(KeyMetadata).not.toHaveProperty("XksKeyConfiguration");
    },
  },
  {
    operation: "CreateKey",
    situation: "in an external key store",
    source: "documented",
    input: (w) => ({ Origin: "EXTERNAL_KEY_STORE", CustomKeyStoreId: storeOf(w), XksKeyId: "key-1" }),
    output: ({ KeyMetadata }, _world, { Origin, CustomKeyStoreId }) => {
      expect(KeyMetadata).toMatchObject({ Origin, CustomKeyStoreId, XksKeyConfiguration: { Id: "key-1" } });
      expect(KeyMetadata).not.toHaveProperty("CloudHsmClusterId");
      expect(KeyMetadata).not.toHaveProperty("ExpirationModel");
    },
  },
  ...(
    [
      [
        "in a key store that is not connected",
        (w) => ({ Origin: "AWS_CLOUDHSM", CustomKeyStoreId: storeOf(w, "AWS_CLOUDHSM", false) }),
        ["CustomKeyStoreInvalidStateException", /is DISCONNECTED, and must be CONNECTED\.$/],
        "documented",
      ],
      [
        "in a key store that there is not",
        () => ({ Origin: "AWS_CLOUDHSM", CustomKeyStoreId: "cks-0123456789abcdef0" }),
        ["CustomKeyStoreNotFoundException", "The custom key store {CustomKeyStoreId} does not exist."],
        "documented",
      ],
      [
        "for an external key that another KMS key has",
        (w) => {
          const CustomKeyStoreId = storeOf(w);
          w.kms.createKey({ ...w.inAccount, customKeyStoreId: CustomKeyStoreId, xksKeyId: "taken" });
          return { Origin: "EXTERNAL_KEY_STORE", CustomKeyStoreId, XksKeyId: "taken" };
        },
        [
          "XksKeyAlreadyInUseException",
          "The external key taken is in use by another KMS key of the external key store {CustomKeyStoreId}.",
        ],
        "documented",
      ],
      [
        "of more than one Region in a key store",
        (w) => ({ Origin: "AWS_CLOUDHSM", CustomKeyStoreId: storeOf(w, "AWS_CLOUDHSM"), MultiRegion: true }),
        ["UnsupportedOperationException", /symmetric encryption keys in a single Region/],
        "documented",
      ],
      [
        "of an asymmetric key in a key store",
        (w) => ({
          Origin: "AWS_CLOUDHSM",
          CustomKeyStoreId: storeOf(w, "AWS_CLOUDHSM"),
          KeySpec: "RSA_2048",
          KeyUsage: "ENCRYPT_DECRYPT",
        }),
        ["UnsupportedOperationException", /symmetric encryption keys in a single Region/],
        "documented",
      ],
      [
        "of an HMAC key in a key store",
        (w) => ({
          Origin: "EXTERNAL_KEY_STORE",
          CustomKeyStoreId: storeOf(w),
          XksKeyId: "hmac",
          KeySpec: "HMAC_256",
          KeyUsage: "GENERATE_VERIFY_MAC",
        }),
        ["UnsupportedOperationException", /symmetric encryption keys in a single Region/],
        "documented",
      ],
      [
        "in an external key store without the id of an external key",
        (w) => ({ Origin: "EXTERNAL_KEY_STORE", CustomKeyStoreId: storeOf(w) }),
        ["ValidationException", "XksKeyId is valid with Origin EXTERNAL_KEY_STORE only, and required there."],
        "ours",
      ],
      [
        "of another origin than its key store's",
        (w) => ({ Origin: "AWS_CLOUDHSM", CustomKeyStoreId: storeOf(w) }),
        ["ValidationException", "The custom key store {CustomKeyStoreId} is of type EXTERNAL_KEY_STORE."],
        "ours",
      ],
    ] satisfies [string, Row["input"], NonNullable<Row["error"]>, Row["source"]][]
  ).map(([situation, input, error, source]): Row => ({ operation: "CreateKey", situation, source, input, error })),
];

const uses: readonly Row[] = [
  ...(["AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"] as const).map((type): Row => ({
    operation: "Encrypt",
    situation: `under a key of origin ${type}`,
    source: "documented",
    input: (w) => ({ KeyId: keyIn(w, type).KeyId, Plaintext }),
    output: async ({ CiphertextBlob }, _world, { KeyId }, send) => {
      const opened = await send("Decrypt", { CiphertextBlob });
      expect(opened).toMatchObject({ KeyId });
      expect(bytes(opened["Plaintext"])).toEqual(Plaintext);
    },
  })),
  ...(
    [
      ["Encrypt", { Plaintext }],
      ["GenerateDataKey", { KeySpec: "AES_256" }],
      ["GenerateDataKeyWithoutPlaintext", { KeySpec: "AES_256" }],
      ["GenerateDataKeyPair", { KeyPairSpec: "ECC_NIST_P256" }],
      ["GenerateDataKeyPairWithoutPlaintext", { KeyPairSpec: "ECC_NIST_P256" }],
    ] as const
  ).map(([operation, rest]): Row => ({
    operation,
    situation: "while the key's custom key store is disconnected",
    source: "documented",
    input: (w) => ({ KeyId: unavailableKey(w).KeyId, ...rest }),
    error: unavailable,
  })),
  {
    operation: "Decrypt",
    situation: "while the key's custom key store is disconnected",
    source: "documented",
    input: async (w, send) => {
      const { store, KeyId } = keyIn(w);
      const { CiphertextBlob } = await send("Encrypt", { KeyId, Plaintext });
      w.kms.keyStores.disconnect(store);
      return { KeyId, CiphertextBlob };
    },
    error: unavailable,
  },
  {
    operation: "Decrypt",
    situation: "of a ciphertext under an external key store's key, by another encryption context",
    source: "documented",
    input: async (w, send) => {
      const { CiphertextBlob } = await send("Encrypt", { KeyId: keyIn(w).KeyId, Plaintext });
      return { CiphertextBlob, EncryptionContext: { other: "context" } };
    },
    error: [
      "KMSInvalidStateException",
      "The external key store proxy rejected the request because the specified ciphertext or additional authenticated data is corrupted, missing, or otherwise invalid.",
    ],
  },
  ...(["GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"] as const).flatMap((operation) =>
    (["AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"] as const).map((type): Row => ({
      operation,
      situation: `under a key of origin ${type}`,
      source: "documented",
      input: (w) => ({ KeyId: keyIn(w, type).KeyId, KeyPairSpec: "RSA_2048" }),
      error: ["UnsupportedOperationException", `{KeyId} origin is ${type} which is not valid for this operation.`],
    })),
  ),
  ...[
    "EnableKeyRotation",
    "DisableKeyRotation",
    "GetKeyRotationStatus",
    "RotateKeyOnDemand",
    "DeleteImportedKeyMaterial",
  ].map((operation): Row => ({
    operation,
    situation: "of a key in a custom key store",
    source: operation === "GetKeyRotationStatus" ? "recorded" : "documented",
    input: (w) => ({ KeyId: keyIn(w, "AWS_CLOUDHSM").KeyId }),
    error: ["UnsupportedOperationException", "{KeyId} origin is AWS_CLOUDHSM which is not valid for this operation."],
  })),
  {
    operation: "GenerateRandom",
    situation: "in a CloudHSM cluster",
    source: "documented",
    input: (w) => ({ NumberOfBytes: 16, CustomKeyStoreId: storeOf(w, "AWS_CLOUDHSM") }),
    output: ({ Plaintext: random }) => expect(bytes(random)).toHaveLength(16),
  },
  {
    operation: "GenerateRandom",
    situation: "in a CloudHSM cluster that is disconnected",
    source: "documented",
    input: (w) => ({ NumberOfBytes: 16, CustomKeyStoreId: storeOf(w, "AWS_CLOUDHSM", false) }),
    error: ["CustomKeyStoreInvalidStateException", /is DISCONNECTED, and must be CONNECTED\.$/],
  },
  {
    operation: "GenerateRandom",
    situation: "in an external key store",
    source: "documented",
    input: (w) => ({ NumberOfBytes: 16, CustomKeyStoreId: storeOf(w) }),
    error: ["UnsupportedOperationException", "The external key store {CustomKeyStoreId} generates no random bytes."],
  },
];

const states: readonly Row[] = [
  {
    operation: "DescribeKey",
    situation: "while the key's custom key store is disconnected",
    source: "documented",
    input: (w) => ({ KeyId: unavailableKey(w).KeyId }),
    output: ({ KeyMetadata }) => expect(KeyMetadata).toMatchObject({ KeyState: "Unavailable", Enabled: false }),
  },
  {
    operation: "DisableKey",
    situation: "of an unavailable key, which shows once the key store is connected",
    source: "documented",
    input: (w) => unavailableKey(w),
    output: async (_output, { kms }, { KeyId, store }, send) => {
      expect(await shownState(send, KeyId)).toEqual({ KeyState: "Unavailable", Enabled: false });
      kms.keyStores.connect(store as string);
      expect(await shownState(send, KeyId)).toEqual({ KeyState: "Disabled", Enabled: false });
    },
  },
  {
    operation: "ScheduleKeyDeletion",
    situation: "of an unavailable key",
    source: "documented",
    input: (w) => ({ KeyId: unavailableKey(w).KeyId }),
    output: async ({ KeyState }, _world, { KeyId }, send) => {
      expect(KeyState).toBe("PendingDeletion");
      await send("CancelKeyDeletion", { KeyId: KeyId });
      expect(await shownState(send, KeyId)).toEqual({ KeyState: "Unavailable", Enabled: false });
    },
  },
  {
    operation: "CreateGrant",
    situation: "of an unavailable key",
    source: "documented",
    input: (w) => ({
      KeyId: unavailableKey(w).KeyId,
      GranteePrincipal: `arn:aws:iam::${w.inAccount.accountId}:user/bob`,
      Operations: ["Decrypt"],
    }),
  },
];

export const keyInStoreRows: readonly Row[] = [...creations, ...uses, ...states];
