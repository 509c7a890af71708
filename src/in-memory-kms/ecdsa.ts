import { createECDH, randomBytes, type KeyObject } from "node:crypto";

/*
 * ECDSA over a digest (FIPS 186-5, 6.4), since Node signs messages only. Points come from Node's ECDH. Verification uses the
 * private key, which the service has: u1·G + u2·Q is (u1 + u2·d)·G. Its timing tells about the key: for tests only.
 */

/** Orders of the curves' base points. */
const orders: Record<string, bigint> = {
  prime256v1: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  secp384r1: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  secp521r1:
    0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  secp256k1: 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n,
};

interface Curve {
  readonly order: bigint;
  /** The private key. */
  readonly d: bigint;
  /** x coordinate of a multiple of the base point. */
  readonly x: (scalar: bigint) => bigint;
  /** Length of a scalar, in bytes. */
  readonly length: number;
}

/** Signs a digest. Returns the signature as DER. */
export function signDigest(key: KeyObject, digest: Uint8Array): Buffer {
  const { order, d, x, length } = curveOf(key);
  for (;;) {
    // 8 bytes more than the order has, so that no value is likelier than others.
    const k = (toNumber(randomBytes(length + 8)) % (order - 1n)) + 1n;
    const r = x(k) % order;
    const s = (inverse(k, order) * (digestNumber(digest, order) + r * d)) % order;
    if (r !== 0n && s !== 0n) return derSignature(r, s);
  }
}

export function verifyDigest(key: KeyObject, digest: Uint8Array, signature: Uint8Array): boolean {
  const { order, d, x } = curveOf(key);
  const [r, s] = readSignature(Buffer.from(signature)) ?? [0n, 0n];
  if (r <= 0n || s <= 0n || r >= order || s >= order) return false;
  const scalar = ((digestNumber(digest, order) + r * d) * inverse(s, order)) % order;
  return scalar !== 0n && x(scalar) % order === r;
}

function curveOf(key: KeyObject): Curve {
  const name = key.asymmetricKeyDetails?.namedCurve ?? "";
  const order = orders[name];
  if (order === undefined) throw new TypeError(`no ECDSA over ${name}`);
  const length = Math.ceil(order.toString(16).length / 2);
  const x = (scalar: bigint) => {
    const point = createECDH(name);
    point.setPrivateKey(toBytes(scalar, length));
    return toNumber(point.getPublicKey().subarray(1, 1 + length));
  };
  return { order, d: privateScalar(key, length), x, length };
}

/** The private key of SEC 1's structure (RFC 5915): a version, then an octet string of the scalar. */
function privateScalar(key: KeyObject, length: number): bigint {
  const der = key.export({ format: "der", type: "sec1" });
  const start = der.indexOf(Buffer.from([2, 1, 1, 4, length])) + 5;
  return toNumber(der.subarray(start, start + length));
}

/** The leftmost bits of a digest, as many as the order has. */
function digestNumber(digest: Uint8Array, order: bigint): bigint {
  const excess = digest.byteLength * 8 - order.toString(2).length;
  return toNumber(digest) >> BigInt(Math.max(0, excess));
}

/** By Fermat: orders are prime. */
function inverse(value: bigint, order: bigint): bigint {
  let result = 1n;
  let base = value % order;
  for (let exponent = order - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % order;
    base = (base * base) % order;
  }
  return result;
}

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex") || "0"}`);
}

function toBytes(value: bigint, length: number): Buffer {
  return Buffer.from(value.toString(16).padStart(length * 2, "0"), "hex");
}

function derSignature(r: bigint, s: bigint): Buffer {
  const content = Buffer.concat([r, s].map(derInteger));
  return Buffer.concat([
    Buffer.from(content.length < 128 ? [0x30, content.length] : [0x30, 0x81, content.length]),
    content,
  ]);
}

function derInteger(value: bigint): Buffer {
  const hex = value.toString(16);
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  const bytes = Buffer.from(Number.parseInt(even.slice(0, 2), 16) > 127 ? `00${even}` : even, "hex");
  return Buffer.concat([Buffer.from([2, bytes.length]), bytes]);
}

/** Reads a signature, in its one encoding only. */
function readSignature(der: Buffer): [r: bigint, s: bigint] | undefined {
  const start = der[1] === 0x81 ? 3 : 2;
  const lengthOfR = der[start + 1] ?? 0;
  const r = toNumber(der.subarray(start + 2, start + 2 + lengthOfR));
  const s = toNumber(der.subarray(start + 4 + lengthOfR));
  return derSignature(r, s).equals(der) ? [r, s] : undefined;
}
