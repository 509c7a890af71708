/** Key pair specs that KMS itself can make (`GenerateDataKeyPair`). */
export type KmsDataKeyPairSpec = "RSA_2048" | "RSA_3072" | "RSA_4096";

/** Names and values that KMS authenticates and shows in audit logs. Compared exactly, in any order. */
export type EncryptionContext = Readonly<Record<string, string>>;

export interface KmsCallOptions {
  /** Aborts the call, which then rejects with `signal.reason`. */
  signal?: AbortSignal;
}

/** What `DescribeKey` tells of a key. */
export interface KmsKeyDescription {
  keyArn: string;
  enabled: boolean;
  /** State in KMS's own words: `Enabled`, `Disabled`, `PendingDeletion` … */
  keyState: string;
  /** `SYMMETRIC_DEFAULT` for a key that this library can use. */
  keySpec: string;
  /** `ENCRYPT_DECRYPT` for a key that this library can use. */
  keyUsage: string;
  /** Where the key's material is from: `AWS_KMS`, `EXTERNAL`, `AWS_CLOUDHSM`, `EXTERNAL_KEY_STORE`. */
  origin?: string;
  /** Who manages the key: `CUSTOMER` or `AWS`. */
  keyManager?: string;
  /** Regions of the primary and of all replicas; missing for a single-Region key. */
  multiRegion?: { primaryRegion: string; replicaRegions: readonly string[] };
  deletionDate?: Date;
}

/**
 * A KMS as the key store uses it. Implement it to reach KMS another way (a proxy, another vendor).
 *
 * Contract:
 * - `keyId` is an alias ARN or key ARN; its Region says where to send the call.
 * - A failure rejects with the {@link KmsError} that `kmsError(kind, …)` makes; an abort rejects with `signal.reason`.
 * - A call ends within a bounded time of its own, also while the service hangs.
 * - Returned buffers belong to the caller, who wipes `plaintext`; they must not be views of a shared pool.
 * - Errors hold neither plaintext nor credentials.
 *
 * `kmsProviderConformance` in `recording-keystore/testing` checks all of this.
 */
export interface KmsProvider {
  /** Describes a key. It carries no encryption context, so some policies deny it: the key store goes on without. */
  describeKey(request: { keyId: string }, options?: KmsCallOptions): Promise<KmsKeyDescription>;

  /** Encrypts at most 4,096 bytes. Resolves with the ARN of the **key**, also where `keyId` is an alias. */
  encrypt(
    request: { keyId: string; plaintext: Uint8Array; encryptionContext: EncryptionContext },
    options?: KmsCallOptions,
  ): Promise<{ keyArn: string; ciphertext: Uint8Array }>;

  /** Decrypts under exactly this key. Rejects a ciphertext of any other key with the kind `incorrect-key`. */
  decrypt(
    request: { keyId: string; ciphertext: Uint8Array; encryptionContext: EncryptionContext },
    options?: KmsCallOptions,
  ): Promise<{
    keyArn: string;
    plaintext: Uint8Array;
    /** Id of the key material that made the ciphertext, 64 hexadecimal digits; left out where KMS does not tell. */
    keyMaterialId?: string;
  }>;

  /** Makes a key pair inside KMS. Its private half leaves KMS only encrypted (`…WithoutPlaintext`). */
  generateDataKeyPair(
    request: { keyId: string; spec: KmsDataKeyPairSpec; encryptionContext: EncryptionContext },
    options?: KmsCallOptions,
  ): Promise<{
    keyArn: string;
    /** SPKI, in DER. */
    publicKey: Uint8Array;
    /** KMS ciphertext of the private key, PKCS#8 in DER. */
    privateKeyCiphertext: Uint8Array;
  }>;
}
