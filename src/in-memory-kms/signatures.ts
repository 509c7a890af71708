import {
  constants,
  createHash,
  privateEncrypt,
  publicDecrypt,
  sign,
  timingSafeEqual,
  verify,
  type KeyObject,
} from "node:crypto";
import { unsupported, validation } from "./aws-error.js";
import { signDigest as signDigestByCurve, verifyDigest as verifyDigestByCurve } from "./ecdsa.js";
import { emsaPss, verifyEmsaPss } from "./emsa-pss.js";

export const signingAlgorithms = [
  "RSASSA_PSS_SHA_256",
  "RSASSA_PSS_SHA_384",
  "RSASSA_PSS_SHA_512",
  "RSASSA_PKCS1_V1_5_SHA_256",
  "RSASSA_PKCS1_V1_5_SHA_384",
  "RSASSA_PKCS1_V1_5_SHA_512",
  "ECDSA_SHA_256",
  "ECDSA_SHA_384",
  "ECDSA_SHA_512",
  "SM2DSA",
  "ML_DSA_SHAKE_256",
  "ED25519_SHA_512",
  "ED25519_PH_SHA_512",
] as const;
type SigningAlgorithm = (typeof signingAlgorithms)[number];

export const messageTypes = ["RAW", "DIGEST", "EXTERNAL_MU"] as const;
type MessageType = (typeof messageTypes)[number];

/** A message to sign, as a request has it. */
export interface SigningRequest {
  readonly algorithm: SigningAlgorithm;
  readonly messageType: MessageType;
  readonly message: Uint8Array;
}

/** Signs and verifies with a private key. The public key follows from it. */
interface Scheme {
  sign(key: KeyObject, message: Uint8Array): Buffer;
  verify(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean;
}

/** @throws AwsError for a message that the algorithm does not take */
export function signMessage(request: SigningRequest, key: KeyObject): Buffer {
  return schemeFor(request).sign(key, request.message);
}

/** Whether a signature is one of the message. @throws AwsError for a message that the algorithm does not take */
export function verifyMessage(request: SigningRequest, key: KeyObject, signature: Uint8Array): boolean {
  try {
    return schemeFor(request).verify(key, request.message, signature);
  } catch (error) {
    // OpenSSL's own complaint about bytes that are no signature.
    if ((error as { code?: unknown }).code?.toString().startsWith("ERR_OSSL")) return false;
    throw error;
  }
}

function schemeFor({ algorithm, messageType, message }: SigningRequest): Scheme {
  const [, hash] = /_SHA_(256|384|512)$/.exec(algorithm) ?? [];
  if (algorithm === "ED25519_PH_SHA_512" || algorithm === "SM2DSA" || messageType === "EXTERNAL_MU")
    throw unsupported(`The in-memory KMS does not sign by ${algorithm} with MessageType ${messageType}.`);
  if (algorithm === "ML_DSA_SHAKE_256" || algorithm === "ED25519_SHA_512") {
    if (messageType !== "RAW") throw validation(`Algorithm ${algorithm} requires MessageType RAW.`);
    return byNode(null);
  }
  const digest = `sha${hash ?? ""}`;
  if (messageType === "RAW") return byNode(digest, algorithm.startsWith("RSASSA_PSS_") ? pss : {});
  if (message.byteLength !== Number(hash) / 8) throw validation(`Digest is invalid length for algorithm ${algorithm}.`);
  if (algorithm.startsWith("ECDSA_")) return { sign: signDigestByCurve, verify: verifyDigestByCurve };
  return algorithm.startsWith("RSASSA_PSS_") ? pssOfDigest(digest) : pkcs1OfDigest(digest);
}

const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } as const;

const byNode = (digest: string | null, options: Partial<typeof pss> = {}): Scheme => ({
  sign: (key, message) => sign(digest, message, { key, ...options }),
  verify: (key, message, signature) => verify(digest, message, { key, ...options }, signature),
});

/* Node hashes whatever it signs. What is hashed already is padded here, and RSA does the rest. */

/** Beginning of a DigestInfo (RFC 8017, 9.2), before the digest. */
const digestInfo: Record<string, Buffer> = {
  sha256: Buffer.from("3031300d060960864801650304020105000420", "hex"),
  sha384: Buffer.from("3041300d060960864801650304020205000430", "hex"),
  sha512: Buffer.from("3051300d060960864801650304020305000440", "hex"),
};

function pkcs1OfDigest(hash: string): Scheme {
  const padding = constants.RSA_PKCS1_PADDING;
  const encoded = (digest: Uint8Array) => Buffer.concat([digestInfo[hash] ?? Buffer.alloc(0), digest]);
  return {
    sign: (key, digest) => privateEncrypt({ key, padding }, encoded(digest)),
    verify: (key, digest, signature) => {
      const opened = publicDecrypt({ key, padding }, signature);
      const wanted = encoded(digest);
      return opened.length === wanted.length && timingSafeEqual(opened, wanted);
    },
  };
}

function pssOfDigest(hash: string): Scheme {
  const padding = constants.RSA_NO_PADDING;
  const bits = (key: KeyObject) => key.asymmetricKeyDetails?.modulusLength ?? 0;
  const hashOf = (bytes: Uint8Array) => createHash(hash).update(bytes).digest();
  return {
    sign: (key, digest) => privateEncrypt({ key, padding }, emsaPss(digest, bits(key), hashOf)),
    verify: (key, digest, signature) =>
      signature.byteLength === bits(key) / 8 &&
      verifyEmsaPss(digest, publicDecrypt({ key, padding }, signature), hashOf),
  };
}
