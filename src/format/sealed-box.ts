import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from "node:crypto";
import { blake2b } from "@noble/hashes/blake2";
import nacl from "tweetnacl";
import { InvalidInputError } from "../errors.js";
import { plainBytes } from "../util/realms.js";
import { secretBuffer, wipe } from "../util/secrets.js";

/*
 * libsodium's crypto_box_seal: epk || XSalsa20-Poly1305(message), key = HSalsa20(X25519(esk, pk), 0),
 * nonce = BLAKE2b-192(epk || pk). https://doc.libsodium.org/public-key_cryptography/sealed_boxes
 */

export const x25519KeyLength = 32;
/** Length of a sealed box beyond its message, in bytes: 32 of ephemeral public key, 16 of tag. */
export const sealedBoxOverhead = 48;

/** Functions of tweetnacl that its types leave out. */
interface LowLevel {
  crypto_core_hsalsa20(out: Uint8Array, input: Uint8Array, key: Uint8Array, constant: Uint8Array): void;
  crypto_secretbox(out: Uint8Array, message: Uint8Array, length: number, nonce: Uint8Array, key: Uint8Array): number;
  crypto_secretbox_open(out: Uint8Array, box: Uint8Array, length: number, nonce: Uint8Array, key: Uint8Array): number;
}
/**
 * tweetnacl, and not @noble/ciphers, for its speed on small boxes: 7 µs for 32 bytes, where @noble/ciphers takes 24 to 33
 * (measured).
 */
const lowLevel = (nacl as unknown as { lowlevel: LowLevel }).lowlevel;
const sigma = Buffer.from("expand 32-byte k", "latin1");
const zeros16 = new Uint8Array(16);
/** NaCl takes messages with 32 zero bytes before them, and boxes with 16. */
const messagePadding = 32;
const boxPadding = 16;

/**
 * Node 24 throws and catches two exceptions for a key in an object, some 30 µs each, and none for a key as text. All other
 * versions take two to ten times as long for text as for a JWK (measured).
 */
const asText = process.versions.node.startsWith("24.");

/** SubjectPublicKeyInfo before the 32 bytes of an X25519 public key (RFC 8410, 4), in base64. */
const spkiPrefix = "MCowBQYDK2VuAyEA";

/**
 * Runs what fails for no key of the right length, but only where OpenSSL has no X25519.
 * @throws InvalidInputError that names the pairs that work there
 */
function withX25519<T>(step: () => T): T {
  try {
    return step();
  } catch {
    throw new InvalidInputError(
      "keyPairSpec",
      "cannot be X25519 here: this process's OpenSSL has no X25519, as under some FIPS providers. Configure RSA_2048, " +
        "RSA_3072 or RSA_4096; what X25519 pairs have encrypted opens in a process with X25519",
    );
  }
}

/** Imports a raw X25519 public key (32 bytes). @throws InvalidInputError where OpenSSL has no X25519 */
export function importX25519PublicKey(raw: Uint8Array): KeyObject {
  if (raw.length !== x25519KeyLength)
    throw new TypeError(`X25519 public key has ${raw.length} bytes, not ${x25519KeyLength}`);
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  return withX25519(() =>
    asText
      ? createPublicKey(
          `-----BEGIN PUBLIC KEY-----\n${spkiPrefix}${bytes.toString("base64")}\n-----END PUBLIC KEY-----\n`,
        )
      : createPublicKey({ key: { kty: "OKP", crv: "X25519", x: bytes.toString("base64url") }, format: "jwk" }),
  );
}

/** PKCS#8 before the 32 bytes of an X25519 private key (RFC 8410, 7). */
const pkcs8Prefix = Buffer.from("302e020100300506032b656e04220420", "hex");

/**
 * Imports a raw X25519 private key (32 bytes), as PKCS#8: a JWK would leave it in a string that nobody can wipe.
 * @throws InvalidInputError where OpenSSL has no X25519
 */
export function importX25519PrivateKey(raw: Uint8Array): KeyObject {
  if (raw.length !== x25519KeyLength)
    throw new TypeError(`X25519 private key has ${raw.length} bytes, not ${x25519KeyLength}`);
  const key = secretBuffer(pkcs8Prefix.length + raw.length);
  key.set(pkcs8Prefix);
  key.set(raw, pkcs8Prefix.length);
  try {
    return withX25519(() => createPrivateKey({ key, format: "der", type: "pkcs8" }));
  } finally {
    wipe(key);
  }
}

