import { constants, createHash, createPublicKey, verify } from "node:crypto";
import { expect } from "vitest";
import type { KeySpec } from "../../../src/in-memory-kms/key-specs.js";
import type { Send } from "../cases.js";
import { bytes, keyOf, oneProblem, type Input, type Output, type Row } from "./row.js";

const Message = Buffer.from("a message to sign");

const signers: readonly (readonly [spec: KeySpec, algorithm: string])[] = [
  ...["PSS", "PKCS1_V1_5"].flatMap((padding) =>
    ["256", "384", "512"].map((hash) => ["RSA_2048", `RSASSA_${padding}_SHA_${hash}`] as const),
  ),
  ["RSA_3072", "RSASSA_PSS_SHA_384"],
  ["ECC_NIST_P256", "ECDSA_SHA_256"],
  ["ECC_NIST_P384", "ECDSA_SHA_384"],
  ["ECC_NIST_P521", "ECDSA_SHA_512"],
  ["ECC_SECG_P256K1", "ECDSA_SHA_256"],
];

const hashOf = (algorithm: string) => `sha${algorithm.slice(-3)}`;
const digestOf = (algorithm: string) => createHash(hashOf(algorithm)).update(Message).digest();

/** Whether Node, with the public key that the service gives, takes a signature of the message. */
async function nodeAccepts({ KeyId, SigningAlgorithm }: Input, signature: unknown, send: Send): Promise<boolean> {
  const { PublicKey } = await send("GetPublicKey", { KeyId });
  const key = createPublicKey({ key: bytes(PublicKey), format: "der", type: "spki" });
  const algorithm = SigningAlgorithm as string;
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  const options = { key, ...(algorithm.includes("PSS") && pss) };
  return verify(algorithm.startsWith("ED25519") ? null : hashOf(algorithm), Message, options, bytes(signature));
}

const signRows = signers.flatMap(([spec, SigningAlgorithm]): Row[] => {
  const request = (world: Parameters<Row["input"]>[0]) => ({
    KeyId: keyOf(world, spec, "SIGN_VERIFY"),
    SigningAlgorithm,
  });
  const raw = { Message };
  const digest = { Message: digestOf(SigningAlgorithm), MessageType: "DIGEST" };
  const accepted: Row["output"] = async (output: Output, _world, input, send) => {
    expect(output).toMatchObject({ KeyId: input["KeyId"], SigningAlgorithm });
    expect(await nodeAccepts(input, output["Signature"], send)).toBe(true);
  };
  const verified: Row["output"] = (output, _world, { KeyId }) =>
    expect(output).toEqual({ KeyId, SignatureValid: true, SigningAlgorithm });
  const by = `by ${SigningAlgorithm} under ${spec}`;
  const signed = async (send: Send, input: Input) => ({ ...input, ...(await send("Sign", input)) });
  return [
    {
      operation: "Sign",
      situation: `of a message ${by}`,
      source: "recorded",
      input: (w) => ({ ...request(w), ...raw }),
      output: accepted,
    },
    {
      operation: "Sign",
      situation: `of a digest ${by}`,
      source: "documented",
      input: (w) => ({ ...request(w), ...digest }),
      output: accepted,
    },
    {
      operation: "Sign",
      situation: `of a digest of another length ${by}`,
      source: "recorded",
      input: (w) => ({ ...request(w), Message, MessageType: "DIGEST" }),
      error: ["ValidationException", "Digest is invalid length for algorithm {SigningAlgorithm}."],
    },
    {
      operation: "Verify",
      situation: `of a signature of a message, by its digest, ${by}`,
      source: "documented",
      input: async (w, send) => ({ ...(await signed(send, { ...request(w), ...raw })), ...digest }),
      output: verified,
    },
    {
      operation: "Verify",
      situation: `of a signature of a digest, by its message, ${by}`,
      source: "documented",
      input: async (w, send) => ({ ...(await signed(send, { ...request(w), ...digest })), ...raw, MessageType: "RAW" }),
      output: verified,
    },
    {
      operation: "Verify",
      situation: `of another message's signature ${by}`,
      source: "recorded",
      input: async (w, send) => ({ ...(await signed(send, { ...request(w), ...raw })), Message: Buffer.from("other") }),
      error: ["KMSInvalidSignatureException"],
    },
    {
      operation: "Verify",
      situation: `of another digest's signature ${by}`,
      source: "documented",
      input: async (w, send) => ({
        ...(await signed(send, { ...request(w), Message: Buffer.from("other") })),
        ...digest,
      }),
      error: ["KMSInvalidSignatureException"],
    },
    {
      operation: "Verify",
      situation: `of bytes that are no signature ${by}`,
      source: "recorded",
      input: (w) => ({ ...request(w), ...raw, Signature: Buffer.from("random text") }),
      error: ["KMSInvalidSignatureException"],
    },
  ];
});

