import type { Moment } from "../../clock.js";
import { RecordingKeyStoreError } from "../../errors.js";
import type { DataKeyLease } from "../../format/data-key-lease.js";
import type { UnwrappingKey } from "../../format/data-key-wrapping.js";
import { wipe } from "../../util/secrets.js";
import type { HeldPrivateKey, Lease, PrivateKeyCustody } from "./private-key-custody.js";

/** What a lease on a data key works with. */
export interface LeaseParts {
  readonly custody: PrivateKeyCustody;
  readonly organizationId: string;
  /** Time to the end, counted from the request that unwrapped the private key, in ms. */
  readonly duration: number;
  /** Gives the private key, from custody or through KMS. */
  readonly open: (signal?: AbortSignal) => Promise<HeldPrivateKey>;
  readonly unwrap: (key: UnwrappingKey) => Buffer;
}

/** A lease on a data key that custody ends in time, also while nobody asks. Each renewal asks custody again. */
export class LeasedDataKey implements DataKeyLease, Lease {
  readonly organizationId: string;
  readonly duration: number;
  readonly #parts: LeaseParts;
  #since: Moment;
  /** The data key of the start, until it is taken. */
  #first: Buffer | undefined;
  #forgotten = false;
  #released = false;
  #ended: (error?: RecordingKeyStoreError) => void = () => undefined;

  private constructor(parts: LeaseParts, { key, since }: HeldPrivateKey) {
    this.#parts = parts;
    this.organizationId = parts.organizationId;
    this.duration = parts.duration;
    this.#since = since;
    this.#first = parts.unwrap(key);
    parts.custody.start(this);
  }

  /** @throws what unwrapping the private key or the data key throws; `ERR_KEYS_FORGOTTEN` */
  static async start(parts: LeaseParts, signal?: AbortSignal): Promise<LeasedDataKey> {
    const { custody, organizationId } = parts;
    const forgotten = custody.timesForgotten(organizationId);
    const held = await parts.open(signal);
    if (forgotten !== custody.timesForgotten(organizationId)) throw keysForgotten();
    return new LeasedDataKey(parts, held);
  }

  /** When the request was sent that unwrapped the private key for the start or the latest renewal. */
  get since(): Moment {
    return this.#since;
  }

  async dataKey(signal?: AbortSignal): Promise<Buffer> {
    if (this.#forgotten) throw keysForgotten();
    const first = this.#first;
    this.#first = undefined;
    if (first) return first;
    const { key, since } = await this.#parts.open(signal);
    if (this.#forgotten) throw keysForgotten();
    this.#since = since;
    if (!this.#released) this.#parts.custody.start(this);
    return this.#parts.unwrap(key);
  }

  valid(): boolean {
    return !this.#forgotten && this.#parts.custody.valid(this);
  }

  onEnd(ended: (error?: RecordingKeyStoreError) => void): void {
    this.#ended = ended;
  }

  end(forgotten: boolean): void {
    wipe(this.#first);
    this.#first = undefined;
    this.#forgotten ||= forgotten;
    this.#ended(forgotten ? keysForgotten() : undefined);
  }

  release(): void {
    this.#released = true;
    wipe(this.#first);
    this.#first = undefined;
    this.#parts.custody.release(this);
  }
}

function keysForgotten(): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_KEYS_FORGOTTEN", "private keys were forgotten while the recording was open", {
    retryable: true,
  });
}
