/** How the data key of a recording is wrapped. `X25519` pairs are made here, `RSA_*` pairs by KMS. */
export const keyPairSpecs = ["X25519", "RSA_2048", "RSA_3072", "RSA_4096"] as const;
export type KeyPairSpec = (typeof keyPairSpecs)[number];

export const periodicKeyChanges = ["daily", "weekly", "monthly", "yearly", "never"] as const;
export type PeriodicKeyChange = (typeof periodicKeyChanges)[number];

/** Why a key pair was made: a periodic change was due, somebody asked, or the configuration was saved. */
export const keyPairReasons = ["schedule", "on-demand", "configure"] as const;
export type KeyPairReason = (typeof keyPairReasons)[number];

/** Whether KMS itself has vouched for a public key on this host (`confirmed`), or could not be asked yet. */
export type Confirmation = "confirmed" | "unconfirmed";

/** An administrator's settings. Each pair's birth record carries them. */
export interface KeyStoreConfiguration {
  readonly kmsKeyAliasArn: string;
  readonly periodicKeyChange: PeriodicKeyChange;
  readonly keyPairSpec: KeyPairSpec;
}
