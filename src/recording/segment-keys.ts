import type { RecordingKeyStoreError } from "../errors.js";
import { type DataKeyLease } from "../format/data-key-lease.js";
import { FloeDecryptor, type FloeSegments } from "../format/floe.js";
import { wipe } from "../util/secrets.js";

/** The keys of a recording's segments, for one range of them at a time. */
export interface SegmentAccess {
  /** The keys, while nobody need be asked for them. */
  readonly held: FloeSegments | undefined;
  /** Runs `work` without a wait after the keys were had. Rejects when they may no longer be used. */
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

/** FLOE's keys for one recording, in memory only while custody lends the data key from which they are derived. */
export class SegmentKeys {
  readonly #lease: DataKeyLease;
  readonly #preamble: KeyedPreamble;
  #floe: FloeDecryptor | undefined;
  #first: ((dataKey: Buffer) => void) | undefined;
  #released = false;
  #forgotten: RecordingKeyStoreError | undefined;
  #ended: (forgotten?: RecordingKeyStoreError) => void = () => undefined;

  private constructor(lease: DataKeyLease, preamble: KeyedPreamble) {
    this.#lease = lease;
    this.#preamble = preamble;
  }

  /**
   * Takes the lease over, and releases it if this fails. Whatever else stands under the data key is opened by `first`, once
   * header and FLOE header have been verified.
   * @throws RecordingKeyStoreError `ERR_RECORDING_TAMPERED` if header, FLOE header and data key do not belong together
   */
  static async open(
    lease: DataKeyLease,
    preamble: KeyedPreamble,
    signal?: AbortSignal,
    first?: (dataKey: Buffer) => void,
  ): Promise<SegmentKeys> {
    const leased = new SegmentKeys(lease, preamble);
    leased.#first = first;
    lease.onEnd((error) => {
      leased.#wipe();
      leased.#forgotten ??= error;
      leased.#ended(error);
    });
    try {
      await leased.use(() => undefined, signal);
      return leased;
    } catch (error) {
      leased.destroy();
      throw error;
    }
  }

  /**
   * Calls `ended` when a term has run out (what was decrypted for later use goes with the keys), and with an error when
   * keys were forgotten: the recording can't be read any further.
   */
  onEnd(ended: (forgotten?: RecordingKeyStoreError) => void): void {
    this.#ended = ended;
    if (this.#forgotten) ended(this.#forgotten);
  }

  /** The keys, while the term runs. */
  get held(): FloeDecryptor | undefined {
    return this.#lease.valid() ? this.#floe : undefined;
  }

  /**
   * Runs `work` with the keys, of a new term if need be. It runs without a wait after they were had, so that they are
   * used once even if asking for them took longer than the term.
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
      if (this.#released) this.#wipe();
      return result;
    } finally {
      wipe(dataKey);
    }
  }

  /** Wipes the keys and ends the lease. */
  destroy(): void {
    this.#wipe();
    if (!this.#released) this.#lease.release();
    this.#released = true;
  }

  #wipe(): void {
    this.#floe?.destroy();
    this.#floe = undefined;
  }
}
