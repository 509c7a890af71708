import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { kmsError } from "../../src/kms/kms-error.js";
import type { EncryptionContext, KmsProvider } from "../../src/kms/kms-provider.js";

/*
 * KMS for tests in several processes, which share a KMS key that is part of the code. Their subject is what happens to key
 * pairs and recordings when processes race and die.
 */
export const accountId = "111122223333";
const keyArn = `arn:aws:kms:eu-west-1:${accountId}:key/1`;
export const kmsKeyAliasArn = `arn:aws:kms:eu-west-1:${accountId}:alias/recordings`;
const key = createHash("sha256").update("the organization's KMS key").digest();
const aad = (context: EncryptionContext) => Buffer.from(JSON.stringify(Object.entries(context).sort()));

export const kms: KmsProvider = {
  describeKey: async () => ({
    keyArn,
    enabled: true,
    keyState: "Enabled",
    keySpec: "SYMMETRIC_DEFAULT",
    keyUsage: "ENCRYPT_DECRYPT",
  }),
  async encrypt({ plaintext, encryptionContext }) {
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: 16 }).setAAD(aad(encryptionContext));
    return { keyArn, ciphertext: Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]) };
  },
  async decrypt({ ciphertext, encryptionContext }) {
    const bytes = Buffer.from(ciphertext);
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12), { authTagLength: 16 }).setAAD(
      aad(encryptionContext),
    );
    decipher.setAuthTag(bytes.subarray(-16));
    try {
      return { keyArn, plaintext: Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]) };
    } catch {
      throw kmsError("invalid-ciphertext", { operation: "Decrypt", message: "the ciphertext was changed" });
    }
  },
  generateDataKeyPair: () =>
    Promise.reject(kmsError("key-unsupported", { operation: "GenerateDataKeyPair", message: "not here" })),
};
