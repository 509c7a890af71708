import { createPublicKey, diffieHellman, generateKeyPairSync } from "node:crypto";
import { expect } from "vitest";
import { bytes, keyOf, oneProblem, type Row } from "./row.js";

const own = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve });
const spki = ({ publicKey }: ReturnType<typeof own>) => publicKey.export({ format: "der", type: "spki" });
const KeyAgreementAlgorithm = "ECDH";

const curves = [
  ["ECC_NIST_P256", "prime256v1"],
  ["ECC_NIST_P384", "secp384r1"],
  ["ECC_NIST_P521", "secp521r1"],
] as const;

const agreed = curves.map(([spec, curve]): Row => {
  const pair = own(curve);
  return {
    operation: "DeriveSharedSecret",
    situation: `of ${spec} and a public key of Node's`,
    source: "recorded",
    input: (w) => ({ KeyId: keyOf(w, spec, "KEY_AGREEMENT"), KeyAgreementAlgorithm, PublicKey: spki(pair) }),
    output: async (output, _world, { KeyId }, send) => {
      const { PublicKey } = await send("GetPublicKey", { KeyId });
      const publicKey = createPublicKey({ key: bytes(PublicKey), format: "der", type: "spki" });
      const secret = diffieHellman({ privateKey: pair.privateKey, publicKey });
      const { SharedSecret, ...rest } = output;
      expect(bytes(SharedSecret)).toEqual(secret);
      expect(rest).toEqual({ KeyId, KeyAgreementAlgorithm, KeyOrigin: "AWS_KMS" });
    },
  };
});

const refused = (
  situation: string,
  make: Row["input"],
  error: NonNullable<Row["error"]>,
  source: Row["source"] = "recorded",
): Row => ({ operation: "DeriveSharedSecret", situation, source, input: make, error });

export const agreementRows: readonly Row[] = [
  ...agreed,
  refused(
    "under a signing key",
    (w) => ({
      KeyId: keyOf(w, "ECC_NIST_P256", "SIGN_VERIFY"),
      KeyAgreementAlgorithm,
      PublicKey: spki(own("prime256v1")),
    }),
    ["InvalidKeyUsageException", "{KeyId} key usage is SIGN_VERIFY which is not valid for DeriveSharedSecret."],
  ),
  refused(
    "under a symmetric key",
    (w) => ({ KeyId: w.key, KeyAgreementAlgorithm, PublicKey: spki(own("prime256v1")) }),
    ["InvalidKeyUsageException", "{KeyId} key usage is ENCRYPT_DECRYPT which is not valid for DeriveSharedSecret."],
  ),
  refused(
    "by an algorithm that there is not",
    (w) => ({
      KeyId: keyOf(w, "ECC_NIST_P256", "KEY_AGREEMENT"),
      KeyAgreementAlgorithm: "INVALID",
      PublicKey: spki(own("prime256v1")),
    }),
    [
      "ValidationException",
      oneProblem(
        "Value 'INVALID' at 'keyAgreementAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [ECDH]",
      ),
    ],
  ),
  refused(
    "with bytes that are no public key",
    (w) => ({
      KeyId: keyOf(w, "ECC_NIST_P256", "KEY_AGREEMENT"),
      KeyAgreementAlgorithm,
      PublicKey: Buffer.from("InvalidPublicKey"),
    }),
    ["ValidationException"],
  ),
  refused(
    "with a public key of another curve",
    (w) => ({
      KeyId: keyOf(w, "ECC_NIST_P256", "KEY_AGREEMENT"),
      KeyAgreementAlgorithm,
      PublicKey: spki(own("secp384r1")),
    }),
    ["ValidationException"],
    "documented",
  ),
  {
    operation: "Encapsulate",
    situation: "under a key for other uses",
    source: "documented",
    input: (w) => ({ KeyId: w.key, EncapsulationAlgorithm: "ML_KEM" }),
    error: ["InvalidKeyUsageException", "{KeyId} key usage is ENCRYPT_DECRYPT which is not valid for Encapsulate."],
  },
  {
    operation: "Decapsulate",
    situation: "of bytes of another length",
    source: "documented",
    input: (w) => ({
      KeyId: keyOf(w, "ML_KEM_768", "ENCAPSULATE_DECAPSULATE"),
      EncapsulationAlgorithm: "ML_KEM",
      SharedSecretCiphertextBlob: Buffer.alloc(768),
    }),
    error: ["InvalidCiphertextException"],
  },
];
