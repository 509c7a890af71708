import type { RecordingKeyStoreError } from "../errors.js";
import type { DataKeyLease } from "../format/data-key-lease.js";
import { FloeDecryptor, type FloeSegments } from "../format/floe.js";
import { wipe } from "../util/secrets.js";

/** The keys of a recording's segments, for one range of them at a time. */
export interface SegmentAccess {
  /** The keys, while they are valid without asking anybody. */
  readonly held: FloeSegments | undefined;
  /** Runs `work` as soon as it has the keys, without a wait in between. Rejects when they may no longer be used. */
  use<T>(work: (floe: FloeSegments) => T): Promise<T>;
}

/** What FLOE's keys depend on besides the data key. */
interface KeyedPreamble {
  readonly header: { readonly segmentLength: number };
  /** FLOE's associated data. */
  readonly encodedHeader: Buffer;
  /** 74 bytes. */
  readonly floeHeader: Buffer;
}

/** FLOE's keys for one recording, in memory only while the lease on its data key is valid. */
export class SegmentKeys {
  readonly #lease: DataKeyLease;
  readonly #preamble: KeyedPreamble;
  #floe: FloeDecryptor | undefined;
  #first: ((dataKey: Buffer) => void) | undefined;
  #rekeys = false;
  #forgotten: RecordingKeyStoreError | undefined;
  #ended: (forgotten?: RecordingKeyStoreError) => void = () => undefined;

  private constructor(lease: DataKeyLease, preamble: KeyedPreamble) {
    this.#lease = lease;
    this.#preamble = preamble;
  }

  /**
   * Takes the lease over, and releases it on failure. Calls `first` with the data key, for whatever else is encrypted under
   * it, once header and FLOE header have been verified.
   * @throws RecordingKeyStoreError `ERR_RECORDING_TAMPERED` if header, FLOE header and data key do not belong together
   */
  static async open(
    lease: DataKeyLease,
    preamble: KeyedPreamble,
    signal?: AbortSignal,
    first?: (dataKey: Buffer) => void,
  ): Promise<SegmentKeys> {
    const keys = new SegmentKeys(lease, preamble);
    keys.#first = first;
    lease.onEnd((error) => {
      keys.#wipe();
      keys.#forgotten ??= error;
      keys.#ended(error);
    });
    try {
      await keys.use(() => undefined, signal);
      return keys;
    } catch (error) {
      keys.destroy();
      throw error;
    }
  }

  /**
   * Calls `ended` when the lease ends, so that plaintext kept for later goes with the keys, and with an error when keys
   * were forgotten, so that the recording can't be read any further.
   */
  onEnd(ended: (forgotten?: RecordingKeyStoreError) => void): void {
    this.#ended = ended;
    if (this.#forgotten) ended(this.#forgotten);
  }

  /** The keys, while the lease is valid. */
  get held(): FloeDecryptor | undefined {
    return this.#lease.valid() ? this.#floe : undefined;
  }

  /**
   * Runs `work` with the keys, renewing the lease if need be. There is no wait in between, so that the keys are used once
   * even if renewing took longer than the lease lasts.
   */
  async use<T>(work: (floe: FloeDecryptor) => T, signal?: AbortSignal): Promise<T> {
    const held = this.held;
    if (held) return work(held);
    this.#wipe();
    const dataKey = await this.#lease.dataKey(signal);
    try {
      signal?.throwIfAborted();
      const { header, encodedHeader, floeHeader } = this.#preamble;
      const { segmentLength } = header;
      const floe = this.held ?? new FloeDecryptor(dataKey, encodedHeader, floeHeader, { segmentLength });
      if (floe !== this.#floe) this.#wipe();
      this.#floe = floe;
      this.#first?.(dataKey);
      this.#first = undefined;
      const result = work(floe);
      if (this.#rekeys) this.#wipe();
      return result;
    } finally {
      wipe(dataKey);
    }
  }

  /** The keys, for code that reads the segments itself. They end with {@link destroy}. */
  access(signal?: AbortSignal): SegmentAccess {
    const held = () => this.held?.segments;
    return {
      get held() {
        return held();
      },
      use: (work) => this.use((floe) => work(floe.segments), signal),
    };
  }

  /** Wipes the keys and releases the lease. */
  destroy(): void {
    this.#wipe();
    if (!this.#rekeys) this.#lease.release();
    this.#rekeys = true;
  }

  #wipe(): void {
    this.#floe?.destroy();
    this.#floe = undefined;
  }
}
