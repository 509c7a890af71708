import { generateKeyPairSync, randomBytes, type KeyObject } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import * as secrets from "../../src/util/secrets.js";
import { importUnwrappingKey, importWrappingKey } from "../../src/format/data-key-wrapping.js";
import {
  importX25519PrivateKey,
  importX25519PublicKey,
  openSealed,
  seal,
  sealedBoxOverhead,
  x25519PublicKeyOf,
} from "../../src/format/sealed-box.js";

const spki = (key: KeyObject) => key.export({ format: "der", type: "spki" });
const pkcs8 = (key: KeyObject) => key.export({ format: "der", type: "pkcs8" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const tampered = expect.objectContaining({
  code: "ERR_RECORDING_TAMPERED",
  retryable: false,
  message: "the recording's wrapped data key was not made for its key pair, or was changed",
});

describe("RSA_2048", () => {
  const wrapping = importWrappingKey("RSA_2048", spki(rsa.publicKey));
  const unwrapping = importUnwrappingKey("RSA_2048", pkcs8(rsa.privateKey));

  it("has one public half, as SPKI", () => expect(unwrapping.publicKey).toEqual(spki(rsa.publicKey)));

  it("wraps and unwraps data keys, and nothing but data keys", () => {
    const dataKey = randomBytes(32);
    expect(unwrapping.unwrap(wrapping.wrap(dataKey))).toEqual(dataKey);
    for (const length of [0, 31, 33])
      expect(() => unwrapping.unwrap(wrapping.wrap(randomBytes(length)))).toThrow(tampered);
  });

  it("fails alike for whatever was not wrapped for it", () => {
    const wrapped = wrapping.wrap(randomBytes(32));
    const changed = Buffer.from(wrapped);
    changed[100]! ^= 1;
    for (const bytes of [changed, wrapped.subarray(1), Buffer.alloc(0), randomBytes(256)])
      expect(() => unwrapping.unwrap(bytes)).toThrow(tampered);
  });

  it("opens no wrapped key without its leading zero, which is the same number", () => {
    let wrapped = wrapping.wrap(randomBytes(32));
    while (wrapped[0] !== 0) wrapped = wrapping.wrap(randomBytes(32)); // one in some 200
    expect(unwrapping.unwrap(wrapped)).toHaveLength(32);
    expect(() => unwrapping.unwrap(wrapped.subarray(1))).toThrow(tampered);
  });
});

describe("keys that are not what the spec says", () => {
  const small = generateKeyPairSync("rsa", { modulusLength: 1_024 });
  const exponent = generateKeyPairSync("rsa", { modulusLength: 2_048, publicExponent: 3 });
  const pss = generateKeyPairSync("rsa-pss", { modulusLength: 2_048 });
  const curve = generateKeyPairSync("ec", { namedCurve: "P-256" });

  it.each([
    ["1024 bits", small, "RSA_2048"],
    ["2048 bits", rsa, "RSA_3072"],
    ["2048 bits", rsa, "RSA_4096"],
    ["exponent 3", exponent, "RSA_2048"],
    ["RSA-PSS", pss, "RSA_2048"],
    ["P-256", curve, "RSA_2048"],
  ] as const)("are refused: %s", (_, pair, spec) => {
    const refused = expect.objectContaining({ name: "TypeError", message: `key is not ${spec} with exponent 65537` });
    expect(() => importWrappingKey(spec, spki(pair.publicKey))).toThrow(refused);
    expect(() => importUnwrappingKey(spec, pkcs8(pair.privateKey))).toThrow(refused);
  });

  it("are refused: X25519 of another length", () => {
    for (const length of [0, 31, 33]) {
      expect(() => importX25519PublicKey(Buffer.alloc(length, 9))).toThrow(
        new TypeError(`X25519 public key has ${length} bytes, not 32`),
      );
      expect(() => importX25519PrivateKey(Buffer.alloc(length, 9))).toThrow(
        new TypeError(`X25519 private key has ${length} bytes, not 32`),
      );
    }
    expect(() => x25519PublicKeyOf(rsa.privateKey)).toThrow(new TypeError("not an X25519 key"));
  });
});

describe("a private key", () => {
  it("is read in place, wherever it lies, and left to its owner", () => {
    const around = randomBytes(96);
    const within = around.subarray(40, 72);
    const before = Buffer.from(around);
    expect(x25519PublicKeyOf(importX25519PrivateKey(within))).toEqual(
      x25519PublicKeyOf(importX25519PrivateKey(Buffer.from(within))),
    );
    expect(around).toEqual(before);
    const der = pkcs8(rsa.privateKey);
    const copy = Buffer.concat([randomBytes(7), der, randomBytes(7)]);
    expect(importUnwrappingKey("RSA_2048", copy.subarray(7, 7 + der.length)).publicKey).toEqual(spki(rsa.publicKey));
    expect(copy.subarray(7, 7 + der.length)).toEqual(der);
  });

  it("sealing and opening wipe every secret but the one that they return", () => {
    const made: Buffer[] = [];
    const original = secrets.secretBuffer;
    const spy = vi.spyOn(secrets, "secretBuffer").mockImplementation((length) => {
      const buffer = original(length);
      made.push(buffer);
      return buffer;
    });
    const privateKey = importX25519PrivateKey(randomBytes(32));
    const raw = x25519PublicKeyOf(privateKey);
    const message = randomBytes(32);
    const box = seal(message, importX25519PublicKey(raw), raw);
    const opened = openSealed(box, privateKey, raw);
    spy.mockRestore();
    expect(opened).toEqual(message);
    expect(made.filter((buffer) => buffer.some((byte) => byte !== 0))).toEqual([opened]);
  });
});

describe("a sealed box", () => {
  const privateKey = importX25519PrivateKey(randomBytes(32));
  const raw = x25519PublicKeyOf(privateKey);

  it("is 48 bytes longer than its message, which may be empty", () => {
    const box = seal(Buffer.alloc(0), importX25519PublicKey(raw), raw);
    expect(box.length).toBe(sealedBoxOverhead);
    expect(openSealed(box, privateKey, raw)).toEqual(Buffer.alloc(0));
  });

  it("with a low-order ephemeral key does not open", () =>
    expect(openSealed(Buffer.alloc(80), privateKey, raw)).toBeUndefined());
});
