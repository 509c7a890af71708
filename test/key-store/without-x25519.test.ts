import type * as Crypto from "node:crypto";
import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import { configured, kmsKeyAliasArn, setup } from "../support/setup.js";

/** Whether OpenSSL has X25519. A real FIPS provider is not at hand everywhere; its answers are `unsupported`. */
const openssl = vi.hoisted(() => ({ hasX25519: true }));

vi.mock("node:crypto", async (importOriginal) => {
  const real = await importOriginal<typeof Crypto>();
  const refusing =
    (name: "createPublicKey" | "createPrivateKey" | "generateKeyPairSync") =>
    (...args: unknown[]): unknown => {
      const made = (real[name] as (...given: unknown[]) => unknown)(...args);
      const isX25519 = args[0] === "x25519" || (made as Crypto.KeyObject).asymmetricKeyType === "x25519";
      if (openssl.hasX25519 || !isX25519) return made;
      throw Object.assign(new Error("error:0308010C:digital envelope routines::unsupported"), {
        code: "ERR_OSSL_EVP_UNSUPPORTED",
      });
    };
  return {
    ...real,
    createPublicKey: refusing("createPublicKey"),
    createPrivateKey: refusing("createPrivateKey"),
    generateKeyPairSync: refusing("generateKeyPairSync"),
  };
});

const saysSo = {
  code: "ERR_INVALID_INPUT",
  field: "keyPairSpec",
  message: expect.stringMatching(/OpenSSL has no X25519.*RSA_2048, RSA_3072 or RSA_4096/),
};
const audio = randomBytes(100);
const recording = { recordingId: "r" };

describe("a process whose OpenSSL has no X25519", () => {
  afterEach(() => {
    openssl.hasX25519 = true;
  });

  it("says so to test() and configure(), and works with RSA pairs", async () => {
    const { keyStore } = setup();
    openssl.hasX25519 = false;
    await expect(keyStore.test({ kmsKeyAliasArn })).rejects.toMatchObject(saysSo);
    await expect(keyStore.configure({ kmsKeyAliasArn })).rejects.toMatchObject(saysSo);
    await keyStore.configure({ kmsKeyAliasArn, keyPairSpec: "RSA_2048" });
    const { body } = await keyStore.encryptRecording(audio, recording);
    expect((await keyStore.decryptRecording(body, recording)).body).toEqual(audio);
  });

  it("says so where an X25519 pair was made elsewhere, and blames neither pair, recording nor KMS", async () => {
    const { keyStore, keyStoreWith } = await configured();
    const { body } = await keyStore.encryptRecording(audio, recording);
    openssl.hasX25519 = false;
    const fresh = keyStoreWith();
    await expect(fresh.encryptRecording(audio, recording)).rejects.toMatchObject(saysSo);
    await expect(fresh.decryptRecording(body, recording)).rejects.toMatchObject(saysSo);
    keyStore.forgetPrivateKeys();
    await expect(keyStore.decryptRecording(body, recording)).rejects.toMatchObject(saysSo);
    openssl.hasX25519 = true;
    expect((await fresh.decryptRecording(body, recording)).body).toEqual(audio);
  });
});
