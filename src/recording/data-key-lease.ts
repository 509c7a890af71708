/** A recording's data key, lent to whoever decrypts it for as long as custody allows. */
export interface DataKeyLease {
  /** 32 bytes. Belongs to the lease. */
  readonly dataKey: Buffer;
  /** Whether the lease still holds; cheap, and asked before each segment is opened. */
  valid(): boolean;
  /** Asks custody again once the lease has run out. Rejects when the key may no longer be used. */
  renew(signal?: AbortSignal): Promise<void>;
  /** Wipes the data key. Called once in every outcome. */
  release(): void;
}
