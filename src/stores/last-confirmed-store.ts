import { momentOf, type Clock, type Moment } from "../clock.js";

/**
 * A host's place for the last public key of each organization that KMS vouched for, so that recordings go on being
 * encrypted when the process restarts in the middle of a KMS or store outage.
 *
 * Keep it on the host, readable and writable by the recording service alone, and outside everything that writers of
 * the key pair store can write to, such as its folder or its database: it is what lets a host notice that somebody
 * changed or rolled back that store. It holds no secret (a public key, a digest and a sequence number), so losing it
 * costs no recording; changing it would let an intruder choose a key.
 *
 * Each call may take as long as `storeTimeout`. A failure stops no recording; it shows as a warning of the process.
 */
export interface LastConfirmedStore {
  /** The document saved last, as a copy; `undefined` if there is none that can be used. */
  load(organizationId: string): Promise<Uint8Array | undefined>;
  /**
   * Replaces the document. After a crash at any moment `load` gives the old or the new one, whole.
   * @param document - at most 64 KiB; the caller may reuse its buffer after the call
   */
  save(organizationId: string, document: Uint8Array): Promise<void>;
}

/**
 * The last confirmed pairs of all organizations of a process, a kilobyte each. Outlives their key stores, and a host whose
 * disk has failed.
 */
export class ProcessLastConfirmedStore implements LastConfirmedStore {
  readonly #clock: Clock;
  readonly #saved = new Map<string, { readonly document: Uint8Array; readonly at: Moment }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async load(organizationId: string): Promise<Uint8Array | undefined> {
    return this.#saved.get(organizationId)?.document.slice();
  }

  async save(organizationId: string, document: Uint8Array): Promise<void> {
    this.#saved.set(organizationId, { document: Uint8Array.from(document), at: momentOf(this.#clock) });
  }

  /** When this process last had the organization's pair confirmed. */
  confirmedAt(organizationId: string): Moment | undefined {
    return this.#saved.get(organizationId)?.at;
  }
}
