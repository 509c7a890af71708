/** Operations of which the service remembers the last success, by key. */
export const trackedOperations = [
  "Decrypt",
  "DeriveSharedSecret",
  "Encrypt",
  "GenerateDataKey",
  "GenerateDataKeyPair",
  "GenerateDataKeyPairWithoutPlaintext",
  "GenerateDataKeyWithoutPlaintext",
  "GenerateMac",
  "ReEncrypt",
  "Sign",
  "Verify",
  "VerifyMac",
  "Encapsulate",
  "Decapsulate",
] as const;

/** The last success of a cryptographic operation with a key. */
export interface LastUsage {
  readonly operation: (typeof trackedOperations)[number];
  /** In ms since the Unix epoch. */
  readonly at: number;
  readonly requestId: string;
  /** As of CloudTrail's log, which there is none of here. */
  readonly eventId: string;
}

/** `undefined` for an operation of which nothing is remembered. */
export function lastUsage(name: string, rest: Omit<LastUsage, "operation">): LastUsage | undefined {
  const operation = trackedOperations.find((tracked) => tracked === name);
  return operation && { operation, ...rest };
}
