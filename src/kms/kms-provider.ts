/** Key pair specs that KMS itself can make (`GenerateDataKeyPair`). */
export type KmsDataKeyPairSpec = "RSA_2048" | "RSA_3072" | "RSA_4096";

/** Authenticated, not secret: KMS shows it in audit logs. Compared exactly; order does not matter. */
export type EncryptionContext = Readonly<Record<string, string>>;

export interface KmsCallOptions {
  /** Aborts the call; the promise then rejects with `signal.reason`. */
  signal?: AbortSignal;
}

export interface KmsKeyDescription {
  keyArn: string;
  enabled: boolean;
  /** `Enabled`, `Disabled`, `PendingDeletion` … as KMS names it. */
  keyState: string;
  /** `SYMMETRIC_DEFAULT` for the keys this library needs. */
  keySpec: string;
  /** `ENCRYPT_DECRYPT` for the keys this library needs. */
  keyUsage: string;
  /** `AWS_KMS`, `EXTERNAL`, `AWS_CLOUDHSM`, `EXTERNAL_KEY_STORE`. */
  origin?: string;
  /** `CUSTOMER` or `AWS`. */
  keyManager?: string;
  /** Regions of the primary and of all replicas; absent for a single-Region key. */
  multiRegion?: { primaryRegion: string; replicaRegions: readonly string[] };
  deletionDate?: Date;
}

/**
 * What the key store needs of a KMS. Implement it to reach KMS another way (a proxy, another vendor).
 *
 * Contract:
 * - `keyId` is always an alias ARN or key ARN; its Region says where to send the call.
 * - A failure rejects with the {@link KmsError} that `kmsError(kind, …)` makes; an abort rejects with `signal.reason`.
 * - A call ends within a bounded time of its own, also when the service hangs.
 * - Returned buffers belong to the caller, who wipes `plaintext`; they must not be views of a shared pool.
 * - Errors hold neither plaintext nor credentials.
 *
 * `kmsProviderConformance` in `recording-keystore/testing` checks all of this.
 */
export interface KmsProvider {
  describeKey(request: { keyId: string }, options?: KmsCallOptions): Promise<KmsKeyDescription>;

  /** Encrypts at most 4,096 bytes. Resolves with the **key** ARN that did it, also when given an alias. */
  encrypt(
    request: { keyId: string; plaintext: Uint8Array; encryptionContext: EncryptionContext },
    options?: KmsCallOptions,
  ): Promise<{ keyArn: string; ciphertext: Uint8Array }>;

  /** Decrypts under exactly this key; a ciphertext of any other key is a failure of kind `incorrect-key`. */
  decrypt(
    request: { keyId: string; ciphertext: Uint8Array; encryptionContext: EncryptionContext },
    options?: KmsCallOptions,
  ): Promise<{ keyArn: string; plaintext: Uint8Array }>;

  /** Makes a key pair inside KMS; its private half leaves KMS only encrypted (`…WithoutPlaintext`). */
  generateDataKeyPair(
    request: { keyId: string; spec: KmsDataKeyPairSpec; encryptionContext: EncryptionContext },
    options?: KmsCallOptions,
  ): Promise<{
    keyArn: string;
    /** SPKI, DER. */
    publicKey: Uint8Array;
    /** KMS ciphertext of the PKCS#8 DER private key. */
    privateKeyCiphertext: Uint8Array;
  }>;
}
