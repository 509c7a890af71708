import { InvalidInputError } from "../errors.js";
import type { BirthRecord } from "../format/birth-record.js";
import { importWrappingKey, type WrappingKey } from "../format/data-key-wrapping.js";
import { isCiphertextLength } from "../format/header.js";
import { isKmsKeyArn, sameAccountAndRegion } from "../kms/arn.js";
import { kmsError } from "../kms/kms-error.js";

/*
 * Checks of what a provider answers. What is not as KMS promises is a failure of kind `unexpected-answer`.
 */

/** Imports a public key that KMS has made. @throws KmsError */
export function importMade({ spec, kmsKeyAliasArn }: BirthRecord, publicKey: Buffer): WrappingKey {
  try {
    return importWrappingKey(spec, publicKey);
  } catch (error) {
    if (error instanceof InvalidInputError) throw error; // this process has no X25519, which is no fault of KMS
    const message = `KMS made a public key that is no ${spec} key`;
    throw kmsError("unexpected-answer", {
      operation: "GenerateDataKeyPairWithoutPlaintext",
      keyId: kmsKeyAliasArn,
      message,
    });
  }
}

/** Checks that the key that KMS answered with is of the account and Region of the requested alias. @throws KmsError */
export function checkAnsweredKey(keyArn: string, birth: BirthRecord, operation: string): string {
  if (isKmsKeyArn(keyArn) && sameAccountAndRegion(keyArn, birth.kmsKeyAliasArn)) return keyArn;
  throw kmsError("unexpected-answer", {
    operation,
    keyId: birth.kmsKeyAliasArn,
    message: `KMS answered ${operation} for ${birth.kmsKeyAliasArn} with the key ${JSON.stringify(keyArn)}, which is not of the alias's account and Region`,
  });
}

/** A copy of a ciphertext or public key that KMS answered with. @throws KmsError */
export function answeredBytes(bytes: Uint8Array, operation: string, keyId: string): Buffer {
  if (isCiphertextLength(bytes.length)) return Buffer.from(bytes);
  const message = `the KMS provider answered ${operation} for ${keyId} with ${bytes.length} bytes, as KMS never does`;
  throw kmsError("unexpected-answer", { operation, keyId, message });
}
