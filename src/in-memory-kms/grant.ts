import type { EncryptionContext } from "./ciphertext.js";

export const grantOperations = [
  "Decrypt",
  "Encrypt",
  "GenerateDataKey",
  "GenerateDataKeyWithoutPlaintext",
  "ReEncryptFrom",
  "ReEncryptTo",
  "Sign",
  "Verify",
  "GetPublicKey",
  "CreateGrant",
  "RetireGrant",
  "DescribeKey",
  "GenerateDataKeyPair",
  "GenerateDataKeyPairWithoutPlaintext",
  "GenerateMac",
  "VerifyMac",
  "DeriveSharedSecret",
  "Encapsulate",
  "Decapsulate",
] as const;
type GrantOperation = (typeof grantOperations)[number];

export interface Grant {
  readonly id: string;
  /** A named grant gets a new one each time it is created again. All of them are valid. */
  readonly tokens: readonly string[];
  readonly name?: string;
  readonly createdAt: number;
  readonly granteePrincipal: string;
  readonly retiringPrincipal?: string;
  /** Creator, as `IssuingAccount` shows it. */
  readonly issuingAccount: string;
  readonly operations: readonly GrantOperation[];
  readonly constraints?: { subset?: EncryptionContext; equals?: EncryptionContext };
}
