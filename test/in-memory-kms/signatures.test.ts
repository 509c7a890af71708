import { constants, createHash, generateKeyPairSync, sign, verify, type KeyObject } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { signDigest, verifyDigest } from "../../src/in-memory-kms/ecdsa.js";
import { signMessage, verifyMessage } from "../../src/in-memory-kms/signatures.js";

const curves = [
  ["prime256v1", "sha256"],
  ["secp384r1", "sha384"],
  ["secp521r1", "sha512"],
  ["secp256k1", "sha256"],
] as const;

const messages = fc.uint8Array({ minLength: 1, maxLength: 64 });
const runs = { numRuns: 15 };
const hashed = (hash: string, message: Uint8Array) => createHash(hash).update(message).digest();

describe.each(curves)("ECDSA of a digest over %s", (namedCurve, hash) => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve });

  it("makes signatures that Node takes for the message, and takes Node's", () => {
    fc.assert(
      fc.property(messages, (message) => {
        const digest = hashed(hash, message);
        expect(verify(hash, message, publicKey, signDigest(privateKey, digest))).toBe(true);
        expect(verifyDigest(privateKey, digest, sign(hash, message, privateKey))).toBe(true);
      }),
      runs,
    );
  });

  it("takes no changed signature, digest or encoding, as Node does", () => {
    const message = Buffer.from("message");
    const digest = hashed(hash, message);
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (position, change) => {
        const signature = signDigest(privateKey, digest);
        signature[position % signature.length] = (signature[position % signature.length] ?? 0) ^ change;
        expect([verifyDigest(privateKey, digest, signature), verify(hash, message, publicKey, signature)]).toEqual([
          false,
          false,
        ]);
      }),
      runs,
    );
    const signature = signDigest(privateKey, digest);
    expect(verifyDigest(privateKey, hashed(hash, Buffer.from("other")), signature)).toBe(false);
    for (const bytes of ["", "00", "3000", "3006020100020100", "3006020101020101"])
      expect(verifyDigest(privateKey, digest, Buffer.from(bytes, "hex"))).toBe(false);
    expect(verifyDigest(privateKey, digest, Buffer.concat([signature, Buffer.alloc(1)]))).toBe(false);
  });
});

describe.each(["256", "384", "512"])("RSA of a digest of SHA-%s", (bits) => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const hash = `sha${bits}`;
  const paddings = {
    PSS: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
    PKCS1_V1_5: { padding: constants.RSA_PKCS1_PADDING },
  };

  it.each(["PSS", "PKCS1_V1_5"] as const)("agrees with Node: %s", (name) => {
    const algorithm = `RSASSA_${name}_SHA_${bits}` as "RSASSA_PSS_SHA_256";
    const options = (key: KeyObject) => ({ key, ...paddings[name] });
    fc.assert(
      fc.property(messages, fc.nat(), fc.integer({ min: 1, max: 255 }), (message, position, change) => {
        const digest = hashed(hash, message);
        const request = { algorithm, messageType: "DIGEST", message: digest } as const;
        const signature = signMessage(request, privateKey);
        expect(verify(hash, message, options(publicKey), signature)).toBe(true);
        expect(verifyMessage(request, privateKey, sign(hash, message, options(privateKey)))).toBe(true);
        signature[position % signature.length] = (signature[position % signature.length] ?? 0) ^ change;
        expect(verifyMessage(request, privateKey, signature)).toBe(false);
        expect(verifyMessage(request, privateKey, signature.subarray(1))).toBe(false);
      }),
      runs,
    );
  });

  it("takes no PSS signature with a salt of another length", () => {
    const message = Buffer.from("message");
    const request = {
      algorithm: `RSASSA_PSS_SHA_${bits}` as "RSASSA_PSS_SHA_256",
      messageType: "DIGEST",
      message: hashed(hash, message),
    } as const;
    for (const saltLength of [0, 20, Number(bits) / 8 + 1]) {
      const signature = sign(hash, message, { key: privateKey, ...paddings.PSS, saltLength });
      expect(verifyMessage(request, privateKey, signature)).toBe(false);
    }
  });
});
