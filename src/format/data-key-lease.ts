import type { RecordingKeyStoreError } from "../errors.js";

/**
 * A recording's data key, lent to whoever decrypts it, term by term. What is derived from it lives no longer than the term.
 */
export interface DataKeyLease {
  /**
   * The data key, 32 bytes, in a buffer that the caller wipes. The first call begins the first term with what is at hand;
   * every later one begins a new term, and so asks custody and perhaps KMS.
   * Rejects when the key may no longer be used.
   */
  dataKey(signal?: AbortSignal): Promise<Buffer>;
  /** Whether the term still runs; cheap, and asked before each segment is opened. */
  valid(): boolean;
  /**
   * Calls `ended` whenever a term runs out while nobody asks, and, with an error, when keys are forgotten: then there is
   * no further term. Whatever was derived from the data key must be wiped in that call.
   */
  onEnd(ended: (error?: RecordingKeyStoreError) => void): void;
  /** Ends the lease. Called once in every outcome. */
  release(): void;
}
