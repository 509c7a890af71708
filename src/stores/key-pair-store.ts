import type { LastConfirmedStore } from "./last-confirmed-store.js";

/** Options of every store call. */
export interface StoreCallOptions {
  signal?: AbortSignal | undefined;
}

/** One key pair as a store keeps it. `document` is opaque to the store; the other members are for finding it. */
export interface StoredKeyPair {
  readonly organizationId: string;
  /** Unique within the organization. `[A-Za-z0-9_-]`, at most 64 characters. */
  readonly keyPairId: string;
  /** Position in the history, from 1. Several workers that rotate at once may store several pairs with one sequence. */
  readonly sequence: number;
  /** At most 64 KiB. */
  readonly document: Uint8Array;
}

/** A further record beside a pair: its private half under another KMS key, or a mark. Opaque, create-only. */
export interface StoredWrapping {
  /** Unique within the pair. `[A-Za-z0-9_-]`, at most 64 characters. */
  readonly wrappingId: string;
  readonly document: Uint8Array;
}

/** Which part of the history {@link KeyPairStore.listKeyPairs} gives. */
export interface KeyPairListQuery {
  /**
   * Goes on behind this position: the last pair of the page before. It names the id as well, because several pairs may
   * have one sequence and a page may end between them.
   */
  readonly after?: Pick<StoredKeyPair, "sequence" | "keyPairId"> | undefined;
  /** From 1. */
  readonly limit: number;
}

/** The one thing that moves: which pair is active. */
export interface StoredHead {
  /** Changes with every swap; only the store knows its meaning. */
  readonly revision: string;
  /** At most 64 KiB. */
  readonly document: Uint8Array;
}

/**
 * Where key pairs live. Records are immutable and create-only; one *head* per organization moves by compare-and-swap.
 * That is all it takes of a file system or a database: a conditional write, and no transaction.
 *
 * Contract:
 * - Reads of head and records are strongly consistent: what one caller was told is stored, every caller sees.
 * - A resolved write has survived a crash of the process (and, if the medium can promise it, of the machine).
 * - A rejected write may or may not have happened; the caller finds out by reading.
 * - Organizations never see each other's data, whatever characters their ids hold.
 * - Returned byte arrays are copies; changing them, or those passed in, changes nothing stored.
 * - Ids of organizations are any well-formed Unicode of 1 to 512 bytes of UTF-8. Bad input rejects with
 *   `InvalidInputError` and stores nothing.
 * - Failures reject with `RecordingKeyStoreError`: `ERR_STORE_UNAVAILABLE` (retryable) or `ERR_STORE_CORRUPT`;
 *   an abort rejects with `signal.reason`.
 *
 * `keyPairStoreConformance` in `recording-keystore/testing` checks all of this.
 */
export interface KeyPairStore {
  readHead(organizationId: string, options?: StoreCallOptions): Promise<StoredHead | undefined>;

  /**
   * Replaces the head if its revision is still `expectedRevision` (`undefined`: if there is none yet).
   * Resolves with the new head, or with `undefined` if another caller was first; then nothing has changed.
   */
  swapHead(
    organizationId: string,
    expectedRevision: string | undefined,
    document: Uint8Array,
    options?: StoreCallOptions,
  ): Promise<StoredHead | undefined>;

  /** Stores a new pair. `"exists"` if the id is taken, with the same or another content; then nothing has changed. */
  createKeyPair(pair: StoredKeyPair, options?: StoreCallOptions): Promise<"created" | "exists">;

  readKeyPair(
    organizationId: string,
    keyPairId: string,
    options?: StoreCallOptions,
  ): Promise<StoredKeyPair | undefined>;

  /** The history, highest sequence first, then by id (ASCII order): at most `limit` pairs that come behind `after`. */
  listKeyPairs(
    organizationId: string,
    query: KeyPairListQuery,
    options?: StoreCallOptions,
  ): Promise<readonly StoredKeyPair[]>;

  /** Adds a wrapping to a pair; never changes one. */
  createWrapping(
    organizationId: string,
    keyPairId: string,
    wrapping: StoredWrapping,
    options?: StoreCallOptions,
  ): Promise<"created" | "exists">;

  /** All further wrappings of a pair, by id. They stand for one another: a damaged one may be left out if another is whole. */
  listWrappings(
    organizationId: string,
    keyPairId: string,
    options?: StoreCallOptions,
  ): Promise<readonly StoredWrapping[]>;

  /**
   * Removes a pair and its wrappings, for good; resolves with whether there was one. May be called again, also after a
   * rejection, which may have removed all, nothing, or the pair without its wrappings; never the other way round.
   * Optional: without it no pair is ever removed. It is called by `removeOrphanedKeyPairs()` alone, so a database's policy
   * may withhold deletion from everybody else.
   */
  removeKeyPair?(organizationId: string, keyPairId: string, options?: StoreCallOptions): Promise<boolean>;

  /** A small item shared by all workers, last writer wins: health, not truth. At most 64 KiB. */
  readStatus(organizationId: string, options?: StoreCallOptions): Promise<Uint8Array | undefined>;
  writeStatus(organizationId: string, document: Uint8Array, options?: StoreCallOptions): Promise<void>;

  /**
   * The place where this host remembers confirmed keys when the key store is given no other, for stores that know one
   * on the host's own disk. It must lie outside what writers of the store can write to, or they could choose the key
   * under which this host records. See {@link LastConfirmedStore}.
   */
  hostLastConfirmed?(): LastConfirmedStore;
}
