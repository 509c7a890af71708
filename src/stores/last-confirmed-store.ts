import type { Clock } from "../clock.js";
import { momentOf, type Moment } from "../clock.js";
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

/** A host's memory that also knows when this very process had a key confirmed, so that KMS is not asked again at once. */
export interface LastConfirmedMemory extends LastConfirmedStore {
  confirmedAt?(organizationId: string): Moment | undefined;
}

/**
 * What a process has had confirmed, for all its organizations. It outlives their key stores, and a host whose disk has
 * failed: about a kilobyte each.
 */
export class ConfirmedMemory {
  readonly #clock: Clock;
  readonly #confirmed = new Map<string, { readonly document: Uint8Array; readonly at: Moment }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The process's memory, with the host's behind it. */
  before(host: LastConfirmedStore | undefined): LastConfirmedMemory {
    return {
      load: async (organizationId) =>
        this.#confirmed.get(organizationId)?.document.slice() ?? host?.load(organizationId),
      save: async (organizationId, document) => {
        this.#confirmed.set(organizationId, { document: Uint8Array.from(document), at: momentOf(this.#clock) });
        await host?.save(organizationId, document);
      },
      confirmedAt: (organizationId) => this.#confirmed.get(organizationId)?.at,
    };
  }
}
