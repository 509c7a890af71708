import type { RecordingKeyStoreError } from "../errors.js";

/** A lease on the data key of a recording. Nothing derived from the key outlives the lease. */
export interface DataKeyLease {
  /**
   * The data key, 32 bytes, in a buffer that the caller wipes. The first call starts the lease with the key at hand; each
   * later call renews it, and so asks custody and perhaps KMS.
   * @throws RecordingKeyStoreError when the key may no longer be used
   */
  dataKey(signal?: AbortSignal): Promise<Buffer>;
  /** Whether the lease is valid. Cheap: called before each segment is opened. */
  valid(): boolean;
  /**
   * Calls `ended` whenever the lease ends while nobody asks, and, with an error, when keys are forgotten: then it can't be
   * renewed. The callback wipes everything derived from the data key.
   */
  onEnd(ended: (error?: RecordingKeyStoreError) => void): void;
  /** Releases the lease. Called once in every outcome. */
  release(): void;
}
