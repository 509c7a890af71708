import { wipe } from "../../util/secrets.js";
import { RecordingKeyStoreError } from "../../errors.js";
import type { UnwrappingKey } from "../../format/data-key-wrapping.js";
import type { HeldPrivateKey, PrivateKeyCustody } from "./private-key-custody.js";
import type { Moment } from "../../clock.js";
import type { DataKeyLease } from "../../format/data-key-lease.js";

export interface LeaseTerms {
  readonly custody: PrivateKeyCustody;
  readonly organizationId: string;
  /** Length of a term, milliseconds, counted from the request that unwrapped the private key. */
  readonly hold: number;
  /** The private key, from custody or through KMS. */
  readonly open: (signal?: AbortSignal) => Promise<HeldPrivateKey>;
  readonly unwrap: (key: UnwrappingKey) => Buffer;
}

/** A data key lent out under custody's eyes: custody ends each term in time, also when nobody asks. */
export class LeasedDataKey implements DataKeyLease {
  readonly organizationId: string;
  readonly hold: number;
  readonly #terms: LeaseTerms;
  #since: Moment;
  /** The data key of the first term, until it is taken. */
  #first: Buffer | undefined;
  #forgotten = false;
  #released = false;
  #ended: (error?: RecordingKeyStoreError) => void = () => undefined;

  private constructor(terms: LeaseTerms, { key, since }: HeldPrivateKey) {
    this.#terms = terms;
    this.organizationId = terms.organizationId;
    this.hold = terms.hold;
    this.#since = since;
    this.#first = terms.unwrap(key);
    terms.custody.lend(this);
  }

  /** @throws what unwrapping the private key or the data key throws; `ERR_KEYS_FORGOTTEN` */
  static async begin(terms: LeaseTerms, signal?: AbortSignal): Promise<LeasedDataKey> {
    const { custody, organizationId } = terms;
    const generation = custody.generation(organizationId);
    const held = await terms.open(signal);
    if (generation !== custody.generation(organizationId)) throw keysForgotten();
    return new LeasedDataKey(terms, held);
  }

  /** When the request was sent that unwrapped the private key for this term. */
  get since(): Moment {
    return this.#since;
  }

  async dataKey(signal?: AbortSignal): Promise<Buffer> {
    if (this.#forgotten) throw keysForgotten();
    const first = this.#first;
    this.#first = undefined;
    if (first) return first;
    const { key, since } = await this.#terms.open(signal);
    if (this.#forgotten) throw keysForgotten();
    this.#since = since;
    if (!this.#released) this.#terms.custody.lend(this);
    return this.#terms.unwrap(key);
  }

  valid(): boolean {
    return !this.#forgotten && !this.#terms.custody.hasEnded(this);
  }

  onEnd(ended: (error?: RecordingKeyStoreError) => void): void {
    this.#ended = ended;
  }

  /** Called by custody when the term has run out, or when keys are forgotten. */
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
    this.#terms.custody.takeBack(this);
  }
}

function keysForgotten(): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_KEYS_FORGOTTEN", "private keys were forgotten while the recording was open", {
    retryable: true,
  });
}
