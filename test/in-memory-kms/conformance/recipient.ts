import { generateKeyPairSync } from "node:crypto";
import type { World } from "../world.js";
import { keyOf, oneProblem, type Input, type Row } from "./row.js";

const Recipient = {
  KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_256",
  // A COSE_Sign1 structure that nobody signed.
  AttestationDocument: Buffer.from("8444a1013822a0404100", "hex"),
};

/** A request of each operation that takes a recipient, and would succeed without. */
const requests: Readonly<Record<string, (world: World, send: Parameters<Row["input"]>[1]) => Input | Promise<Input>>> =
  {
    Decrypt: async (w, send) => {
      const { CiphertextBlob } = await send("Encrypt", { KeyId: w.key, Plaintext: Buffer.from("x") });
      return { CiphertextBlob };
    },
    GenerateDataKey: (w) => ({ KeyId: w.key, KeySpec: "AES_256" }),
    GenerateDataKeyPair: (w) => ({ KeyId: w.key, KeyPairSpec: "ECC_NIST_P256" }),
    GenerateRandom: () => ({ NumberOfBytes: 16 }),
    DeriveSharedSecret: (w) => ({
      KeyId: keyOf(w, "ECC_NIST_P256", "KEY_AGREEMENT"),
      KeyAgreementAlgorithm: "ECDH",
      PublicKey: generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey.export({
        format: "der",
        type: "spki",
      }),
    }),
  };

const refused = (
  operation: string,
  situation: string,
  recipient: Input,
  error: NonNullable<Row["error"]>,
  source: Row["source"] = "ours",
): Row => ({
  ...{ operation, situation, source, error },
  input: async (w, send) => ({ ...(await requests[operation]?.(w, send)), Recipient: recipient }),
});

export const recipientRows: readonly Row[] = [
  ...Object.keys(requests).map((operation) =>
    refused(operation, "for an enclave whose attestation document AWS has not signed", Recipient, [
      "ValidationException",
      "The attestation document in Recipient is malformed, or not signed by AWS.",
    ]),
  ),
  refused(
    "Decrypt",
    "for an enclave by an algorithm that there is not",
    { ...Recipient, KeyEncryptionAlgorithm: "RSA" },
    [
      "ValidationException",
      oneProblem(
        "Value 'RSA' at 'recipient.keyEncryptionAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [RSAES_OAEP_SHA_256]",
      ),
    ],
    "documented",
  ),
  refused(
    "Decrypt",
    "for an enclave without an attestation document",
    { KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_256" },
    ["ValidationException", "Recipient needs KeyEncryptionAlgorithm and AttestationDocument."],
  ),
];
