import { randomBytes, timingSafeEqual } from "node:crypto";

/* The PSS encoding of a digest (RFC 8017, 9.1), with a salt as long as the digest, for moduli of whole bytes. */

type Hash = (bytes: Uint8Array) => Buffer;

/** @param bits - length of the modulus */
export function emsaPss(digest: Uint8Array, bits: number, hash: Hash): Buffer {
  const salt = randomBytes(digest.byteLength);
  const seal = hash(Buffer.concat([Buffer.alloc(8), digest, salt]));
  const block = Buffer.alloc(bits / 8 - seal.length - 1);
  block[block.length - salt.length - 1] = 1;
  salt.copy(block, block.length - salt.length);
  const masked = xor(block, mask(seal, block.length, hash));
  masked[0] = (masked[0] ?? 0) & 0x7f;
  return Buffer.concat([masked, seal, Buffer.from([0xbc])]);
}

export function verifyEmsaPss(digest: Uint8Array, encoded: Buffer, hash: Hash): boolean {
  const length = digest.byteLength;
  const masked = encoded.subarray(0, encoded.length - length - 1);
  const seal = encoded.subarray(masked.length, -1);
  if (encoded.at(-1) !== 0xbc || (masked[0] ?? 0xff) > 0x7f) return false;
  const block = xor(masked, mask(seal, masked.length, hash));
  block[0] = (block[0] ?? 0) & 0x7f;
  const zeros = block.subarray(0, block.length - length - 1);
  if (!zeros.every((byte) => byte === 0) || block[zeros.length] !== 1) return false;
  const salt = block.subarray(zeros.length + 1);
  return timingSafeEqual(seal, hash(Buffer.concat([Buffer.alloc(8), digest, salt])));
}

/** MGF1 (RFC 8017, B.2.1). */
function mask(seed: Uint8Array, length: number, hash: Hash): Buffer {
  const blocks: Buffer[] = [];
  for (let made = 0; made < length; made += seed.byteLength) {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(blocks.length);
    blocks.push(hash(Buffer.concat([seed, counter])));
  }
  return Buffer.concat(blocks).subarray(0, length);
}

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ (b[index] ?? 0)));
}
