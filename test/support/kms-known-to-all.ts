import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { kmsError } from "../../src/kms/kms-error.js";
import type { EncryptionContext, KmsProvider } from "../../src/kms/kms-provider.js";

/*
 * KMS for tests in several processes, which share KMS keys that are part of the code. Their subject is what happens to key
 * pairs and recordings when processes race and die.
 */
export const accountId = "111122223333";
export const kmsKeyAliasArn = `arn:aws:kms:eu-west-1:${accountId}:alias/recordings`;
const arnOf = (number: number) => `arn:aws:kms:eu-west-1:${accountId}:key/${number}`;
const keyOf = (keyArn: string) => createHash("sha256").update(`the organization's KMS key ${keyArn}`).digest();
const aad = (context: EncryptionContext) => Buffer.from(JSON.stringify(Object.entries(context).sort()));

/**
 * @param number - of the KMS key to which the alias points
 * @param onlyThis - whether every other KMS key is disabled
 */
export function kmsWith(number: number, { onlyThis = false } = {}): KmsProvider {
  const resolved = (keyId: string, operation: "DescribeKey" | "Encrypt" | "Decrypt"): string => {
    const keyArn = keyId === kmsKeyAliasArn ? arnOf(number) : keyId;
    if (onlyThis && keyArn !== arnOf(number))
      throw kmsError("key-disabled", { operation, message: `${keyArn} is disabled` });
    return keyArn;
  };
  return {
    describeKey: async ({ keyId }) => ({
      keyArn: resolved(keyId, "DescribeKey"),
      enabled: true,
      keyState: "Enabled",
      keySpec: "SYMMETRIC_DEFAULT",
      keyUsage: "ENCRYPT_DECRYPT",
    }),
    async encrypt({ keyId, plaintext, encryptionContext }) {
      const keyArn = resolved(keyId, "Encrypt");
      const iv = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", keyOf(keyArn), iv, { authTagLength: 16 });
      cipher.setAAD(aad(encryptionContext));
      return { keyArn, ciphertext: Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]) };
    },
    async decrypt({ keyId, ciphertext, encryptionContext }) {
      const keyArn = resolved(keyId, "Decrypt");
      const bytes = Buffer.from(ciphertext);
      const decipher = createDecipheriv("aes-256-gcm", keyOf(keyArn), bytes.subarray(0, 12), { authTagLength: 16 });
      decipher.setAAD(aad(encryptionContext)).setAuthTag(bytes.subarray(-16));
      try {
        return { keyArn, plaintext: Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]) };
      } catch {
        throw kmsError("invalid-ciphertext", { operation: "Decrypt", message: "the ciphertext was changed" });
      }
    },
    generateDataKeyPair: () =>
      Promise.reject(kmsError("key-unsupported", { operation: "GenerateDataKeyPair", message: "not here" })),
  };
}

export const kms: KmsProvider = kmsWith(1);
