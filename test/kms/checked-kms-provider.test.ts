import { describe, expect, it } from "vitest";
import { CheckedKmsProvider } from "../../src/kms/checked-kms-provider.js";
import { smallArray } from "../support/small-array.js";
import { transferred } from "../support/transferred.js";
import { encryptionContext, keyArn, rejection } from "./fixtures.js";

/** The checked Decrypt of a provider that answers so. */
function decrypting(answer: {
  readonly keyArn: string;
  readonly plaintext: Uint8Array;
  readonly keyMaterialId?: unknown;
}) {
  const unused = () => Promise.reject(new Error("not asked for"));
  const provider = {
    describeKey: unused,
    encrypt: unused,
    generateDataKeyPair: unused,
    decrypt: async () => answer as never,
  };
  const request = { keyId: keyArn, ciphertext: Buffer.alloc(9), encryptionContext };
  return new CheckedKmsProvider(provider, 1_000).decrypt(request);
}

describe("a plaintext that a provider answers with", () => {
  it("is copied, and wiped where it is, without being moved out of V8's heap", async () => {
    const plaintext = smallArray(7);
    expect((await decrypting({ keyArn, plaintext })).plaintext).toEqual(Buffer.alloc(32, 7));
    expect({ first: plaintext[0], moved: plaintext.moved }).toEqual({ first: 0, moved: false });
  });

  it("is wiped where the answer has no key", async () => {
    const plaintext = smallArray(7);
    const error = await rejection(decrypting({ keyArn: undefined as unknown as string, plaintext }));
    expect(error).toMatchObject({ code: "ERR_KMS_UNAVAILABLE", kind: "unexpected-answer" });
    expect({ first: plaintext[0], moved: plaintext.moved }).toEqual({ first: 0, moved: false });
  });

  it("is no answer once its buffer was transferred", async () => {
    const error = await rejection(decrypting({ keyArn, plaintext: transferred(32) }));
    expect(error).toMatchObject({ code: "ERR_KMS_UNAVAILABLE", kind: "unexpected-answer" });
  });
});

describe("a key material that a provider answers with", () => {
  const plaintext = () => smallArray(7);
  const told = async (keyMaterialId: unknown) => {
    return Object.entries(await decrypting({ keyArn, plaintext: plaintext(), keyMaterialId })).slice(2);
  };

  it("is passed on as KMS shows it", async () => {
    const id = "0123456789abcdef".repeat(4);
    expect(await told(id)).toEqual([["keyMaterialId", id]]);
  });

  it.each([
    undefined,
    null,
    "",
    "0".repeat(63),
    "0".repeat(65),
    "g".repeat(64),
    `${"0".repeat(64)}\n`,
    7,
    {},
    ["0".repeat(64)],
  ])("is left out where it is none, and the plaintext given all the same: %j", async (keyMaterialId) => {
    expect(await told(keyMaterialId)).toEqual([]);
  });
});
