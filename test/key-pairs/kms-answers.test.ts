import { describe, expect, it } from "vitest";
import { answeredBytes, checkAnsweredKey, importMade } from "../../src/key-pairs/kms-answers.js";
import { invented, noSuchKeyArn } from "./inventions.js";

const { birth } = invented();
const keyId = birth.kmsKeyAliasArn;
const saying = (operation: string, message: string) =>
  expect.objectContaining({ kind: "unexpected-answer", operation, keyId, message }) as unknown as Error;

describe("an answer that KMS never gives", () => {
  it.each([0, 6_145])("is a ciphertext of %i bytes", (length) => {
    const message = `the KMS provider answered Encrypt for ${keyId} with ${length} bytes, as KMS never does`;
    expect(() => answeredBytes(new Uint8Array(length), "Encrypt", keyId)).toThrow(saying("Encrypt", message));
  });

  it.each([keyId, noSuchKeyArn.replace(":00", ":11"), "a key"])("is the key %s", (keyArn) => {
    const message = `KMS answered Decrypt for ${keyId} with the key ${JSON.stringify(keyArn)}, which is not of the alias's account and Region`;
    expect(() => checkAnsweredKey(keyArn, birth, "Decrypt")).toThrow(saying("Decrypt", message));
  });

  it("is a public key of another kind", () => {
    const made = () => importMade(birth, Buffer.alloc(31));
    expect(made).toThrow(
      saying("GenerateDataKeyPairWithoutPlaintext", `KMS made a public key that is no ${birth.spec} key`),
    );
  });
});

describe("an answer as KMS gives it", () => {
  it("is taken as a copy", () => {
    const bytes = new Uint8Array(100).fill(7);
    const taken = answeredBytes(bytes, "Encrypt", keyId);
    bytes.fill(0);
    expect(taken.equals(Buffer.alloc(100, 7))).toBe(true);
  });

  it("names a key of the alias's account and Region", () => {
    expect(checkAnsweredKey(noSuchKeyArn, birth, "Decrypt")).toBe(noSuchKeyArn);
  });
});