/** Raw public half (32 bytes) of a private key. */
export function x25519PublicKeyOf(privateKey: KeyObject): Buffer {
  return rawOf(createPublicKey(privateKey).export({ format: "jwk" }));
}

function rawOf({ x }: JsonWebKey): Buffer {
  if (typeof x !== "string") throw new TypeError("not an X25519 key");
  return Buffer.from(x, "base64url");
}

/**
 * Whether X25519 with this public key has no shared secret: OpenSSL refuses the all-zero one (RFC 7748, 6.1).
 * @throws InvalidInputError where OpenSSL has no X25519
 */
export function isLowOrder(publicKey: KeyObject): boolean {
  const { privateKey } = ephemeralPair();
  try {
    wipe(diffieHellman({ privateKey, publicKey }));
    return false;
  } catch {
    return true;
  }
}

/** `crypto_box_seal`. @param raw - the 32 bytes of `publicKey` */
export function seal(message: Uint8Array, publicKey: KeyObject, raw: Uint8Array): Buffer {
  const ephemeral = ephemeralPair();
  const key = boxKey(ephemeral.privateKey, publicKey);
  const padded = secretBuffer(messagePadding + message.length);
  padded.set(message, messagePadding);
  const box = new Uint8Array(padded.length);
  lowLevel.crypto_secretbox(box, padded, padded.length, sealNonce(ephemeral.publicKey, raw), key);
  wipe(key, padded);
  return Buffer.concat([ephemeral.publicKey, box.subarray(boxPadding)]);
}

/**
 * `crypto_box_seal_open`. Returns `undefined` if the box was not sealed for this key, or was changed.
 * @param raw - the 32 bytes of the public half of `privateKey`
 */
export function openSealed(sealed: Uint8Array, privateKey: KeyObject, raw: Uint8Array): Buffer | undefined {
  if (sealed.length < sealedBoxOverhead) return undefined;
  const ephemeralPublic = sealed.subarray(0, x25519KeyLength);
  const ephemeral = importX25519PublicKey(ephemeralPublic);
  let key: Buffer;
  try {
    key = boxKey(privateKey, ephemeral);
  } catch {
    return undefined; // a low-order ephemeral key
  }
  const box = new Uint8Array(boxPadding + sealed.length - x25519KeyLength);
  box.set(sealed.subarray(x25519KeyLength), boxPadding);
  const padded = secretBuffer(box.length);
  const verdict = lowLevel.crypto_secretbox_open(padded, box, box.length, sealNonce(ephemeralPublic, raw), key);
  const message = verdict === 0 ? secretBuffer(padded.length - messagePadding) : undefined;
  message?.set(padded.subarray(messagePadding));
  wipe(key, padded);
  return message;
}

/** Node takes JWK as the encoding of one half; its types don't. */
const generateEphemeral = generateKeyPairSync as unknown as (
  type: "x25519",
  options: { publicKeyEncoding: { format: "jwk" } },
) => { publicKey: JsonWebKey; privateKey: KeyObject };

/** Encodes the public half while the pair is made: exporting it afterwards can hang Node 20 for good. */
function ephemeralPair(): { publicKey: Buffer; privateKey: KeyObject } {
  const { publicKey, privateKey } = withX25519(() =>
    generateEphemeral("x25519", { publicKeyEncoding: { format: "jwk" } }),
  );
  return { publicKey: rawOf(publicKey), privateKey };
}

function boxKey(privateKey: KeyObject, publicKey: KeyObject): Buffer {
  const shared = diffieHellman({ privateKey, publicKey });
  const key = secretBuffer(32);
  lowLevel.crypto_core_hsalsa20(key, zeros16, shared, sigma);
  wipe(shared);
  return key;
}

function sealNonce(ephemeralPublic: Uint8Array, recipientPublic: Uint8Array): Uint8Array {
  return blake2b.create({ dkLen: 24 }).update(plainBytes(ephemeralPublic)).update(plainBytes(recipientPublic)).digest();
}
