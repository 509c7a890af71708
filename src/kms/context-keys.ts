/** Name under which the reference system puts the organization's id into the KMS encryption context. */
export const defaultContextKeyName = "genesys-cloud-organization-id";

/** What a KMS ciphertext holds. A key policy can allow `attestation` alone to workers that only encrypt. */
export const ciphertextPurposes = ["private-key", "attestation"] as const;
export type CiphertextPurpose = (typeof ciphertextPurposes)[number];

export const purposeContextKey = "recording-keystore:purpose";
export const birthRecordContextKey = "recording-keystore:birth-record";

/** What can stand in an encryption context as an organization's id. Holds no `*`, `?` or `$`, which mean something in policies. */
export const organizationIdRule = {
  pattern: /^[A-Za-z0-9][A-Za-z0-9._:@+=,-]{0,127}$/,
  message: "must be 1 to 128 of A-Z a-z 0-9 . _ : @ + = , - and begin with a letter or digit",
} as const;

/** The name beside it. Names of AWS and of this library's own entries are taken. */
export const contextKeyNameRule = {
  pattern: /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$/,
  message: "must be 1 to 128 of A-Z a-z 0-9 . _ : / @ - and begin with a letter or digit",
  taken: /^(aws|recording-keystore):/i,
  takenMessage: "must not begin with aws: or recording-keystore:",
} as const;
