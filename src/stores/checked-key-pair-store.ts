import type { HeadLog } from "./head-log.js";
import {
  checkDocument,
  checkKeyPair,
  checkListQuery,
  checkOrganizationId,
  checkRecordId,
  checkWrapping,
} from "./input.js";
import type {
  HeadChanges,
  KeyPairListQuery,
  KeyPairStore,
  StoreCallOptions,
  StoredHead,
  StoredKeyPair,
  StoredWrapping,
} from "./key-pair-store.js";
import { boundedStoreCall, type StoreFailure } from "./store-call.js";
import { StoreError } from "./store-error.js";

/** Longest time from the announcement of a swap to the swap, in ms, by the store's contract. */
const longestSwap = 30_000;

/** What a database does for a {@link CheckedKeyPairStore}: the contract's calls, with checked input and bytes of its own. */
export interface KeyPairBackend {
  /** Where swaps are announced; missing where they are not. */
  readonly headLog?: HeadLog;
  readHead(organizationId: string, signal: AbortSignal): Promise<StoredHead | undefined>;
  swapHead(
    organizationId: string,
    expectedRevision: string | undefined,
    document: Uint8Array,
    signal: AbortSignal,
  ): Promise<StoredHead | undefined>;
  createKeyPair(pair: StoredKeyPair, signal: AbortSignal): Promise<"created" | "exists">;
  readKeyPair(organizationId: string, keyPairId: string, signal: AbortSignal): Promise<StoredKeyPair | undefined>;
  listKeyPairs(organizationId: string, query: KeyPairListQuery, signal: AbortSignal): Promise<readonly StoredKeyPair[]>;
  createWrapping(
    organizationId: string,
    keyPairId: string,
    wrapping: StoredWrapping,
    signal: AbortSignal,
  ): Promise<"created" | "exists">;
  listWrappings(organizationId: string, keyPairId: string, signal: AbortSignal): Promise<readonly StoredWrapping[]>;
  removeKeyPair(organizationId: string, keyPairId: string, signal: AbortSignal): Promise<boolean>;
  readStatus(organizationId: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
  writeStatus(organizationId: string, document: Uint8Array, signal: AbortSignal): Promise<void>;
  /** Classifies what the driver or SDK has thrown, which may be anything. */
  failureOf(error: unknown): StoreFailure;
}

/**
 * The parts of `KeyPairStore`'s contract that do not depend on the database: input is checked and copied before the first
 * await, each call ends at its deadline or with its signal, and every failure is a {@link StoreError} without the driver's texts.
 */
export abstract class CheckedKeyPairStore implements KeyPairStore {
  readonly #backend: KeyPairBackend;
  readonly #timeout: number;
  /** As the contract says, where the backend announces swaps. */
  declare readonly headChanges?: NonNullable<KeyPairStore["headChanges"]>;

  /** @param timeout - longest time of one call, in ms */
  protected constructor(backend: KeyPairBackend, timeout: number) {
    this.#backend = backend;
    this.#timeout = timeout;
    const { headLog } = backend;
    if (headLog) this.headChanges = async ({ after }, options) => this.#headChanges(headLog, after, options);
  }

  async readHead(organizationId: string, options?: StoreCallOptions): Promise<StoredHead | undefined> {
    checkOrganizationId(organizationId);
    return this.#call("readHead", options, async (backend, signal) => backend.readHead(organizationId, signal));
  }

