import { createPublicKey, publicEncrypt } from "node:crypto";
import { expect } from "vitest";
import { bytes, keyOf, type Row } from "./row.js";

const Plaintext = Buffer.from("a recording's key");

const encryptRows = (["RSA_2048", "RSA_3072", "RSA_4096"] as const).flatMap((spec): Row[] =>
  (
    [
      ["RSAES_OAEP_SHA_1", 42],
      ["RSAES_OAEP_SHA_256", 66],
    ] as const
  ).flatMap(([EncryptionAlgorithm, overhead]): Row[] => {
    const most = Number(spec.slice(4)) / 8 - overhead;
    const by = `by ${EncryptionAlgorithm} under ${spec}`;
    const key = (world: Parameters<Row["input"]>[0]) => keyOf(world, spec, "ENCRYPT_DECRYPT");
    return [
      {
        operation: "Decrypt",
        situation: `of the longest plaintext ${by}`,
        source: "documented",
        input: async (w, send) => {
          const request = { KeyId: key(w), EncryptionAlgorithm };
          return { ...request, ...(await send("Encrypt", { ...request, Plaintext: Buffer.alloc(most, 7) })) };
        },
        output: (output, _world, { KeyId, CiphertextBlob }) => {
          expect(bytes(CiphertextBlob)).toHaveLength(Number(spec.slice(4)) / 8);
          expect(output).toEqual({
            KeyId,
            EncryptionAlgorithm,
            Plaintext: expect.objectContaining({ length: most }) as object,
          });
        },
      },
      {
        operation: "Encrypt",
        situation: `of a byte more than the longest plaintext ${by}`,
        source: "recorded",
        input: (w) => ({ KeyId: key(w), EncryptionAlgorithm, Plaintext: Buffer.alloc(most + 1) }),
        error: [
          "ValidationException",
          `Algorithm {EncryptionAlgorithm} and key spec ${spec} cannot encrypt data larger than ${most} bytes.`,
        ],
      },
    ];
  }),
);

const otherEncryptRows: readonly Row[] = [
  {
    operation: "Decrypt",
    situation: "of what Node encrypted with the public key",
    source: "documented",
    input: async (w, send) => {
      const KeyId = keyOf(w, "RSA_2048", "ENCRYPT_DECRYPT");
      const { PublicKey } = await send("GetPublicKey", { KeyId });
      const key = createPublicKey({ key: bytes(PublicKey), format: "der", type: "spki" });
      const CiphertextBlob = publicEncrypt({ key, oaepHash: "sha256" }, Plaintext);
      return { KeyId, CiphertextBlob, EncryptionAlgorithm: "RSAES_OAEP_SHA_256" };
    },
    output: (output) => expect(bytes(output["Plaintext"])).toEqual(Plaintext),
  },
  {
    operation: "Decrypt",
    situation: "of an RSA ciphertext by the other hash",
    source: "documented",
    input: async (w, send) => {
      const request = { KeyId: keyOf(w, "RSA_2048", "ENCRYPT_DECRYPT"), EncryptionAlgorithm: "RSAES_OAEP_SHA_1" };
      return {
        ...request,
        ...(await send("Encrypt", { ...request, Plaintext })),
        EncryptionAlgorithm: "RSAES_OAEP_SHA_256",
      };
    },
    error: ["InvalidCiphertextException"],
  },
  {
    operation: "Decrypt",
    situation: "of an RSA ciphertext without the key's id",
    source: "ours",
    input: () => ({ CiphertextBlob: Buffer.alloc(256), EncryptionAlgorithm: "RSAES_OAEP_SHA_1" }),
    error: [
      "ValidationException",
      "A ciphertext of algorithm {EncryptionAlgorithm} does not name its key: the request must.",
    ],
  },
  {
    operation: "Encrypt",
    situation: "under an RSA key with an encryption context",
    source: "ours",
    input: (w) => ({
      KeyId: keyOf(w, "RSA_2048", "ENCRYPT_DECRYPT"),
      Plaintext,
      EncryptionAlgorithm: "RSAES_OAEP_SHA_256",
      EncryptionContext: { a: "b" },
    }),
    error: ["ValidationException", "An encryption context is not valid for algorithm {EncryptionAlgorithm}."],
  },
  {
    operation: "ReEncrypt",
    situation: "from an RSA key to a symmetric one",
    source: "documented",
    input: async (w, send) => {
      const SourceKeyId = keyOf(w, "RSA_2048", "ENCRYPT_DECRYPT");
      const SourceEncryptionAlgorithm = "RSAES_OAEP_SHA_256";
      const { CiphertextBlob } = await send("Encrypt", {
        KeyId: SourceKeyId,
        EncryptionAlgorithm: SourceEncryptionAlgorithm,
        Plaintext,
      });
      return { CiphertextBlob, SourceKeyId, SourceEncryptionAlgorithm, DestinationKeyId: w.key };
    },
    output: async (output, w, { SourceKeyId }, send) => {
      expect(output).toMatchObject({ SourceKeyId, KeyId: w.key, DestinationEncryptionAlgorithm: "SYMMETRIC_DEFAULT" });
      expect(output).not.toHaveProperty("SourceKeyMaterialId");
      const opened = await send("Decrypt", { CiphertextBlob: output["CiphertextBlob"] });
      expect(bytes(opened["Plaintext"])).toEqual(Plaintext);
    },
  },
  {
    operation: "ReEncrypt",
    situation: "from a symmetric key to an RSA one",
    source: "recorded",
    input: async (w, send) => ({
      CiphertextBlob: (await send("Encrypt", { KeyId: w.key, Plaintext }))["CiphertextBlob"],
      DestinationKeyId: keyOf(w, "RSA_2048", "ENCRYPT_DECRYPT"),
      DestinationEncryptionAlgorithm: "RSAES_OAEP_SHA_1",
    }),
    output: (output, w, { DestinationKeyId }) => {
      expect(output).toMatchObject({ SourceKeyId: w.key, KeyId: DestinationKeyId });
      expect(output).not.toHaveProperty("DestinationKeyMaterialId");
      expect(bytes(output["CiphertextBlob"])).toHaveLength(256);
    },
  },
];

export const rsaEncryptionRows: readonly Row[] = [...encryptRows, ...otherEncryptRows];
