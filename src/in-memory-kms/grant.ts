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
  /** A named grant gives a new one each time it is asked for; any of them stands for it. */
  readonly tokens: readonly string[];
  readonly name?: string;
  readonly createdAt: number;
  readonly granteePrincipal: string;
  readonly retiringPrincipal?: string;
  /** Who made it, as `IssuingAccount` shows it. */
  readonly issuingAccount: string;
  readonly operations: readonly GrantOperation[];
  readonly constraints?: { subset?: EncryptionContext; equals?: EncryptionContext };
}
