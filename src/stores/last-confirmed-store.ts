/**
 * Where one host remembers, for each organization, the last public key that KMS vouched for, so that recordings go on
 * being encrypted when the process restarts in the middle of a KMS or store outage.
 *
 * Keep it on the host, readable and writable by the recording service alone, and outside everything that writers of
 * the key pair store can write to, such as its folder or its database: it is what lets a host notice that somebody
 * changed or rolled back that store. It holds no secret (a public key, a digest and a sequence number), so losing it
 * costs no recording; changing it would let an intruder choose a key.
 */
export interface LastConfirmedStore {
  /** What was saved last, or `undefined` if there is nothing usable. The bytes are a copy. */
  load(organizationId: string): Promise<Uint8Array | undefined>;
  /** Replaces what was saved: after a crash at any moment, `load` gives the old or the new document, whole. */
  save(organizationId: string, document: Uint8Array): Promise<void>;
}

/** Remembers for as long as the process lives: what a store without a place on the host gets. */
export class ProcessLastConfirmed implements LastConfirmedStore {
  readonly #documents = new Map<string, Uint8Array>();

  async load(organizationId: string): Promise<Uint8Array | undefined> {
    return this.#documents.get(organizationId)?.slice();
  }

  async save(organizationId: string, document: Uint8Array): Promise<void> {
    this.#documents.set(organizationId, document.slice());
  }
}
