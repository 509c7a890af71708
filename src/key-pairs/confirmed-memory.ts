import type { Clock } from "../clock.js";
import type { LastConfirmedStore } from "../stores/last-confirmed-store.js";
import { momentOf, type Moment } from "./private-key-custody.js";

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
