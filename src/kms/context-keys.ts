/** Name of the organization's id in the encryption context of the reference system. */
export const defaultContextKeyName = "genesys-cloud-organization-id";

/** Content of a KMS ciphertext. A key policy can allow `attestation` alone to workers that only encrypt. */
export const ciphertextPurposes = ["private-key", "attestation"] as const;
export type CiphertextPurpose = (typeof ciphertextPurposes)[number];

export const purposeContextKey = "recording-keystore:purpose";
export const birthRecordContextKey = "recording-keystore:birth-record";

/** Rule for organization ids in an encryption context. Without `*`, `?` and `$`, which mean something in policies. */
export const organizationIdRule = {
  pattern: /^[A-Za-z0-9][A-Za-z0-9._:@+=,-]{0,127}$/,
  message: "must be 1 to 128 of A-Z a-z 0-9 . _ : @ + = , - and begin with a letter or digit",
} as const;

/** Rule for the name of the organization's id. The names of AWS and of this library are taken. */
export const contextKeyNameRule = {
  pattern: /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$/,
  message: "must be 1 to 128 of A-Z a-z 0-9 . _ : / @ - and begin with a letter or digit",
  taken: /^(aws|recording-keystore):/i,
  takenMessage: "must not begin with aws: or recording-keystore:",
} as const;
