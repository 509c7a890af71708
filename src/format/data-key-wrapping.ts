import {
  constants,
  createPrivateKey,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
  randomFillSync,
  type KeyObject,
} from "node:crypto";
import { RecordingKeyStoreError } from "../errors.js";
import { secretBuffer, takeSecret, wipe } from "../util/secrets.js";
import {
  importX25519PrivateKey,
  importX25519PublicKey,
  isLowOrder,
  openSealed,
  seal,
  x25519PublicKeyOf,
} from "./sealed-box.js";
import type { KeyPairSpec } from "./vocabulary.js";

/** Length of a recording's data key in bytes (AES-256). */
export const dataKeyLength = 32;

/** A new 256-bit data key in a buffer of its own. */
export function newDataKey(): Buffer {
  return randomFillSync(secretBuffer(dataKeyLength));
}

/** Public half of a key pair. Holds no secret. */
export interface WrappingKey {
  wrap(dataKey: Uint8Array): Buffer;
}

/** Private half of a key pair, in a native key object that OpenSSL cleanses when it is freed. */
export interface UnwrappingKey {
  /** The data key, 32 bytes, in a buffer that the caller wipes. @throws RecordingKeyStoreError `ERR_RECORDING_TAMPERED` */
  unwrap(wrappedDataKey: Uint8Array): Buffer;
  /** Public half as the pair's record stores it: 32 raw bytes (X25519) or SPKI DER (RSA). */
  readonly publicKey: Buffer;
}

/**
 * Imports and checks a public key: 32 raw bytes (X25519), or SPKI DER (RSA).
 * @throws TypeError if it is malformed, of low order, or not what `spec` says; InvalidInputError where OpenSSL has no X25519
 */
export function importWrappingKey(spec: KeyPairSpec, bytes: Uint8Array): WrappingKey {
  if (spec === "X25519") {
    const raw = Buffer.from(bytes);
    const key = importX25519PublicKey(raw);
    if (isLowOrder(key)) throw new TypeError("X25519 public key is of low order");
    return { wrap: (dataKey) => seal(dataKey, key, raw) };
  }
  const key = createPublicKey({ key: Buffer.from(bytes), format: "der", type: "spki" });
  checkRsa(key, spec);
  return { wrap: (dataKey) => publicEncrypt({ ...oaep, key }, dataKey) };
}

/**
 * Imports a private key: 32 raw bytes (X25519), or PKCS#8 DER (RSA). Leaves `bytes` to its owner.
 * @throws TypeError if it is malformed or not what `spec` says; InvalidInputError where OpenSSL has no X25519
 */
export function importUnwrappingKey(spec: KeyPairSpec, bytes: Uint8Array): UnwrappingKey {
  if (spec === "X25519") {
    const key = importX25519PrivateKey(bytes);
    const publicKey = x25519PublicKeyOf(key);
    return { publicKey, unwrap: (wrapped) => checkDataKey(openSealed(wrapped, key, publicKey)) };
  }
  const key = createPrivateKey({
    key: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    format: "der",
    type: "pkcs8",
  });
  checkRsa(key, spec);
  const modulusBytes = bitsOf(spec) / 8;
  const publicKey = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    publicKey,
    unwrap: (wrapped) => {
      // RFC 8017, 7.1.2, 1b. OpenSSL takes a shorter one for the same number with leading zeros.
      if (wrapped.length !== modulusBytes) return checkDataKey(undefined);
      let dataKey: Buffer;
      try {
        dataKey = takeSecret(privateDecrypt({ ...oaep, key }, wrapped));
      } catch {
        return checkDataKey(undefined); // one answer for every failure: no padding oracle
      }
      return checkDataKey(dataKey);
    },
  };
}

/** RSAES-OAEP with SHA-256 for hash and MGF1, no label (RFC 8017, 7.1). */
const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" } as const;

const bitsOf = (spec: KeyPairSpec) => Number(spec.slice("RSA_".length));

function checkRsa(key: KeyObject, spec: KeyPairSpec): void {
  const bits = bitsOf(spec);
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType !== "rsa" || details?.modulusLength !== bits || details.publicExponent !== 65537n) {
    throw new TypeError(`key is not ${spec} with exponent 65537`);
  }
}

function checkDataKey(dataKey: Buffer | undefined): Buffer {
  if (dataKey?.length === dataKeyLength) return dataKey;
  wipe(dataKey);
  throw new RecordingKeyStoreError(
    "ERR_RECORDING_TAMPERED",
    "the recording's wrapped data key was not made for its key pair, or was changed",
  );
}
