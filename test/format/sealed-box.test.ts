import { randomBytes } from "node:crypto";
import fc from "fast-check";
import sodium from "libsodium-wrappers";
import { beforeAll, describe, expect, it } from "vitest";
import { importUnwrappingKey, importWrappingKey } from "../../src/format/data-key-wrapping.js";
import {
  importX25519PrivateKey,
  importX25519PublicKey,
  openSealed,
  seal,
  x25519PublicKeyOf,
} from "../../src/format/sealed-box.js";

beforeAll(() => sodium.ready);

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const message = fc.uint8Array({ maxLength: 300 });

describe("a sealed box, against libsodium itself", () => {
  it("libsodium opens what we seal", () => {
    fc.assert(
      fc.property(key, message, (secret, text) => {
        const raw = x25519PublicKeyOf(importX25519PrivateKey(secret));
        const box = seal(text, importX25519PublicKey(raw), raw);
        expect(Buffer.from(sodium.crypto_box_seal_open(box, raw, secret))).toEqual(Buffer.from(text));
      }),
    );
  });

  it("we open what libsodium seals", () => {
    fc.assert(
      fc.property(message, (text) => {
        const pair = sodium.crypto_box_keypair();
        const box = sodium.crypto_box_seal(text, pair.publicKey);
        expect(openSealed(box, importX25519PrivateKey(pair.privateKey), pair.publicKey)).toEqual(Buffer.from(text));
      }),
    );
  });

  it("refuses every changed bit", () => {
    const secret = randomBytes(32);
    const privateKey = importX25519PrivateKey(secret);
    const raw = x25519PublicKeyOf(privateKey);
    const box = seal(randomBytes(32), importX25519PublicKey(raw), raw);
    for (let bit = 0; bit < box.length * 8; bit += 1) {
      // X25519 ignores the top bit of a public key (RFC 7748, section 5), but the nonce covers it.
      const changed = Buffer.from(box);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(openSealed(changed, privateKey, raw), `bit ${bit}`).toBeUndefined();
    }
    for (let length = 0; length < box.length; length += 1)
      expect(openSealed(box.subarray(0, length), privateKey, raw)).toBeUndefined();
  });
});

/** The points of small order, and their non-canonical encodings, from RFC 7748 and the ed25519 literature. */
const lowOrderPoints = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

describe("public keys", () => {
  it.each(lowOrderPoints)("of low order are refused: %s", (hex) => {
    expect(() => importWrappingKey("X25519", Buffer.from(hex, "hex"))).toThrow(/low order/);
  });

  it.each([0, 31, 33, 64])("of %i bytes are refused", (length) => {
    expect(() => importWrappingKey("X25519", randomBytes(length))).toThrow(TypeError);
  });

  it("wrap and unwrap data keys, and nothing but data keys", () => {
    const privateKey = importUnwrappingKey("X25519", randomBytes(32));
    const publicKey = importWrappingKey("X25519", privateKey.publicKey);
    const dataKey = randomBytes(32);
    expect(privateKey.unwrap(publicKey.wrap(dataKey))).toEqual(dataKey);
    expect(() => privateKey.unwrap(publicKey.wrap(randomBytes(31)))).toThrow(
      expect.objectContaining({ code: "ERR_RECORDING_TAMPERED" }),
    );
  });
});