  async swapHead(
    organizationId: string,
    expectedRevision: string | undefined,
    document: Uint8Array,
    options?: StoreCallOptions,
  ): Promise<StoredHead | undefined> {
    checkOrganizationId(organizationId);
    checkDocument(document);
    const copy = new Uint8Array(document);
    return this.#call("swapHead", options, async (backend, signal) => {
      if (backend.headLog) await announced(backend.headLog, organizationId, signal);
      return backend.swapHead(organizationId, expectedRevision, copy, signal);
    });
  }

  async createKeyPair(pair: StoredKeyPair, options?: StoreCallOptions): Promise<"created" | "exists"> {
    const { organizationId, keyPairId, sequence, document } = pair;
    const given = { organizationId, keyPairId, sequence, document };
    checkKeyPair(given);
    const copy = { ...given, document: new Uint8Array(document) };
    return this.#call("createKeyPair", options, async (backend, signal) => backend.createKeyPair(copy, signal));
  }

  async readKeyPair(
    organizationId: string,
    keyPairId: string,
    options?: StoreCallOptions,
  ): Promise<StoredKeyPair | undefined> {
    checkOrganizationId(organizationId);
    checkRecordId("keyPairId", keyPairId);
    return this.#call("readKeyPair", options, async (backend, signal) =>
      backend.readKeyPair(organizationId, keyPairId, signal),
    );
  }

  async listKeyPairs(
    organizationId: string,
    query: KeyPairListQuery,
    options?: StoreCallOptions,
  ): Promise<readonly StoredKeyPair[]> {
    const { limit, after } = query;
    const copy = { limit, after: after && { sequence: after.sequence, keyPairId: after.keyPairId } };
    checkOrganizationId(organizationId);
    checkListQuery(copy);
    return this.#call("listKeyPairs", options, async (backend, signal) =>
      backend.listKeyPairs(organizationId, copy, signal),
    );
  }

  async createWrapping(
    organizationId: string,
    keyPairId: string,
    wrapping: StoredWrapping,
    options?: StoreCallOptions,
  ): Promise<"created" | "exists"> {
    const { wrappingId, document } = wrapping;
    checkWrapping(organizationId, keyPairId, { wrappingId, document });
    const copy = { wrappingId, document: new Uint8Array(document) };
    return this.#call("createWrapping", options, async (backend, signal) =>
      backend.createWrapping(organizationId, keyPairId, copy, signal),
    );
  }

  async listWrappings(
    organizationId: string,
    keyPairId: string,
    options?: StoreCallOptions,
  ): Promise<readonly StoredWrapping[]> {
    checkOrganizationId(organizationId);
    checkRecordId("keyPairId", keyPairId);
    return this.#call("listWrappings", options, async (backend, signal) =>
      backend.listWrappings(organizationId, keyPairId, signal),
    );
  }

  async removeKeyPair(organizationId: string, keyPairId: string, options?: StoreCallOptions): Promise<boolean> {
    checkOrganizationId(organizationId);
    checkRecordId("keyPairId", keyPairId);
    return this.#call("removeKeyPair", options, async (backend, signal) =>
      backend.removeKeyPair(organizationId, keyPairId, signal),
    );
  }

  async readStatus(organizationId: string, options?: StoreCallOptions): Promise<Uint8Array | undefined> {
    checkOrganizationId(organizationId);
    return this.#call("readStatus", options, async (backend, signal) => backend.readStatus(organizationId, signal));
  }

  async writeStatus(organizationId: string, document: Uint8Array, options?: StoreCallOptions): Promise<void> {
    checkOrganizationId(organizationId);
    checkDocument(document);
    const copy = new Uint8Array(document);
    return this.#call("writeStatus", options, async (backend, signal) =>
      backend.writeStatus(organizationId, copy, signal),
    );
  }

  async #headChanges(log: HeadLog, after: string | undefined, options?: StoreCallOptions): Promise<HeadChanges> {
    return this.#call("headChanges", options, async (_backend, signal) => log.changes(after, signal));
  }

  async #call<T>(
    operation: string,
    options: StoreCallOptions | undefined,
    work: (backend: KeyPairBackend, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const [signal, backend] = [options?.signal, this.#backend];
    const timeout = operation === "swapHead" ? Math.min(this.#timeout, longestSwap) : this.#timeout;
    const failureOf = (error: unknown) => backend.failureOf(error);
    return boundedStoreCall({ operation, timeout, signal, failureOf }, async (inner) => work(backend, inner));
  }
}

/** Announces a swap. @throws StoreError where that has taken so long that nobody expects the swap any more */
async function announced(log: HeadLog, organizationId: string, signal: AbortSignal): Promise<void> {
  const began = performance.now();
  await log.announce(organizationId, signal);
  // A process that was stopped meanwhile may see the answer before its timers.
  if (performance.now() - began < longestSwap) return;
  throw new StoreError("timeout", { operation: "swapHead", message: "swapHead: announcing the swap took too long" });
}