const otherSignRows: readonly Row[] = [
  {
    operation: "Sign",
    situation: "of a message by Ed25519",
    source: "documented",
    input: (w) => ({
      KeyId: keyOf(w, "ECC_NIST_EDWARDS25519", "SIGN_VERIFY"),
      Message,
      SigningAlgorithm: "ED25519_SHA_512",
    }),
    output: async (output, _world, input, send) =>
      expect(await nodeAccepts(input, output["Signature"], send)).toBe(true),
  },
  {
    operation: "Verify",
    situation: "of another message's signature by Ed25519",
    source: "documented",
    input: async (w, send) => {
      const request = {
        KeyId: keyOf(w, "ECC_NIST_EDWARDS25519", "SIGN_VERIFY"),
        Message,
        SigningAlgorithm: "ED25519_SHA_512",
      };
      return { ...request, ...(await send("Sign", request)), Message: Buffer.from("other") };
    },
    error: ["KMSInvalidSignatureException"],
  },
  {
    operation: "Sign",
    situation: "of a digest by ED25519_SHA_512",
    source: "documented",
    input: (w) => ({
      KeyId: keyOf(w, "ECC_NIST_EDWARDS25519", "SIGN_VERIFY"),
      Message: Buffer.alloc(64),
      MessageType: "DIGEST",
      SigningAlgorithm: "ED25519_SHA_512",
    }),
    error: ["ValidationException", "Algorithm {SigningAlgorithm} requires MessageType RAW."],
  },
  {
    operation: "Sign",
    situation: "by the prehashed Ed25519, which Node does not have",
    source: "ours",
    input: (w) => ({
      KeyId: keyOf(w, "ECC_NIST_EDWARDS25519", "SIGN_VERIFY"),
      Message: Buffer.alloc(64),
      MessageType: "DIGEST",
      SigningAlgorithm: "ED25519_PH_SHA_512",
    }),
    error: [
      "UnsupportedOperationException",
      "The in-memory KMS does not sign by {SigningAlgorithm} with MessageType {MessageType}.",
    ],
  },
  {
    operation: "Sign",
    situation: "of a message of 4,097 bytes",
    source: "documented",
    input: (w) => ({
      KeyId: keyOf(w, "ECC_NIST_P256", "SIGN_VERIFY"),
      Message: Buffer.alloc(4097),
      SigningAlgorithm: "ECDSA_SHA_256",
    }),
    error: [
      "ValidationException",
      oneProblem("Value at 'message' failed to satisfy constraint: Member must have length less than or equal to 4096"),
    ],
  },
  {
    operation: "Sign",
    situation: "by an algorithm of another curve",
    source: "recorded",
    input: (w) => ({
      KeyId: keyOf(w, "ECC_NIST_P256", "SIGN_VERIFY"),
      Message,
      SigningAlgorithm: "ECDSA_SHA_384",
    }),
    error: ["InvalidKeyUsageException", "Algorithm {SigningAlgorithm} is incompatible with key spec ECC_NIST_P256."],
  },
  {
    operation: "Sign",
    situation: "under an HMAC key",
    source: "recorded",
    input: (w) => ({
      KeyId: keyOf(w, "HMAC_256", "GENERATE_VERIFY_MAC"),
      Message,
      SigningAlgorithm: "ECDSA_SHA_256",
    }),
    error: ["InvalidKeyUsageException", "{KeyId} key usage is GENERATE_VERIFY_MAC which is not valid for Sign."],
  },
  {
    operation: "Verify",
    situation: "under a symmetric key",
    source: "recorded",
    input: (w) => ({ KeyId: w.key, Message, Signature: Message, SigningAlgorithm: "ECDSA_SHA_256" }),
    error: ["InvalidKeyUsageException", "{KeyId} key usage is ENCRYPT_DECRYPT which is not valid for Verify."],
  },
  {
    operation: "Sign",
    situation: "under a key that is disabled",
    source: "documented",
    input: (w) => {
      const KeyId = w.kms.createKey({ ...w.inAccount, keySpec: "ECC_NIST_P256", keyUsage: "SIGN_VERIFY" });
      w.kms.disableKey(KeyId);
      return { KeyId, Message, SigningAlgorithm: "ECDSA_SHA_256" };
    },
    error: ["DisabledException", "{KeyId} is disabled."],
  },
  {
    operation: "Sign",
    situation: "as a dry run",
    source: "documented",
    input: (w) => ({
      KeyId: keyOf(w, "ECC_NIST_P256", "SIGN_VERIFY"),
      Message,
      SigningAlgorithm: "ECDSA_SHA_256",
      DryRun: true,
    }),
    error: ["DryRunOperationException", "The request would have succeeded, but the DryRun option is set."],
  },
];

export const signatureRows: readonly Row[] = [...signRows, ...otherSignRows];
