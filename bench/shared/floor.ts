import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import { chunk } from "./streams.js";

/** Plaintext of a segment, bytes: the library's default. */
const segment = 65_536;
const ivLength = 12;
const tagLength = 16;
/** As recordings lie in memory: 4 bytes of length and the IV before the ciphertext, the tag behind it. */
const prefixLength = 4 + ivLength;
const stride = prefixLength + segment + tagLength;

/** How many IVs are drawn at once: asking for each costs a tenth of a segment. */
const ivsDrawn = 32;

/** Not bytes: with those Node 24 would spend some 30 µs more on each context. */
const key = createSecretKey(randomBytes(32));
const aad = Buffer.alloc(9);

/**
 * Bare AES-256-GCM over so many bytes, a context with AAD, a fresh IV and a tag for each segment, and nothing else: what
 * no recording format on node:crypto can beat.
 */
export function floorEncrypt(bytes: number): void {
  let ivs = Buffer.alloc(0);
  for (let offset = 0; offset < bytes; offset += segment) {
    const start = offset % chunk.length;
    if (ivs.length === 0) ivs = randomBytes(ivsDrawn * ivLength);
    const cipher = createCipheriv("aes-256-gcm", key, ivs.subarray(0, ivLength), { authTagLength: tagLength });
    ivs = ivs.subarray(ivLength);
    cipher.setAAD(aad);
    cipher.update(chunk.subarray(start, start + Math.min(segment, bytes - offset)));
    cipher.final();
    cipher.getAuthTag();
  }
}

/** What a chunk becomes, segment by segment, to be handed on. */
export function* floorPieces(plaintext: Buffer): Generator<Buffer> {
  for (let offset = 0; offset < plaintext.length; offset += segment) {
    const cipher = createCipheriv("aes-256-gcm", key, randomBytes(ivLength), { authTagLength: tagLength });
    cipher.setAAD(aad);
    yield cipher.update(plaintext.subarray(offset, offset + segment));
    cipher.final();
    yield cipher.getAuthTag();
  }
}

/** The same for decryption, of as many different bytes as a recording has: one buffer again and again would stay in cache. */
export function floorDecrypt(bytes: number): () => void {
  const segments = Math.ceil(bytes / segment);
  const whole = Buffer.allocUnsafeSlow(segments * (stride - segment) + bytes);
  for (let index = 0; index < segments; index += 1) {
    const iv = randomBytes(ivLength);
    const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: tagLength });
    cipher.setAAD(aad);
    const start = (index * segment) % chunk.length;
    const ciphertext = cipher.update(chunk.subarray(start, start + Math.min(segment, bytes - index * segment)));
    cipher.final();
    whole.set(iv, index * stride + 4);
    whole.set(ciphertext, index * stride + prefixLength);
    whole.set(cipher.getAuthTag(), index * stride + prefixLength + ciphertext.length);
  }
  return () => {
    for (let offset = 0; offset < whole.length; offset += stride) {
      const encrypted = whole.subarray(offset, offset + stride);
      const decipher = createDecipheriv("aes-256-gcm", key, encrypted.subarray(4, prefixLength), {
        authTagLength: tagLength,
      });
      decipher.setAAD(aad);
      decipher.setAuthTag(encrypted.subarray(encrypted.length - tagLength));
      decipher.update(encrypted.subarray(prefixLength, encrypted.length - tagLength));
      decipher.final();
    }
  };
}
